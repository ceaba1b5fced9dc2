/// @file A multi-layer perceptron with one hidden layer: ReLU, softmax, cross-entropy, over one flat list of parameters.
#pragma once

#include <gradcomp/core/tensors.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace apps::models {

/// The model's sizes; everything else is in the caller's hands, so that ranks can share it.
///
/// Parameters are fc1.weight (hidden x inputs), fc1.bias, fc2.weight (classes x hidden), fc2.bias. The products are Eigen's.
struct mlp {
    std::size_t inputs = 784;
    std::size_t hidden = 256;
    std::size_t classes = 10;

    /// Names and shapes in the order of the flat list.
    gradcomp::tensor_list tensors() const;
    /// Number of parameters.
    std::size_t size() const { return hidden * inputs + hidden + classes * hidden + classes; }

    /// Weights and biases uniform in +-1/sqrt(inputs of their layer): the same floats for a seed on every platform.
    void initialise(std::span<float> parameters, std::uint64_t seed) const;

    /// Memory for batches of up to `rows` images; one per thread.
    class workspace {
    public:
        workspace(const mlp& model, std::size_t rows);

    private:
        friend struct mlp;
        std::size_t rows_;
        std::vector<float> hidden_; // rows x hidden: activations
        std::vector<float> delta_;  // rows x hidden: their gradient
        std::vector<float> scores_; // rows x classes: scores, then probabilities, then their gradient
    };

    /// Writes the gradient of the batch's mean loss and returns that loss (natural logarithm; NaN or Inf where the parameters are).
    /// @param images labels.size() x inputs, row-major; @param gradient size(), overwritten.
    /// @param image_slopes as `images`, overwritten with the gradient by the images, for a model whose last part this is; empty: not wanted.
    /// Takes no memory; the same bits wherever the spans lie. @pre labels.size() is at most the workspace's rows, and each label is below `classes`.
    double gradient(std::span<const float> parameters, std::span<const float> images, std::span<const std::uint8_t> labels, std::span<float> gradient,
        workspace& work, std::span<float> image_slopes = {}) const;

    /// The mean loss alone.
    double loss(std::span<const float> parameters, std::span<const float> images, std::span<const std::uint8_t> labels, workspace& work) const;

    /// How many images get their label as the largest score. A score that is not a number counts as wrong.
    std::size_t correct(std::span<const float> parameters, std::span<const float> images, std::span<const std::uint8_t> labels, workspace& work) const;

private:
    void scores(std::span<const float> parameters, std::span<const float> images, std::size_t rows, workspace& work) const;
    /// Turns the scores into the gradient of the mean loss by them; returns that loss.
    double softmax(std::span<const std::uint8_t> labels, workspace& work) const;
};

} // namespace apps::models
