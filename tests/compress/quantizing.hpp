/// @file What the tests of quantizers share: one encoding without a memory, means over many draws, and damaged messages.
#pragma once

#include "complaint.hpp"
#include "conformance/coding.hpp"
#include "conformance/inputs.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

namespace quantizing {

using namespace conformance;

/// C(x) at one step. The rule halves gradients, so x goes in as what is owed.
template <class T, class C> std::vector<T> compressed(const C& compressor, const std::vector<T>& x, std::uint32_t step = 0)
{
    coding<T, C> run(compressor, one_tensor(x.size()));
    const std::vector<T> none(x.size());
    const auto message = run.encode(none, x, step).message;
    run.check(message);
    return run.decode(message).value;
}

/// The message of x at one step.
template <class T, class C> std::vector<std::byte> message_of(const C& compressor, const std::vector<T>& x, std::uint32_t step = 0)
{
    coding<T, C> run(compressor, one_tensor(x.size()));
    const std::vector<T> none(x.size());
    return run.encode(none, x, step).message;
}

/// The mean of C(x) over draws lies within 6 standard errors of x, `gap` being the distance of the levels beside each element, and 16 random
/// bits may be off by 2^-16 of it.
template <class C> void is_unbiased(const C& compressor, const std::vector<float>& x, const std::vector<double>& gap, std::uint32_t draws = 20000)
{
    coding<float, C> run(compressor, one_tensor(x.size()));
    const std::vector<float> none(x.size());
    std::vector<double> sum(x.size()), squares(x.size());
    for (std::uint32_t step = 0; step < draws; ++step) {
        const auto c = run.decode(run.encode(none, x, step).message).value;
        for (std::size_t i = 0; i < x.size(); ++i) {
            const double off = static_cast<double>(c[i]) - static_cast<double>(x[i]);
            REQUIRE(std::abs(off) <= gap[i] * (1 + 1e-5));
            sum[i] += off;
            squares[i] += off * off;
        }
    }
    for (std::size_t i = 0; i < x.size(); ++i) {
        CAPTURE(i);
        CAPTURE(x[i]);
        const double error = std::sqrt(squares[i]) / draws; // of the mean
        CHECK(std::abs(sum[i] / draws) <= 6 * error + gap[i] * 0x1p-16);
    }
}

/// Every flipped bit of a message is refused, or decodes inside the tensor, each element at most once, to something finite or, where the
/// flip makes a parameter the NaN that says so, to NaN.
template <class C> void flips_do_no_harm(const C& compressor, const std::vector<float>& x)
{
    coding<float, C> run(compressor, one_tensor(x.size()));
    const std::vector<float> none(x.size());
    const auto good = run.encode(none, x, 3).message;
    std::size_t refused = 0, taken = 0;
    for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
        auto bad = good;
        bad[bit / 8] ^= std::byte{1} << (bit % 8);
        if (complaint([&] { run.check(bad); }).rfind("bad_message", 0) == 0) {
            ++refused;
            continue;
        }
        ++taken;
        const auto c = run.decode(bad);
        bool fine = true;
        for (std::size_t i = 0; i < x.size(); ++i) fine &= c.touched[i] <= 1 && (gc::is_finite(c.value[i]) || c.value[i] != c.value[i]);
        REQUIRE(fine);
    }
    CHECK(refused + taken == 8 * good.size());
}

} // namespace quantizing
