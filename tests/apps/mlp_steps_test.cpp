/// @file The perceptron's steps, as a GPU runs them, with plain loops in place of kernels and cuBLAS: against models::mlp and data::gather.
#include "data/synthetic.hpp"
#include "models/mlp.hpp"
#include "models/mlp_steps.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

using apps::models::image_choice;
using apps::models::mlp;
using apps::models::mlp_steps;
using apps::models::resident_images;

namespace {

struct plain_loops {
    template <class T> struct buffer : std::vector<T> {
        explicit buffer(std::size_t size) : std::vector<T>(size) {}
    };
    std::size_t bodies = 0;

    /// Backwards: no body may need another's result.
    template <class Body> void for_each(std::size_t n, const Body& body)
    {
        for (std::size_t i = n; i-- > 0;) body(i);
        bodies += n;
    }
    void product(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k, const float* a, std::size_t lda, const float* b, std::size_t ldb, float* c,
        std::size_t ldc)
    {
        for (std::size_t i = 0; i < m; ++i)
            for (std::size_t j = 0; j < n; ++j) {
                double sum = 0;
                for (std::size_t l = 0; l < k; ++l)
                    sum += static_cast<double>(transpose_a ? a[i * lda + l] : a[l * lda + i]) * static_cast<double>(transpose_b ? b[l * ldb + j] : b[j * ldb + l]);
                c[j * ldc + i] = static_cast<float>(sum);
            }
    }
};

struct fixture {
    mlp model{.inputs = 784, .hidden = 24, .classes = 10};
    apps::data::dataset set = apps::data::make_synthetic(200, 40, 3);
    std::vector<float> parameters = std::vector<float>(model.size());
    plain_loops loops;

    fixture() { model.initialise(parameters, 5); }
    static resident_images resident(const apps::data::dataset& set, const apps::data::labelled_images& images)
    {
        return {images.values.data(), images.labels.data(), set.offset.data(), set.scale, images.pixels};
    }
    std::vector<float> expected_gradient(const std::vector<std::uint32_t>& which) const
    {
        std::vector<float> images(which.size() * model.inputs), gradient(model.size());
        std::vector<std::uint8_t> labels(which.size());
        apps::data::gather(set, set.train, which, images, labels);
        mlp::workspace work(model, which.size());
        model.gradient(parameters, images, labels, gradient, work);
        return gradient;
    }
};

} // namespace

TEST_CASE("mlp_steps: the gradient of a batch is that of models::mlp, for batches that fill the memory and smaller ones")
{
    fixture f;
    mlp_steps<plain_loops> steps(f.model, 16, f.loops);
    for (const std::size_t rows : {std::size_t{16}, std::size_t{5}, std::size_t{1}}) {
        CAPTURE(rows);
        std::vector<std::uint32_t> which(rows);
        for (std::size_t row = 0; row < rows; ++row) which[row] = static_cast<std::uint32_t>((row * 37 + 11) % f.set.train.count);
        const std::vector<float> expected = f.expected_gradient(which);
        std::vector<float> found(f.model.size(), std::numeric_limits<float>::quiet_NaN()); // what was in it must not matter
        steps.gradient(f.parameters.data(), fixture::resident(f.set, f.set.train), {which.data(), 0, rows}, found.data());
        double error = 0, size = 0;
        for (std::size_t i = 0; i < found.size(); ++i) {
            error += std::pow(static_cast<double>(found[i]) - static_cast<double>(expected[i]), 2);
            size += std::pow(static_cast<double>(expected[i]), 2);
        }
        CHECK(size > 0);
        CHECK(std::sqrt(error / size) < 1e-5);
    }
}

TEST_CASE("mlp_steps: counts as many right as models::mlp, in consecutive images of a set, and adds them up")
{
    fixture f;
    mlp_steps<plain_loops> steps(f.model, 30, f.loops);
    const resident_images images = fixture::resident(f.set, f.set.test);
    std::vector<float> batch(40 * f.model.inputs);
    std::vector<std::uint8_t> labels(40);
    std::vector<std::uint32_t> all(40);
    std::iota(all.begin(), all.end(), 0u);
    apps::data::gather(f.set, f.set.test, all, batch, labels);
    mlp::workspace work(f.model, 40);
    const std::size_t expected = f.model.correct(f.parameters, batch, labels, work);
    CHECK(expected > 0);
    std::uint64_t found = 100;
    steps.count_correct(f.parameters.data(), images, {nullptr, 0, 30}, &found);
    steps.count_correct(f.parameters.data(), images, {nullptr, 30, 10}, &found);
    CHECK(found == 100 + expected);
}

TEST_CASE("mlp_steps: parameters that are no numbers give a gradient that is none, and nothing right")
{
    fixture f;
    f.parameters[7] = std::numeric_limits<float>::quiet_NaN(); // one weight of one hidden unit
    mlp_steps<plain_loops> steps(f.model, 8, f.loops);
    std::vector<float> gradient(f.model.size());
    const resident_images images = fixture::resident(f.set, f.set.train);
    steps.gradient(f.parameters.data(), images, {nullptr, 0, 8}, gradient.data());
    CHECK(std::isnan(gradient.back()));
    std::uint64_t right = 0;
    steps.count_correct(f.parameters.data(), images, {nullptr, 0, 8}, &right);
    CHECK(right == 0);
    CHECK(f.loops.bodies > 0);
}
