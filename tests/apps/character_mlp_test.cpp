/// @file The character model against differences of its own loss, and its loss against plain loops.
#include "models/character_mlp.hpp"
#include "random.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

using apps::models::character_mlp;

namespace {

/// A small model, a text, and positions of which two overlap and one comes twice.
struct problem {
    character_mlp model{.symbols = 7, .context = 3, .width = 4, .hidden = 9};
    std::vector<std::uint8_t> text = std::vector<std::uint8_t>(40);
    std::vector<std::uint32_t> positions = {0, 5, 6, 20, 20, 36};
    std::vector<float> parameters = std::vector<float>(model.size()), gradient = std::vector<float>(model.size(), std::numeric_limits<float>::quiet_NaN()); // must not matter
    character_mlp::workspace work{model, positions.size()};

    problem()
    {
        apps::generator random(5);
        for (std::uint8_t& symbol : text) symbol = static_cast<std::uint8_t>(random.below(model.symbols - 1)); // the last symbol never comes
        model.initialise(parameters, 8);
    }
};

/// The mean loss by the textbook's loops, in double.
double plain_loss(const problem& p, const std::vector<double>& x)
{
    const character_mlp& m = p.model;
    const std::size_t inputs = m.context * m.width;
    const double *vectors = x.data(), *weight1 = vectors + m.symbols * m.width, *bias1 = weight1 + m.hidden * inputs, *weight2 = bias1 + m.hidden, *bias2 = weight2 + m.symbols * m.hidden;
    double loss = 0;
    for (const std::uint32_t position : p.positions) {
        std::vector<double> score(bias2, bias2 + m.symbols);
        for (std::size_t h = 0; h < m.hidden; ++h) {
            double sum = bias1[h];
            for (std::size_t c = 0; c < m.context; ++c)
                for (std::size_t i = 0; i < m.width; ++i) sum += weight1[h * inputs + c * m.width + i] * vectors[p.text[position + c] * m.width + i];
            for (std::size_t s = 0; s < m.symbols; ++s) score[s] += weight2[s * m.hidden + h] * std::max(sum, 0.0);
        }
        double sum = 0;
        for (const double one : score) sum += std::exp(one);
        loss += std::log(sum) - score[p.text[position + m.context]];
    }
    return loss / static_cast<double>(p.positions.size());
}

} // namespace

TEST_CASE("character model: five tensors, 83537 parameters for tiny-shakespeare")
{
    const character_mlp model;
    const auto tensors = model.tensors();
    CHECK(model.size() == 83537);
    CHECK(tensors.total() == 83537);
    REQUIRE(tensors.count() == 5);
    CHECK(tensors.name(0) == "embedding.weight");
    CHECK(tensors.shape(0) == std::vector<std::size_t>{65, 16});
    CHECK(tensors.shape(1) == std::vector<std::size_t>{256, 256});
    CHECK(tensors.shape(3) == std::vector<std::size_t>{65, 256});
    CHECK(tensors.offset(4) == 83472);
}

TEST_CASE("character model: loss and gradient agree with the plain loops and their central differences")
{
    problem p;
    const double loss = p.model.gradient(p.parameters, p.text, p.positions, p.gradient, p.work);
    std::vector<double> x(p.parameters.begin(), p.parameters.end());
    CHECK(loss == doctest::Approx(plain_loss(p, x)).epsilon(1e-5));
    CHECK(p.model.loss(p.parameters, p.text, p.positions, p.work) == loss);
    constexpr double step = 1e-5;
    std::size_t used = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
        CAPTURE(i);
        const double here = x[i];
        x[i] = here + step;
        const double above = plain_loss(p, x);
        x[i] = here - step;
        const double below = plain_loss(p, x);
        x[i] = here;
        CHECK(std::abs(static_cast<double>(p.gradient[i]) - (above - below) / (2 * step)) < 2e-5);
        used += p.gradient[i] != 0.0f;
    }
    CHECK(used > x.size() / 2);
    for (std::size_t i = 6 * 4; i < 7 * 4; ++i) CHECK(p.gradient[i] == 0.0f); // the vector of a character that is not there
}

TEST_CASE("character model: the bits depend neither on the workspace's size nor on where the spans lie")
{
    problem p;
    p.model.gradient(p.parameters, p.text, p.positions, p.gradient, p.work);
    for (std::size_t shift = 0; shift < 16; ++shift) { // in elements: every place within 64 bytes
        CAPTURE(shift);
        std::vector<float> x(p.model.size() + 16), g(p.model.size() + 16);
        std::copy(p.parameters.begin(), p.parameters.end(), x.begin() + static_cast<std::ptrdiff_t>(shift));
        const std::span<float> gradient = std::span(g).subspan(shift, p.model.size());
        character_mlp::workspace roomy(p.model, 16 + shift);
        p.model.gradient(std::span<const float>(x).subspan(shift, p.model.size()), p.text, p.positions, gradient, roomy);
        CHECK(std::equal(p.gradient.begin(), p.gradient.end(), gradient.begin()));
    }
}

TEST_CASE("character model: initial parameters are the same floats for a seed and differ by seed")
{
    const character_mlp model;
    std::vector<float> one(model.size()), again(model.size()), other(model.size());
    model.initialise(one, 1), model.initialise(again, 1), model.initialise(other, 2);
    CHECK(one == again);
    CHECK(one[0] != other[0]);
    CHECK(one.back() != other.back());
    double square = 0;
    for (std::size_t i = 0; i < 65 * 16; ++i) square += static_cast<double>(one[i] * one[i]) / (65 * 16);
    CHECK(std::abs(square - 1) < 0.15);
}
