/// @file A model of the next character: the last characters' vectors side by side, then a perceptron with one hidden layer.
#pragma once

#include "models/mlp.hpp"

#include <gradcomp/core/tensors.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace apps::models {

/// Bengio, Ducharme, Vincent, Janvin, A Neural Probabilistic Language Model, JMLR 3, 2003, without direct connections, ReLU for tanh.
///
/// Parameters are embedding.weight (symbols x width), then those of mlp: fc1.weight (hidden x context * width), fc1.bias, fc2.weight, fc2.bias.
/// Symbols are numbers below `symbols`, at most 256 of them; the sizes are in the caller's hands, so that ranks can share the model.
struct character_mlp {
    std::size_t symbols = 65;
    std::size_t context = 16; ///< characters that it sees
    std::size_t width = 16;   ///< of a character's vector
    std::size_t hidden = 256;

    /// Names and shapes in the order of the flat list.
    gradcomp::tensor_list tensors() const;
    /// Number of parameters.
    std::size_t size() const { return symbols * width + perceptron().size(); }

    /// Vectors nearly normal with deviation 1, the perceptron as it does: the same floats for a seed on every platform.
    void initialise(std::span<float> parameters, std::uint64_t seed) const;

    /// Memory for batches of up to `rows` characters to guess; one per thread.
    class workspace {
    public:
        workspace(const character_mlp& model, std::size_t rows);

    private:
        friend struct character_mlp;
        mlp::workspace perceptron_;
        std::vector<float> vectors_; // rows x context * width
        std::vector<float> slopes_;  // the same: their gradient
        std::vector<std::uint8_t> next_; // rows: the characters to guess
    };

    /// Writes the gradient of the mean loss over the characters text[position + context] for all `positions` (their contexts start at text[position])
    /// and returns that loss in nats a character. @param gradient size(), overwritten.
    /// Takes no memory; the same bits wherever the spans lie. @pre positions.size() is at most the workspace's rows, position + context < text.size().
    double gradient(std::span<const float> parameters, std::span<const std::uint8_t> text, std::span<const std::uint32_t> positions, std::span<float> gradient,
        workspace& work) const;

    /// The mean loss alone, for as many positions as the workspace has rows.
    double loss(std::span<const float> parameters, std::span<const std::uint8_t> text, std::span<const std::uint32_t> positions, workspace& work) const;

private:
    mlp perceptron() const { return {.inputs = context * width, .hidden = hidden, .classes = symbols}; }
    /// Puts the vectors of the contexts side by side, and the characters to guess.
    void look_up(std::span<const float> parameters, std::span<const std::uint8_t> text, std::span<const std::uint32_t> positions, workspace& work) const;
};

} // namespace apps::models
