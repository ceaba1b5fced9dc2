/// @file The convolutional network against differences of its own loss, and its loss against plain loops.
#include "models/cnn.hpp"
#include "random.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

using apps::models::cnn;

namespace {

/// One image's scores by the textbook's loops, in double.
std::vector<double> plain_scores(const cnn& m, const std::vector<float>& parameters, const float* image)
{
    const float* at = parameters.data();
    const auto convolve = [&](const std::vector<double>& in, std::size_t channels, std::size_t side, std::size_t out_channels) {
        const std::size_t out = side - 2;
        const float *weight = at, *bias = at + out_channels * channels * 9;
        at = bias + out_channels;
        std::vector<double> planes(out_channels * out * out);
        for (std::size_t o = 0; o < out_channels; ++o)
            for (std::size_t y = 0; y < out; ++y)
                for (std::size_t x = 0; x < out; ++x) {
                    double sum = bias[o];
                    for (std::size_t c = 0; c < channels; ++c)
                        for (std::size_t tap = 0; tap < 9; ++tap)
                            sum += weight[(o * channels + c) * 9 + tap] * in[(c * side + y + tap / 3) * side + x + tap % 3];
                    planes[(o * out + y) * out + x] = std::max(sum, 0.0);
                }
        return planes;
    };
    const auto dense = [&](const std::vector<double>& in, std::size_t outputs) {
        const float *weight = at, *bias = at + outputs * in.size();
        at = bias + outputs;
        std::vector<double> out(bias, bias + outputs);
        for (std::size_t o = 0; o < outputs; ++o)
            for (std::size_t i = 0; i < in.size(); ++i) out[o] += weight[o * in.size() + i] * in[i];
        return out;
    };
    const auto first = convolve({image, image + m.side * m.side}, 1, m.side, m.channels1);
    const auto second = convolve(first, m.channels1, m.side - 2, m.channels2);
    const std::size_t side = m.side - 4, half = side / 2;
    std::vector<double> pooled(m.channels2 * half * half);
    for (std::size_t c = 0; c < m.channels2; ++c)
        for (std::size_t y = 0; y < side; ++y)
            for (std::size_t x = 0; x < side; ++x) {
                double& to = pooled[(c * half + y / 2) * half + x / 2];
                to = std::max(to, second[(c * side + y) * side + x]);
            }
    auto hidden = dense(pooled, m.hidden);
    for (double& h : hidden) h = std::max(h, 0.0);
    return dense(hidden, m.classes);
}

struct problem {
    cnn model{.side = 10, .channels1 = 3, .channels2 = 4, .hidden = 7, .classes = 5};
    std::size_t rows = 6;
    std::vector<float> parameters = std::vector<float>(model.size()), images = std::vector<float>(rows * 100), gradient = std::vector<float>(model.size());
    std::vector<std::uint8_t> labels = std::vector<std::uint8_t>(rows);
    cnn::workspace work{model, rows};

    problem()
    {
        apps::generator random(3);
        model.initialise(parameters, 4);
        for (float& value : images) value = random.normal();
        for (auto& label : labels) label = static_cast<std::uint8_t>(random.below(model.classes));
    }
    double plain_loss(const std::vector<float>& at) const
    {
        double loss = 0;
        for (std::size_t row = 0; row < rows; ++row) {
            const auto score = plain_scores(model, at, images.data() + row * 100);
            double sum = 0;
            for (const double value : score) sum += std::exp(value);
            loss += std::log(sum) - score[labels[row]];
        }
        return loss / static_cast<double>(rows);
    }
};

} // namespace

TEST_CASE("cnn: the tensors and the 1199882 parameters of PyTorch's MNIST example")
{
    const cnn model;
    const auto tensors = model.tensors();
    CHECK(model.size() == 1199882);
    CHECK(tensors.total() == 1199882);
    REQUIRE(tensors.count() == 8);
    const std::size_t offsets[] = {0, 288, 320, 18752, 18816, 1198464, 1198592, 1199872};
    for (std::size_t t = 0; t < 8; ++t) CHECK(tensors.offset(t) == offsets[t]);
    CHECK(tensors.shape(2) == std::vector<std::size_t>{64, 32, 3, 3});
    CHECK(tensors.shape(4) == std::vector<std::size_t>{128, 9216});
}

TEST_CASE("cnn: loss and gradient are those of the plain loops")
{
    problem p;
    CHECK(p.model.gradient(p.parameters, p.images, p.labels, p.gradient, p.work) == doctest::Approx(p.plain_loss(p.parameters)).epsilon(1e-5));
    std::size_t used = 0;
    for (std::size_t i = 0; i < p.parameters.size(); ++i) {
        auto up = p.parameters, down = p.parameters;
        up[i] += 1e-4f;
        down[i] -= 1e-4f;
        const double slope = (p.plain_loss(up) - p.plain_loss(down)) / (static_cast<double>(up[i]) - static_cast<double>(down[i]));
        CAPTURE(i);
        REQUIRE(std::abs(static_cast<double>(p.gradient[i]) - slope) <= 2e-4 + 0.02 * std::abs(slope)); // a kink of ReLU may lie between
        used += p.gradient[i] != 0.0f;
    }
    CHECK(used > p.parameters.size() / 2);
}

TEST_CASE("cnn: the gradient does not depend on where it is written nor on what stood there, and counts right answers")
{
    problem p;
    std::vector<float> other(p.model.size() + 3, 7.0f);
    p.model.gradient(p.parameters, p.images, p.labels, p.gradient, p.work);
    const std::vector<float> first = p.gradient;
    p.model.gradient(p.parameters, p.images, p.labels, std::span(other).subspan(3), p.work);
    CHECK(std::equal(first.begin(), first.end(), other.begin() + 3));
    std::size_t right = 0;
    for (std::size_t row = 0; row < p.rows; ++row) {
        const auto score = plain_scores(p.model, p.parameters, p.images.data() + row * 100);
        right += std::max_element(score.begin(), score.end()) - score.begin() == p.labels[row];
    }
    CHECK(p.model.correct(p.parameters, p.images, p.labels, p.work) == right);
}
