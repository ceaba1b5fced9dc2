/// @file Sums of squares that neither overflow nor vanish: in double, numbers are multiplied by a power of two that their largest magnitude asks for.
#pragma once

#include <gradcomp/core/scalar.hpp>

namespace gradcomp {

/// An e with |x| / 2^e near 1 for the largest |x| of some numbers, between -1000 and 1000, so that 2^e and 2^-e are normal. For float 0: squares of floats, and
/// their sums, fit a double. What is not finite has the least: it says nothing of the others.
template <class T> GRADCOMP_HD GRADCOMP_INLINE constexpr int square_exponent([[maybe_unused]] bits_t<T> largest)
{
    if constexpr (sizeof(T) == sizeof(float)) {
        return 0;
    } else {
        const int exponent = largest < key_of<T>::infinity ? static_cast<int>(largest >> 52) - 1023 : -1000;
        return exponent < -1000 ? -1000 : exponent > 1000 ? 1000 : exponent;
    }
}

/// 2^exponent, for exponents of normal numbers.
GRADCOMP_HD GRADCOMP_INLINE constexpr double two_to(int exponent) { return __builtin_bit_cast(double, static_cast<std::uint64_t>(exponent + 1023) << 52); }

/// A sum of squares of x / 2^from as it is of x / 2^to: the same bits as if it had been formed so, unless it then vanishes. @pre from <= to
GRADCOMP_HD GRADCOMP_INLINE constexpr double squares_in(double squares, int from, int to)
{
    if (from == to || !is_finite(squares)) return squares;
    const double down = two_to(from - to < -1022 ? -1022 : from - to);
    return squares * down * down;
}

} // namespace gradcomp
