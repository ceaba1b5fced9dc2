/// @file The convolutional network's products by Eigen, built with -march=native as the perceptron's.
#include "models/cnn.hpp"

#include "models/layers.hpp"
#include "random.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace apps::models {
namespace {

constexpr std::size_t kernel = 3, taps = kernel * kernel;

/// The eight tensors of a flat list.
template <class Matrix, class Row, class Span> struct layers {
    Matrix weight1;
    Row bias1;
    Matrix weight2;
    Row bias2;
    Matrix weight3;
    Row bias3;
    Matrix weight4;
    Row bias4;

    layers(const cnn& m, Span flat, std::size_t features)
        : weight1(flat.data(), index(m.channels1), index(taps)), bias1(weight1.data() + m.channels1 * taps, index(m.channels1)),
          weight2(bias1.data() + m.channels1, index(m.channels2), index(m.channels1 * taps)),
          bias2(weight2.data() + m.channels2 * m.channels1 * taps, index(m.channels2)), weight3(bias2.data() + m.channels2, index(m.hidden), index(features)),
          bias3(weight3.data() + m.hidden * features, index(m.hidden)), weight4(bias3.data() + m.hidden, index(m.classes), index(m.hidden)),
          bias4(weight4.data() + m.classes * m.hidden, index(m.classes))
    {
    }
};
using constant_layers = layers<constant_matrix, constant_row, std::span<const float>>;
using mutable_layers = layers<mutable_matrix, mutable_row, std::span<float>>;

/// Row (channel, tap) of the patches is the channel's plane shifted by the tap: (side - 2)^2 pixels.
void unroll(const float* planes, std::size_t channels, std::size_t side, float* patches)
{
    const std::size_t out = side - 2;
    for (std::size_t c = 0; c < channels; ++c)
        for (std::size_t y = 0; y < kernel; ++y)
            for (std::size_t x = 0; x < kernel; ++x)
                for (std::size_t row = 0; row < out; ++row, patches += out)
                    std::memcpy(patches, planes + (c * side + row + y) * side + x, out * sizeof(float));
}

/// The transpose of unroll: adds each patch row back to its channel's plane.
void roll_up(const float* patches, std::size_t channels, std::size_t side, float* planes)
{
    const std::size_t out = side - 2;
    std::fill(planes, planes + channels * side * side, 0.0f);
    for (std::size_t c = 0; c < channels; ++c)
        for (std::size_t y = 0; y < kernel; ++y)
            for (std::size_t x = 0; x < kernel; ++x)
                for (std::size_t row = 0; row < out; ++row, patches += out) {
                    float* to = planes + (c * side + row + y) * side + x;
                    for (std::size_t i = 0; i < out; ++i) to[i] += patches[i];
                }
}

void add_bias_and_clip(mutable_matrix& planes, const constant_row& bias)
{
    for (Eigen::Index c = 0; c < planes.rows(); ++c) planes.row(c) = (planes.row(c).array() + bias(c)).max(0.0f);
}

/// The largest of each 2 x 2 square and which of the four it was; 4 where it is 0, through which no gradient flows.
void pool(const float* planes, std::size_t channels, std::size_t side, float* pooled, std::uint8_t* winner)
{
    for (std::size_t c = 0; c < channels; ++c)
        for (std::size_t y = 0; y < side; y += 2)
            for (std::size_t x = 0; x < side; x += 2, ++pooled, ++winner) {
                const float* at = planes + (c * side + y) * side + x;
                const float four[4] = {at[0], at[1], at[side], at[side + 1]};
                std::uint8_t best = 0;
                for (std::uint8_t i = 1; i < 4; ++i) best = four[i] > four[best] ? i : best;
                *pooled = four[best];
                *winner = four[best] > 0.0f ? best : std::uint8_t{4};
            }
}

void unpool(const float* pooled_slope, const std::uint8_t* winner, std::size_t channels, std::size_t side, float* planes)
{
    std::fill(planes, planes + channels * side * side, 0.0f);
    for (std::size_t c = 0; c < channels; ++c)
        for (std::size_t y = 0; y < side; y += 2)
            for (std::size_t x = 0; x < side; x += 2, ++pooled_slope, ++winner)
                if (*winner < 4) planes[(c * side + y + *winner / 2) * side + x + *winner % 2] = *pooled_slope;
}

/// sum(c) += the elements of row c, in order.
void add_row_sums(const mutable_matrix& planes, mutable_row& sum)
{
    for (Eigen::Index c = 0; c < planes.rows(); ++c) {
        float lanes[16] = {}, total = 0.0f;
        const float* row = planes.data() + c * planes.cols();
        for (Eigen::Index i = 0; i < planes.cols(); ++i) lanes[i % 16] += row[i];
        for (const float lane : lanes) total += lane;
        sum(c) += total;
    }
}

} // namespace

gradcomp::tensor_list cnn::tensors() const
{
    return gradcomp::tensor_list{{"conv1.weight", {channels1, 1, kernel, kernel}}, {"conv1.bias", {channels1}}, {"conv2.weight", {channels2, channels1, kernel, kernel}},
        {"conv2.bias", {channels2}}, {"fc1.weight", {hidden, features()}}, {"fc1.bias", {hidden}}, {"fc2.weight", {classes, hidden}}, {"fc2.bias", {classes}}};
}

std::size_t cnn::size() const
{
    return channels1 * (taps + 1) + channels2 * (channels1 * taps + 1) + hidden * (features() + 1) + classes * (hidden + 1);
}

void cnn::initialise(std::span<float> parameters, std::uint64_t seed) const
{
    generator random(seed, 18);
    const std::size_t inputs[4] = {taps, channels1 * taps, features(), hidden}, outputs[4] = {channels1, channels2, hidden, classes};
    std::size_t at = 0;
    for (int layer = 0; layer < 4; ++layer) {
        const float bound = 1.0f / std::sqrt(static_cast<float>(inputs[layer]));
        for (const std::size_t end = at + outputs[layer] * (inputs[layer] + 1); at < end; ++at)
            parameters[at] = bound * (2.0f * random.uniform() - 1.0f); // the factor is exact: a fused product rounds alike
    }
}

cnn::workspace::workspace(const cnn& model, std::size_t rows)
    : first_(rows * model.channels1 * model.side1() * model.side1()), second_(model.channels2 * model.side2() * model.side2()),
      patches1_(taps * model.side1() * model.side1()), patches2_(model.channels1 * taps * model.side2() * model.side2()), patch_slopes_(patches2_.size()),
      first_slope_(model.channels1 * model.side1() * model.side1()), pooled_(rows * model.features()), pooled_slope_(rows * model.features()),
      winner_(rows * model.features()), hidden_(rows * model.hidden), delta_(rows * model.hidden), scores_(rows * model.classes)
{
}

void cnn::convolve(std::span<const float> parameters, const float* image, std::size_t row, workspace& work) const
{
    const constant_layers layer(*this, parameters, features());
    const std::size_t pixels1 = side1() * side1(), pixels2 = side2() * side2();
    float* const first = work.first_.data() + row * channels1 * pixels1;
    unroll(image, 1, side, work.patches1_.data());
    mutable_matrix plane1(first, index(channels1), index(pixels1)), plane2(work.second_.data(), index(channels2), index(pixels2));
    plane1.noalias() = layer.weight1 * constant_matrix(work.patches1_.data(), index(taps), index(pixels1));
    add_bias_and_clip(plane1, layer.bias1);
    unroll(first, channels1, side1(), work.patches2_.data());
    plane2.noalias() = layer.weight2 * constant_matrix(work.patches2_.data(), index(channels1 * taps), index(pixels2));
    add_bias_and_clip(plane2, layer.bias2);
    pool(work.second_.data(), channels2, side2(), work.pooled_.data() + row * features(), work.winner_.data() + row * features());
}

void cnn::convolve_back(std::span<const float> parameters, const float* image, std::size_t row, std::span<float> gradient, workspace& work) const
{
    const constant_layers layer(*this, parameters, features());
    mutable_layers slope(*this, gradient, features());
    const std::size_t pixels1 = side1() * side1(), pixels2 = side2() * side2();
    const float* const first = work.first_.data() + row * channels1 * pixels1;
    unpool(work.pooled_slope_.data() + row * features(), work.winner_.data() + row * features(), channels2, side2(), work.second_.data());
    const mutable_matrix delta2(work.second_.data(), index(channels2), index(pixels2));
    unroll(first, channels1, side1(), work.patches2_.data());
    const constant_matrix patches2(work.patches2_.data(), index(channels1 * taps), index(pixels2));
    slope.weight2.noalias() += delta2 * patches2.transpose();
    add_row_sums(delta2, slope.bias2);
    mutable_matrix(work.patch_slopes_.data(), index(channels1 * taps), index(pixels2)).noalias() = layer.weight2.transpose() * delta2;
    roll_up(work.patch_slopes_.data(), channels1, side1(), work.first_slope_.data());
    for (std::size_t i = 0; i < channels1 * pixels1; ++i)
        if (!(first[i] > 0.0f)) work.first_slope_[i] = 0.0f;
    const mutable_matrix delta1(work.first_slope_.data(), index(channels1), index(pixels1));
    unroll(image, 1, side, work.patches1_.data());
    slope.weight1.noalias() += delta1 * constant_matrix(work.patches1_.data(), index(taps), index(pixels1)).transpose();
    add_row_sums(delta1, slope.bias1);
}

void cnn::scores(std::span<const float> parameters, std::span<const float> images, std::size_t rows, workspace& work) const
{
    const constant_layers layer(*this, parameters, features());
    for (std::size_t row = 0; row < rows; ++row) convolve(parameters, images.data() + row * side * side, row, work);
    const constant_matrix pooled(work.pooled_.data(), index(rows), index(features()));
    mutable_matrix activation(work.hidden_.data(), index(rows), index(hidden)), score(work.scores_.data(), index(rows), index(classes));
    activation.transpose().noalias() = layer.weight3 * pooled.transpose();
    for (Eigen::Index row = 0; row < activation.rows(); ++row) activation.row(row) = (activation.row(row) + layer.bias3).cwiseMax(0.0f);
    score.noalias() = activation * layer.weight4.transpose();
    score.rowwise() += layer.bias4;
}

double cnn::gradient(std::span<const float> parameters, std::span<const float> images, std::span<const std::uint8_t> labels, std::span<float> gradient,
    workspace& work) const
{
    const std::size_t rows = labels.size();
    scores(parameters, images, rows, work);
    double loss = 0.0;
    const float scale = 1.0f / static_cast<float>(rows);
    for (std::size_t row = 0; row < rows; ++row) loss += softmax_row(work.scores_.data() + row * classes, classes, labels[row], scale);
    const constant_layers layer(*this, parameters, features());
    mutable_layers slope(*this, gradient, features());
    const constant_matrix pooled(work.pooled_.data(), index(rows), index(features())), activation(work.hidden_.data(), index(rows), index(hidden));
    const constant_matrix error(work.scores_.data(), index(rows), index(classes));
    mutable_matrix delta(work.delta_.data(), index(rows), index(hidden));
    slope.weight4.noalias() = error.transpose() * activation;
    sum_rows(error, slope.bias4);
    delta.noalias() = error * layer.weight4;
    delta.array() *= (activation.array() > 0.0f).cast<float>();
    slope.weight3.noalias() = delta.transpose() * pooled;
    sum_rows(delta, slope.bias3);
    mutable_matrix(work.pooled_slope_.data(), index(rows), index(features())).noalias() = delta * layer.weight3;
    std::fill(gradient.begin(), gradient.begin() + (layer.weight3.data() - parameters.data()), 0.0f);
    for (std::size_t row = 0; row < rows; ++row) convolve_back(parameters, images.data() + row * side * side, row, gradient, work);
    return loss / static_cast<double>(rows);
}

std::size_t cnn::correct(std::span<const float> parameters, std::span<const float> images, std::span<const std::uint8_t> labels, workspace& work) const
{
    scores(parameters, images, labels.size(), work);
    return count_correct(work.scores_.data(), classes, labels);
}

} // namespace apps::models
