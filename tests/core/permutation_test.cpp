/// @file The keyed bijection: every number once, the way back, known answers, and uniform inclusion also for a few numbers.
#include <gradcomp/core/permutation.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace gc = gradcomp;

namespace {

gc::random_stream stream(std::uint32_t step, std::uint64_t seed = 11) { return {seed, step, 3, gc::purpose::random_block, 0}; }

/// Whether [0, n) is hit exactly once and inverse() leads back.
bool is_bijection(std::uint32_t n, const gc::random_stream& key)
{
    const gc::keyed_permutation order(n, key);
    std::vector<bool> hit(n);
    for (std::uint32_t x = 0; x < n; ++x) {
        const std::uint32_t y = order(x);
        if (y >= n || hit[y] || order.inverse(y) != x) return false;
        hit[y] = true;
    }
    return true;
}

/// The statistic of chi-squared in standard deviations from its expectation.
double sigmas(const std::vector<double>& count, double expected, double degrees)
{
    double chi2 = 0;
    for (const double c : count) chi2 += (c - expected) * (c - expected) / expected;
    return (chi2 - degrees) / std::sqrt(2 * degrees);
}

} // namespace

TEST_CASE("the permutation is a bijection with its inverse for every small n and beside powers of two")
{
    for (std::uint32_t n = 1; n <= 600; ++n)
        for (std::uint32_t step = 0; step < 3; ++step) REQUIRE(is_bijection(n, stream(step)));
    for (const std::uint32_t n : {1023u, 1024u, 1025u, 4095u, 4097u, 10007u, 65535u, 65536u, 65537u, 131073u}) REQUIRE(is_bijection(n, stream(n)));
}

TEST_CASE("the inverse leads back for the largest n")
{
    for (const std::uint32_t n : {1u << 31, (1u << 31) - 1, (1u << 30) + 1, 25557032u}) {
        const gc::keyed_permutation order(n, stream(n));
        for (std::uint32_t j = 0; j < 2000; ++j) {
            const auto x = static_cast<std::uint32_t>(std::uint64_t{j} * 1048583 % n);
            REQUIRE(order(x) < n);
            REQUIRE(order.inverse(order(x)) == x);
        }
    }
}

TEST_CASE("known answers hold: the permutation is part of the wire contract")
{
    const gc::random_stream key{0x0123456789abcdefull, 42, 3, gc::purpose::random_block, 0};
    const auto first = [&](std::uint32_t n) {
        const gc::keyed_permutation order(n, key);
        return std::array{order(0), order(1), order(2), order(3), order(4)};
    };
    CHECK(first(5) == std::array{0u, 4u, 1u, 3u, 2u});
    CHECK(first(16) == std::array{11u, 8u, 14u, 15u, 12u});
    CHECK(first(1000) == std::array{632u, 42u, 229u, 491u, 984u});
    CHECK(first(25557) == std::array{11508u, 24701u, 10929u, 18190u, 11954u});
}

TEST_CASE("every number is equally likely at every place, however few there are")
{
    for (std::uint32_t n = 2; n <= 9; ++n)
        for (const std::uint32_t place : {0u, n - 1}) {
            constexpr std::uint32_t draws = 40000;
            std::vector<double> count(n);
            for (std::uint32_t step = 0; step < draws; ++step) ++count[gc::keyed_permutation(n, stream(step))(place)];
            CAPTURE(n);
            CHECK(std::abs(sigmas(count, double(draws) / n, n - 1)) < 6);
        }
}

TEST_CASE("pairs of places are close to uniform over pairs of numbers")
{
    for (const std::uint32_t n : {16u, 33u, 64u}) {
        constexpr std::uint32_t draws = 60000;
        std::vector<double> count(n * (n - 1) / 2);
        for (std::uint32_t step = 0; step < draws; ++step) {
            const gc::keyed_permutation order(n, stream(step, 17));
            const std::uint32_t a = std::min(order(0), order(1)), b = std::max(order(0), order(1));
            ++count[b * (b - 1) / 2 + a];
        }
        CAPTURE(n);
        const double pairs = double(count.size());
        CHECK(std::abs(sigmas(count, draws / pairs, pairs - 1)) < 8);
    }
}
