/// @file The perceptron's products by Eigen. Built with -march=native: Eigen picks its SIMD when compiled, and examples run where they are built.

// The products pack their operands; on the stack, so that a batch takes no memory from the heap.
#define EIGEN_STACK_ALLOCATION_LIMIT (2 * 1024 * 1024)

// g++ 12 warns inside its own AVX-512 intrinsics, which read an undefined register on purpose.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include "models/mlp.hpp"

#include "random.hpp"

#include <Eigen/Core>

#include <cmath>

namespace apps::models {
namespace {

using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using row_vector = Eigen::Matrix<float, 1, Eigen::Dynamic>;
using constant_matrix = Eigen::Map<const matrix>;
using mutable_matrix = Eigen::Map<matrix>;
using constant_row = Eigen::Map<const row_vector>;
using mutable_row = Eigen::Map<row_vector>;

Eigen::Index index(std::size_t size) { return static_cast<Eigen::Index>(size); }

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

/// Adds up the rows from first to last. Eigen's own sum over rows groups them by how the result is aligned: other bits in the next run.
template <class Matrix> void sum_rows(const Matrix& rows, mutable_row& sum)
{
    sum.setZero();
    for (Eigen::Index row = 0; row < rows.rows(); ++row) sum += rows.row(row);
}

/// Turns one row of scores into probabilities minus the one-hot label, divided by the batch; returns the row's loss.
double softmax_row(float* scores, std::size_t classes, std::size_t label, float scale)
{
    float largest = scores[0];
    for (std::size_t i = 1; i < classes; ++i) largest = scores[i] > largest ? scores[i] : largest;
    const float own = scores[label] - largest;
    float sum = 0.0f;
    for (std::size_t i = 0; i < classes; ++i) sum += scores[i] = std::exp(scores[i] - largest);
    for (std::size_t i = 0; i < classes; ++i) scores[i] *= scale / sum;
    scores[label] -= scale;
    return std::log(static_cast<double>(sum)) - static_cast<double>(own);
}

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

double mlp::gradient(std::span<const float> parameters, std::span<const float> images, std::span<const std::uint8_t> labels, std::span<float> gradient,
    workspace& work) const
{
    const std::size_t rows = labels.size();
    scores(parameters, images, rows, work);
    double loss = 0.0;
    const float scale = 1.0f / static_cast<float>(rows);
    for (std::size_t row = 0; row < rows; ++row) loss += softmax_row(work.scores_.data() + row * classes, classes, labels[row], scale);
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
    return loss / static_cast<double>(rows);
}

std::size_t mlp::correct(std::span<const float> parameters, std::span<const float> images, std::span<const std::uint8_t> labels, workspace& work) const
{
    scores(parameters, images, labels.size(), work);
    std::size_t right = 0;
    for (std::size_t row = 0; row < labels.size(); ++row) {
        const float* score = work.scores_.data() + row * classes;
        bool best = std::isfinite(score[labels[row]]);
        for (std::size_t i = 0; i < classes; ++i) best = best && (i == labels[row] || score[i] < score[labels[row]]);
        right += best ? 1 : 0;
    }
    return right;
}

} // namespace apps::models
