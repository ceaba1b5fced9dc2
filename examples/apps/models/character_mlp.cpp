/// @file The character model's look-up and the way back through it; the rest is the perceptron's.
#include "models/character_mlp.hpp"

#include "random.hpp"

#include <algorithm>

namespace apps::models {

gradcomp::tensor_list character_mlp::tensors() const
{
    return gradcomp::tensor_list{{"embedding.weight", {symbols, width}}, {"fc1.weight", {hidden, context * width}}, {"fc1.bias", {hidden}}, {"fc2.weight", {symbols, hidden}}, {"fc2.bias", {symbols}}};
}

void character_mlp::initialise(std::span<float> parameters, std::uint64_t seed) const
{
    generator random(seed, 19);
    for (float& value : parameters.first(symbols * width)) value = random.normal();
    perceptron().initialise(parameters.subspan(symbols * width), seed);
}

character_mlp::workspace::workspace(const character_mlp& model, std::size_t rows)
    : perceptron_(model.perceptron(), rows), vectors_(rows * model.context * model.width), slopes_(vectors_.size()), next_(rows)
{
}

void character_mlp::look_up(std::span<const float> parameters, std::span<const std::uint8_t> text, std::span<const std::uint32_t> positions, workspace& work) const
{
    float* to = work.vectors_.data();
    for (std::size_t row = 0; row < positions.size(); ++row) {
        const std::span<const std::uint8_t> window = text.subspan(positions[row], context + 1);
        for (const std::uint8_t symbol : window.first(context)) to = std::copy_n(parameters.data() + symbol * width, width, to);
        work.next_[row] = window.back();
    }
}

double character_mlp::gradient(std::span<const float> parameters, std::span<const std::uint8_t> text, std::span<const std::uint32_t> positions, std::span<float> gradient,
    workspace& work) const
{
    look_up(parameters, text, positions, work);
    const std::size_t rows = positions.size(), vectors = symbols * width;
    const std::span<float> slopes = std::span(work.slopes_).first(rows * context * width);
    const double loss = perceptron().gradient(parameters.subspan(vectors), std::span(work.vectors_).first(slopes.size()), std::span(work.next_).first(rows), gradient.subspan(vectors),
        work.perceptron_, slopes);
    std::fill_n(gradient.data(), vectors, 0.0f);
    const float* slope = slopes.data();
    for (std::size_t row = 0; row < rows; ++row)
        for (const std::uint8_t symbol : text.subspan(positions[row], context)) {
            float* const to = gradient.data() + symbol * width;
            for (std::size_t i = 0; i < width; ++i) to[i] += *slope++;
        }
    return loss;
}

double character_mlp::loss(std::span<const float> parameters, std::span<const std::uint8_t> text, std::span<const std::uint32_t> positions, workspace& work) const
{
    look_up(parameters, text, positions, work);
    const std::size_t rows = positions.size(), vectors = symbols * width;
    return perceptron().loss(parameters.subspan(vectors), std::span(work.vectors_).first(rows * context * width), std::span(work.next_).first(rows), work.perceptron_);
}

} // namespace apps::models
