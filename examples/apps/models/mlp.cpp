/// @file The perceptron's products by Eigen. Built with -march=native: Eigen picks its SIMD when compiled, and examples run where they are built.

#include "models/mlp.hpp"

#include "models/layers.hpp"
#include "random.hpp"

#include <cmath>

namespace apps::models {
namespace {

/// The four tensors of a flat list, as matrices.
template <class Matrix, class Row, class Span> struct layers {
    Matrix weight1;
    Row bias1;
    Matrix weight2;
    Row bias2;

    layers(const mlp& model, Span flat)
        : weight1(flat.data(), index(model.hidden), index(model.inputs)), bias1(flat.data() + model.hidden * model.inputs, index(model.hidden)),
          weight2(flat.data() + model.hidden * (model.inputs + 1), index(model.classes), index(model.hidden)),
          bias2(flat.data() + model.hidden * (model.inputs + 1 + model.classes), index(model.classes))
    {
    }
};
using constant_layers = layers<constant_matrix, constant_row, std::span<const float>>;
using mutable_layers = layers<mutable_matrix, mutable_row, std::span<float>>;

} // namespace

gradcomp::tensor_list mlp::tensors() const
{
    return gradcomp::tensor_list{{"fc1.weight", {hidden, inputs}}, {"fc1.bias", {hidden}}, {"fc2.weight", {classes, hidden}}, {"fc2.bias", {classes}}};
}

void mlp::initialise(std::span<float> parameters, std::uint64_t seed) const
{
    generator random(seed, 17);
    const std::size_t first_layer = hidden * (inputs + 1);
    const float bound1 = 1.0f / std::sqrt(static_cast<float>(inputs)), bound2 = 1.0f / std::sqrt(static_cast<float>(hidden));
    for (std::size_t i = 0; i < parameters.size(); ++i) {
        const float bound = i < first_layer ? bound1 : bound2;
        parameters[i] = bound * (2.0f * random.uniform() - 1.0f); // the factor is exact: a fused product rounds alike
    }
}

mlp::workspace::workspace(const mlp& model, std::size_t rows)
    : rows_(rows), hidden_(rows * model.hidden), delta_(rows * model.hidden), scores_(rows * model.classes)
{
}

void mlp::scores(std::span<const float> parameters, std::span<const float> images, std::size_t rows, workspace& work) const
{
    const constant_layers layer(*this, parameters);
    const constant_matrix input(images.data(), index(rows), index(inputs));
    mutable_matrix activation(work.hidden_.data(), index(rows), index(hidden));
    mutable_matrix score(work.scores_.data(), index(rows), index(classes));
    // Products into a transposed result suit Eigen's kernel better: its rows are then the many neurons, not the few images.
    activation.transpose().noalias() = layer.weight1 * input.transpose();
    for (Eigen::Index row = 0; row < activation.rows(); ++row) activation.row(row) = (activation.row(row) + layer.bias1).cwiseMax(0.0f);
    score.noalias() = activation * layer.weight2.transpose();
    score.rowwise() += layer.bias2;
}

double mlp::softmax(std::span<const std::uint8_t> labels, workspace& work) const
{
    double loss = 0.0;
    const float scale = 1.0f / static_cast<float>(labels.size());
    for (std::size_t row = 0; row < labels.size(); ++row) loss += softmax_row(work.scores_.data() + row * classes, classes, labels[row], scale);
    return loss / static_cast<double>(labels.size());
}

double mlp::gradient(std::span<const float> parameters, std::span<const float> images, std::span<const std::uint8_t> labels, std::span<float> gradient,
    workspace& work, std::span<float> image_slopes) const
{
    const std::size_t rows = labels.size();
    scores(parameters, images, rows, work);
    const double loss = softmax(labels, work);
    const constant_layers layer(*this, parameters);
    mutable_layers slope(*this, gradient);
    const constant_matrix input(images.data(), index(rows), index(inputs)), activation(work.hidden_.data(), index(rows), index(hidden));
    const constant_matrix error(work.scores_.data(), index(rows), index(classes));
    mutable_matrix delta(work.delta_.data(), index(rows), index(hidden));
    slope.weight2.noalias() = error.transpose() * activation;
    sum_rows(error, slope.bias2);
    delta.noalias() = error * layer.weight2;
    delta.array() *= (activation.array() > 0.0f).cast<float>();
    slope.weight1.noalias() = delta.transpose() * input;
    sum_rows(delta, slope.bias1);
    if (!image_slopes.empty()) mutable_matrix(image_slopes.data(), index(rows), index(inputs)).noalias() = delta * layer.weight1;
    return loss;
}

double mlp::loss(std::span<const float> parameters, std::span<const float> images, std::span<const std::uint8_t> labels, workspace& work) const
{
    scores(parameters, images, labels.size(), work);
    return softmax(labels, work);
}

std::size_t mlp::correct(std::span<const float> parameters, std::span<const float> images, std::span<const std::uint8_t> labels, workspace& work) const
{
    scores(parameters, images, labels.size(), work);
    return count_correct(work.scores_.data(), classes, labels);
}

} // namespace apps::models
