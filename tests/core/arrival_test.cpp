/// @file Waiting times against the logarithm, and their distribution.
#include <gradcomp/core/arrival.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>

using gradcomp::arrival_rate, gradcomp::waiting_time;

TEST_CASE("a waiting time is -log(word / 2^32), in float and in double, with relative accuracy down to the shortest")
{
    for (std::uint64_t n = 0; n < 40; ++n)
        for (std::uint64_t j = 0; j < 50; ++j) {
            const std::uint32_t word = static_cast<std::uint32_t>(n < 32 ? (std::uint64_t{1} << n) + j * ((std::uint64_t{1} << n) / 50) : 0xffffffffu - (j << (n - 32)));
            if (word == 0) continue;
            const double exact = -std::log1p(-static_cast<double>(0x100000000ull - word) * 0x1p-32);
            CAPTURE(word);
            CHECK(std::abs(static_cast<double>(waiting_time<float>(word)) - exact) <= 3e-7 * exact);
            CHECK(std::abs(waiting_time<double>(word) - exact) <= 3e-7 * exact);
        }
    CHECK(waiting_time<float>(0) == waiting_time<float>(1));
    CHECK(waiting_time<float>(0xffffffffu) > 0.0f);
}

TEST_CASE("waiting times of random words have mean and variance 1")
{
    const gradcomp::random_stream stream{7, 0, 0, gradcomp::purpose::arrival, 1};
    double sum = 0, squares = 0;
    constexpr int n = 40000;
    for (int i = 0; i < n / 4; ++i)
        for (const std::uint32_t word : stream.block(static_cast<std::uint32_t>(i)).at) {
            const double t = waiting_time<double>(word);
            sum += t;
            squares += t * t;
        }
    CHECK(sum / n == doctest::Approx(1).epsilon(6 / std::sqrt(double(n))));
    CHECK(squares / n == doctest::Approx(2).epsilon(6 * 2.24 / std::sqrt(double(n))));
}

TEST_CASE_TEMPLATE("rates of the largest numbers are finite, and in the order of |p| / wait, also across the place from which they are roots", T, float, double)
{
    const T largest = std::numeric_limits<T>::max();
    for (const std::uint32_t word : {0xffffffffu, 0xfffffff0u, 0xf0000000u, 0x80000000u, 12345u}) {
        T before = 0;
        for (T p = largest / T(0x1p100); p < largest / T(1.5); p *= T(1.25)) {
            const T rate = arrival_rate(p, word);
            CAPTURE(p);
            REQUIRE(std::isfinite(rate));
            REQUIRE(rate > before);
            REQUIRE(gradcomp::magnitude(arrival_rate(-p, word)) == gradcomp::magnitude(rate));
            before = rate;
        }
    }
    CHECK(arrival_rate(largest, 0xffffffffu) > arrival_rate(largest / 2, 0xffffffffu));
    CHECK(arrival_rate(largest / 2, 0xffffffffu) > arrival_rate(largest, 0xfffffffau)); // six times the wait
    CHECK(arrival_rate(T(3), 77u) == T(3) / waiting_time<T>(77u));
    CHECK(std::isinf(arrival_rate(std::numeric_limits<T>::infinity(), 77u)));
    CHECK(arrival_rate(T(0), 0xffffffffu) == T(0));
}
