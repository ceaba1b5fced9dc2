/// @file The perceptron against differences of its own loss and a plain transcription of its formula.
#include "models/mlp.hpp"
#include "random.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

using apps::models::mlp;

namespace {

struct batch {
    std::vector<float> images;
    std::vector<std::uint8_t> labels;
};

batch draw_batch(const mlp& model, std::size_t rows, std::uint64_t seed)
{
    apps::generator random(seed);
    batch out{std::vector<float>(rows * model.inputs), std::vector<std::uint8_t>(rows)};
    for (float& value : out.images) value = random.normal();
    for (std::uint8_t& label : out.labels) label = static_cast<std::uint8_t>(random.below(model.classes));
    return out;
}

std::vector<float> draw_parameters(const mlp& model, std::uint64_t seed)
{
    std::vector<float> parameters(model.size());
    model.initialise(parameters, seed);
    return parameters;
}

/// The scores of one image, in double, by the textbook loops.
std::vector<double> plain_scores(const mlp& model, const std::vector<double>& x, const float* image)
{
    const double* bias1 = x.data() + model.hidden * model.inputs;
    const double* weight2 = bias1 + model.hidden;
    const double* bias2 = weight2 + model.classes * model.hidden;
    std::vector<double> score(bias2, bias2 + model.classes);
    for (std::size_t h = 0; h < model.hidden; ++h) {
        double sum = bias1[h];
        for (std::size_t i = 0; i < model.inputs; ++i) sum += x[h * model.inputs + i] * static_cast<double>(image[i]);
        for (std::size_t c = 0; c < model.classes; ++c) score[c] += weight2[c * model.hidden + h] * std::max(sum, 0.0);
    }
    return score;
}

double plain_loss(const mlp& model, const std::vector<double>& x, const batch& data)
{
    double loss = 0.0;
    for (std::size_t row = 0; row < data.labels.size(); ++row) {
        const std::vector<double> score = plain_scores(model, x, data.images.data() + row * model.inputs);
        double sum = 0.0;
        for (const double value : score) sum += std::exp(value);
        loss += std::log(sum) - score[data.labels[row]];
    }
    return loss / static_cast<double>(data.labels.size());
}

} // namespace

TEST_CASE("mlp: 784-256-10 has the four tensors and 203530 parameters")
{
    const mlp model;
    const auto tensors = model.tensors();
    CHECK(model.size() == 203530);
    CHECK(tensors.total() == 203530);
    REQUIRE(tensors.count() == 4);
    CHECK(tensors.name(0) == "fc1.weight");
    CHECK(tensors.shape(0) == std::vector<std::size_t>{256, 784});
    CHECK(tensors.name(1) == "fc1.bias");
    CHECK(tensors.shape(2) == std::vector<std::size_t>{10, 256});
    CHECK(tensors.offset(3) == 203520);
}

TEST_CASE("mlp: loss and gradient agree with the plain formula and its central differences")
{
    const mlp model{.inputs = 13, .hidden = 9, .classes = 4};
    const batch data = draw_batch(model, 5, 3);
    const std::vector<float> parameters = draw_parameters(model, 7);
    std::vector<float> gradient(model.size(), std::numeric_limits<float>::quiet_NaN()); // what was in it must not matter
    mlp::workspace work(model, 5);
    const double loss = model.gradient(parameters, data.images, data.labels, gradient, work);
    std::vector<double> x(parameters.begin(), parameters.end());
    CHECK(loss == doctest::Approx(plain_loss(model, x, data)).epsilon(1e-5));
    constexpr double step = 1e-5;
    for (std::size_t i = 0; i < model.size(); ++i) {
        const double here = x[i];
        x[i] = here + step;
        const double above = plain_loss(model, x, data);
        x[i] = here - step;
        const double below = plain_loss(model, x, data);
        x[i] = here;
        CHECK(std::abs(static_cast<double>(gradient[i]) - (above - below) / (2 * step)) < 2e-5);
    }
}

TEST_CASE("mlp: a batch smaller than the workspace gives the same gradient as one that fills it")
{
    const mlp model{.inputs = 20, .hidden = 8, .classes = 3};
    const batch data = draw_batch(model, 4, 5);
    const std::vector<float> parameters = draw_parameters(model, 1);
    std::vector<float> exact(model.size()), roomy(model.size());
    mlp::workspace small(model, 4), large(model, 64);
    model.gradient(parameters, data.images, data.labels, exact, small);
    model.gradient(parameters, data.images, data.labels, roomy, large);
    CHECK(exact == roomy);
}

TEST_CASE("mlp: the gradient's bits do not depend on where parameters, images and gradient lie in memory")
{
    const mlp model;
    const batch data = draw_batch(model, 16, 6);
    const std::vector<float> parameters = draw_parameters(model, 4);
    mlp::workspace work(model, 16);
    std::vector<float> expected(model.size());
    model.gradient(parameters, data.images, data.labels, expected, work);
    for (std::size_t shift = 0; shift < 16; ++shift) { // in elements: every place within 64 bytes
        CAPTURE(shift);
        std::vector<float> x(model.size() + 16), g(model.size() + 16), images(data.images.size() + 16);
        std::copy(parameters.begin(), parameters.end(), x.begin() + static_cast<std::ptrdiff_t>(shift));
        std::copy(data.images.begin(), data.images.end(), images.begin() + static_cast<std::ptrdiff_t>(shift));
        const std::span<float> gradient = std::span(g).subspan(shift, model.size());
        mlp::workspace own(model, 16 + shift);
        model.gradient(std::span<const float>(x).subspan(shift, model.size()), std::span<const float>(images).subspan(shift, data.images.size()), data.labels,
            gradient, own);
        CHECK(std::equal(expected.begin(), expected.end(), gradient.begin()));
    }
}

TEST_CASE("mlp: correct() counts the images whose label has the largest score, and NaN is never right")
{
    const mlp model{.inputs = 11, .hidden = 6, .classes = 5};
    const batch data = draw_batch(model, 40, 9);
    std::vector<float> parameters = draw_parameters(model, 2);
    const std::vector<double> x(parameters.begin(), parameters.end());
    std::size_t expected = 0;
    for (std::size_t row = 0; row < 40; ++row) {
        const std::vector<double> score = plain_scores(model, x, data.images.data() + row * model.inputs);
        expected += static_cast<std::size_t>(std::max_element(score.begin(), score.end()) - score.begin()) == data.labels[row] ? 1 : 0;
    }
    mlp::workspace work(model, 40);
    CHECK(model.correct(parameters, data.images, data.labels, work) == expected);
    CHECK(expected > 0);
    std::fill(parameters.begin(), parameters.end(), std::numeric_limits<float>::quiet_NaN());
    CHECK(model.correct(parameters, data.images, data.labels, work) == 0);
}

TEST_CASE("mlp: initial weights are the same floats everywhere, differ by seed and stay within their layer's bound")
{
    const mlp model;
    const std::vector<float> one = draw_parameters(model, 1), again = draw_parameters(model, 1), other = draw_parameters(model, 2);
    CHECK(one == again);
    CHECK(one != other);
    const std::size_t first_layer = 256 * 785;
    for (std::size_t i = 0; i < one.size(); ++i) CHECK_UNARY(std::abs(one[i]) <= (i < first_layer ? 1.0f / 28.0f : 1.0f / 16.0f));
    apps::generator random(1, 17);
    CHECK(one[0] == (1.0f / 28.0f) * (2.0f * random.uniform() - 1.0f));
}

TEST_CASE("mlp: gradient steps learn a separable set")
{
    const mlp model{.inputs = 30, .hidden = 16, .classes = 3};
    batch data = draw_batch(model, 60, 4);
    for (std::size_t row = 0; row < 60; ++row) data.images[row * 30 + data.labels[row]] += 6.0f;
    std::vector<float> parameters = draw_parameters(model, 3), gradient(model.size());
    mlp::workspace work(model, 60);
    const double before = model.gradient(parameters, data.images, data.labels, gradient, work);
    for (int step = 0; step < 200; ++step) {
        model.gradient(parameters, data.images, data.labels, gradient, work);
        for (std::size_t i = 0; i < parameters.size(); ++i) parameters[i] -= 0.1f * gradient[i];
    }
    CHECK(model.gradient(parameters, data.images, data.labels, gradient, work) < before / 10);
    CHECK(model.correct(parameters, data.images, data.labels, work) == 60);
}
