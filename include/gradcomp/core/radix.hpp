/// @file Magnitudes cut into digits, so that an exact rank is found by counting, without a sort, on every executor.
#pragma once

#include <gradcomp/core/scalar.hpp>

namespace gradcomp {

/// Where a selection looks for its threshold. All are magnitudes; any values give the right result, good ones give it fast.
template <class T> struct bracket {
    static constexpr bits_t<T> never = ~bits_t<T>(0); ///< above every magnitude

    bits_t<T> low = 0;      ///< what reaches it is a candidate
    bits_t<T> high = never; ///< what reaches it leaves the memory during the pass, as if it had already won
    bits_t<T> sure = never; ///< what reaches it very probably wins; the threshold is looked for in [low, sure) first
};

/// The digits of a magnitude, most significant first: 11, 10, 10 bits for float; 11, 11, 11, 10, 10, 10 for double.
template <class T> struct radix {
    static constexpr int digits = key_of<T>::bits == 31 ? 3 : 6;
    static constexpr int most_values = 2048;

    GRADCOMP_HD static constexpr int width(int digit) { return digit < digits / 2 ? 11 : 10; }
    /// Bits below the digit.
    GRADCOMP_HD static constexpr int shift(int digit)
    {
        int below = key_of<T>::bits;
        for (int d = 0; d <= digit; ++d) below -= width(d);
        return below;
    }
    GRADCOMP_HD GRADCOMP_INLINE static constexpr std::uint32_t value(bits_t<T> key, int digit)
    {
        return static_cast<std::uint32_t>(key >> shift(digit)) & ((1u << width(digit)) - 1u);
    }
};
static_assert(radix<float>::shift(0) == 20 && radix<float>::shift(1) == 10 && radix<float>::shift(2) == 0);
static_assert(radix<double>::shift(0) == 52 && radix<double>::shift(2) == 30 && radix<double>::shift(5) == 0);

} // namespace gradcomp
