/// @file Waiting times that choose elements in proportion to their magnitude, without any sum over the elements.
#pragma once

#include <gradcomp/core/random.hpp>
#include <gradcomp/core/scalar.hpp>

namespace gradcomp {

/// An exponentially distributed number with mean 1 from 32 random bits: -log(word / 2^32), within 2^-22 of it, the same bits everywhere.
///
/// word = 2^-s m with m in [1/2, 1): s log 2 - log m, and -log(1 - a) = 2 artanh(a / (2 - a)) with a = 1 - m, exact in 32 bits, so that
/// short times, which decide, keep their relative accuracy.
template <class T> GRADCOMP_HD GRADCOMP_INLINE T waiting_time(std::uint32_t word)
{
    std::uint32_t m = word == 0 ? 1u : word;
    std::uint32_t shift = 0;
    GRADCOMP_UNROLL
    for (std::uint32_t step = 16; step > 0; step /= 2) {
        const std::uint32_t more = m >> (32 - step) == 0 ? step : 0u;
        m <<= more;
        shift += more;
    }
    const T a = static_cast<T>(0u - m) * T(0x1p-32); // 2^32 - m; m has its top bit set, so it is at most 2^31
    const T z = a / (T(2) - a), square = z * z;
    T series = T(1) / T(13);
    series = multiply_add(series, square, T(1) / T(11));
    series = multiply_add(series, square, T(1) / T(9));
    series = multiply_add(series, square, T(1) / T(7));
    series = multiply_add(series, square, T(1) / T(5));
    series = multiply_add(series, square, T(1) / T(3));
    series = multiply_add(series, square, T(1));
    return multiply_add(static_cast<T>(shift), T(0.693147180559945309417), T(2) * z * series);
}

/// Rates below it are numbers of T as they are, however short the wait.
template <class T> inline constexpr T most_plain_rate = sizeof(T) == sizeof(float) ? T(0x1p96) : static_cast<T>(0x1p992);

/// Element `place` of a selection arrives after waiting_time / |p|; the k that arrive first are k draws without replacement, each with
/// probability proportional to |p| among those left. The rate, larger for sooner: 0 for p = 0. Rates of the upper 32 binades, and as many beyond T, as roots, so
/// that none overflows and their order stays.
/// @cite Efraimidis, Spirakis, Weighted random sampling with a reservoir, Information Processing Letters 97, 2006.
template <class T> GRADCOMP_HD GRADCOMP_INLINE T arrival_rate(T p, std::uint32_t word)
{
    constexpr T high = most_plain_rate<T>;
    const T wait = waiting_time<T>(word), rate = p / wait;
    if (magnitude(rate) < magnitude(high) || !is_finite(p)) return rate;
    return high * square_root(__builtin_bit_cast(T, magnitude(p)) / high / wait); // waits are at least 2^-32
}

} // namespace gradcomp
