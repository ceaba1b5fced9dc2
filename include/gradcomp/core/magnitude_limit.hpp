/// @file From which magnitude on an element is sent: a fixed one, or one relative to the whole vector.
#pragma once

#include <gradcomp/core/safe_squares.hpp>

namespace gradcomp {

/// What a limit may be relative to.
struct measured_magnitudes {
    double largest = 0; ///< max |p_i|
    double squares = 0; ///< sum of (p_i / 2^exponent)^2, formed in double: tiles of 256 elements, and tree_sum() over them
    int exponent = 0;   ///< square_exponent() of the largest finite magnitude among the tiles' largest
};

/// What a threshold is counted in.
enum class limit_unit {
    absolute, ///< itself
    maximum,  ///< max |p_i|
    norm      ///< the root mean square, ||p|| / sqrt(d)
};

/// |p_i| >= of(...) is sent. Never 0, so that zeros are not; a relative one is reached by some element wherever value <= 1 and p is not 0.
struct magnitude_limit {
    limit_unit unit = limit_unit::absolute;
    double value = 0;

    GRADCOMP_HD double of(const measured_magnitudes& p, std::size_t d) const
    {
        switch (unit) {
        case limit_unit::absolute: return value;
        case limit_unit::maximum: return value * p.largest;
        case limit_unit::norm: break;
        }
        // A hair below, lest the mean of equal magnitudes be rounded above all of them.
        return value * (1 - 0x1p-20) * square_root(p.squares / static_cast<double>(d > 0 ? d : 1)) * two_to(p.exponent);
    }
};

/// A limit in T, rounded down where T cannot hold it, so that the largest element reaches what it was measured to reach. Never 0, which would send zeros.
template <class T> GRADCOMP_HD T least_magnitude(double limit)
{
    T least = static_cast<T>(limit);
    if (static_cast<double>(least) > limit && least > T(0)) least = __builtin_bit_cast(T, static_cast<bits_t<T>>(bits_of(least) - 1));
    return least == T(0) ? __builtin_bit_cast(T, bits_t<T>{1}) : least;
}

} // namespace gradcomp
