/// @file The estimator against enumeration: it finds true values within its intervals, and refuses wrong classes.
#include <gradcomp/theory/measured.hpp>
#include <gradcomp/theory/operators.hpp>

#include "../reference/random.hpp"
#include "exact_operator.hpp"

#include <doctest/doctest.h>

#include <cmath>

namespace gc = gradcomp;
namespace theory = gradcomp::theory;
using doctest::Approx;

namespace {

/// A random k-subset drawn from (seed, draw), kept elements times factor.
template <class T> auto drawn_subset(std::size_t k, T factor, std::uint64_t seed)
{
    return [=](std::span<const T> x, std::span<T> out, std::uint64_t draw) {
        std::vector<std::size_t> order(x.size());
        for (std::size_t i = 0; i < x.size(); ++i) order[i] = i;
        for (std::size_t i = 0; i < k; ++i) {
            const auto left = static_cast<double>(x.size() - i);
            std::swap(order[i], order[i + static_cast<std::size_t>(reference::uniform(seed, draw, i) * left)]);
            out[order[i]] = factor * x[order[i]];
        }
    };
}

} // namespace

TEST_CASE("running_mean gives mean and sample variance, also far from zero")
{
    theory::running_mean r;
    CHECK(r.variance() == 0);
    CHECK(r.estimate(6).half_width == 0);
    for (const double value : {1e9 + 1, 1e9 + 2, 1e9 + 3, 1e9 + 4}) r.add(value);
    CHECK(r.count() == 4);
    CHECK(r.mean() == 1e9 + 2.5);
    CHECK(r.variance() == Approx(5.0 / 3));
    CHECK(r.estimate(2).half_width == Approx(2 * std::sqrt(5.0 / 12)));
    CHECK(r.estimate(2).lower() == r.mean() - r.estimate(2).half_width);
}

TEST_CASE("measured moments lie within six standard errors of the enumerated ones, float and double")
{
    const exact::vector x{3, -1, 0.5, 0, 2, -4};
    const std::vector<float> x_float(x.begin(), x.end());
    for (std::size_t k = 1; k <= 6; ++k) {
        const theory::moments truth = exact::moments_of(exact::random_subset(k, 1), x);
        const theory::measurement seen = theory::measure<double>(drawn_subset<double>(k, 1, 5), x, 4000);
        const theory::measurement seen_float = theory::measure<float>(drawn_subset<float>(k, 1, 6), x_float, 4000);
        for (const auto& m : {seen, seen_float}) {
            CHECK(m.draws == 4000);
            CHECK(std::abs(m.energy.mean - truth.s) <= m.energy.half_width + 1e-9);
            CHECK(std::abs(m.alignment.mean - truth.t) <= m.alignment.half_width + 1e-9);
            CHECK(std::abs(m.error.mean - (truth.s - 2 * truth.t + 1)) <= m.error.half_width + 1e-9);
            CHECK(theory::compatible(theory::rand_k(6, k), m));
            CHECK(m.bias == Approx(1 - static_cast<double>(k) / 6).epsilon(0.05));
        }
    }
}

TEST_CASE("an unbiased operator passes as unbiased, its biased form and a slightly wrong scale do not")
{
    const exact::vector x{3, -1, 0.5, 0, 2, -4};
    const auto of_scale = [&](double factor) { return theory::measure<double>(drawn_subset<double>(2, factor, 9), x, 40000); };
    const theory::class_u u = *theory::rand_k_unbiased(6, 2).u;
    const theory::measurement right = of_scale(3);
    CHECK(theory::compatible(theory::rand_k_unbiased(6, 2), right));
    CHECK(right.worst_coordinate <= 6);
    CHECK(right.bias <= 3 * right.bias_noise);
    CHECK_FALSE(theory::compatible(u, of_scale(1)));
    CHECK_FALSE(theory::compatible(u, of_scale(2.7)));
    CHECK_FALSE(theory::compatible(u, of_scale(3.3)));
    const std::vector<float> x_float(x.begin(), x.end());
    CHECK(theory::compatible(u, theory::measure<float>(drawn_subset<float>(2, 3, 9), x_float, 40000)));
}

TEST_CASE("classes with too good a constant are refused")
{
    const exact::vector ones(8, 1.0);
    const auto top = [](std::span<const double> x, std::span<double> out, std::uint64_t) { out[0] = x[0]; };
    const theory::measurement seen = theory::measure<double>(top, ones, 1);
    CHECK(seen.error.mean == 0.875);
    CHECK(seen.error.half_width == 0);
    CHECK(theory::compatible(theory::top_k(8, 1), seen));
    CHECK_FALSE(theory::compatible(theory::class_b3{7.9}, seen));
    CHECK_FALSE(theory::compatible(theory::class_b1{0.13, 1}, seen));
    CHECK_FALSE(theory::compatible(theory::class_b1{0.125, 0.9}, seen));
    CHECK_FALSE(theory::compatible(theory::class_b2{0.13, 1}, seen));
    CHECK_FALSE(theory::compatible(theory::class_b2{0.125, 0.9}, seen));
    CHECK_FALSE(theory::compatible(theory::class_u{1}, seen));
}

TEST_CASE("a deterministic operator with a wrong value is infinitely many standard errors off, rounding is forgiven")
{
    const std::vector<float> x{1, 3, 7};
    const auto third = [](std::span<const float> in, std::span<float> out, std::uint64_t) {
        for (std::size_t i = 0; i < in.size(); ++i) out[i] = in[i] / 3.0f * 3.0f;
    };
    CHECK(theory::measure<float>(third, x, 10).worst_coordinate == 0);
    const auto off = [](std::span<const float> in, std::span<float> out, std::uint64_t) {
        for (std::size_t i = 0; i < in.size(); ++i) out[i] = in[i] * 1.001f;
    };
    CHECK(std::isinf(theory::measure<float>(off, x, 10).worst_coordinate));
    const auto broken = [](std::span<const float>, std::span<float> out, std::uint64_t) { out[1] = std::nanf(""); };
    const theory::measurement nan = theory::measure<float>(broken, x, 10);
    CHECK(std::isinf(nan.worst_coordinate));
    CHECK_FALSE(theory::compatible(theory::identity(), nan));
    CHECK_FALSE(theory::compatible(theory::class_b3{1e9}, nan));
}

TEST_CASE("zero and empty vectors measure as zero, no draws are an error")
{
    const auto keep = [](std::span<const double> x, std::span<double> out, std::uint64_t) { std::copy(x.begin(), x.end(), out.begin()); };
    CHECK(theory::measure<double>(keep, exact::vector(4, 0.0), 5).error.mean == 0);
    CHECK(theory::measure<double>(keep, exact::vector{}, 5).draws == 5);
    CHECK_THROWS_AS(theory::measure<double>(keep, exact::vector{1}, 0), gc::error);
}
