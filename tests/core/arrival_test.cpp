/// @file Waiting times against the logarithm, and their distribution.
#include <gradcomp/core/arrival.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>

using gradcomp::waiting_time;

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
