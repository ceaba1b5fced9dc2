/// @file Scalar functions that every executor computes with the same bits.
#pragma once

#include <gradcomp/core/config.hpp>

namespace gradcomp {

/// a * b + c with ONE rounding on every target.
///
/// Rules never write the plain expression: compilers contract it on some targets and not on others, and the bits would differ.
GRADCOMP_HD GRADCOMP_INLINE float multiply_add(float a, float b, float c)
{
#if defined(__CUDA_ARCH__)
    return __fmaf_rn(a, b, c);
#else
    return __builtin_fmaf(a, b, c);
#endif
}

/// @copydoc multiply_add(float,float,float)
GRADCOMP_HD GRADCOMP_INLINE double multiply_add(double a, double b, double c)
{
#if defined(__CUDA_ARCH__)
    return __fma_rn(a, b, c);
#else
    return __builtin_fma(a, b, c);
#endif
}

/// a * b with a rounding of its own: where it is inlined beside a sum or a difference such as p - c, no compiler may merge the two.
template <class T> GRADCOMP_HD GRADCOMP_INLINE T product(T a, T b) { return multiply_add(a, b, T(-0.0)); }

/// The square root, correctly rounded on every target.
GRADCOMP_HD GRADCOMP_INLINE float square_root(float x)
{
#if defined(__CUDA_ARCH__)
    return __fsqrt_rn(x);
#else
    return __builtin_sqrtf(x);
#endif
}
/// @copydoc square_root(float)
GRADCOMP_HD GRADCOMP_INLINE double square_root(double x)
{
#if defined(__CUDA_ARCH__)
    return __dsqrt_rn(x);
#else
    return __builtin_sqrt(x);
#endif
}

/// The unsigned integer as wide as T.
template <class T> struct key_of;
template <> struct key_of<float> {
    using type = std::uint32_t;
    static constexpr type sign = 0x80000000u;     ///< the sign bit
    static constexpr type infinity = 0x7f800000u; ///< magnitude of Inf; anything at or above it is not finite
    static constexpr type nan = infinity + 1;     ///< rank_key() of every NaN
    static constexpr int bits = 31;               ///< bits of a magnitude
};
template <> struct key_of<double> {
    using type = std::uint64_t;
    static constexpr type sign = 0x8000000000000000u;
    static constexpr type infinity = 0x7ff0000000000000u;
    static constexpr type nan = infinity + 1;
    static constexpr int bits = 63;
};
template <class T> using bits_t = typename key_of<T>::type;

/// The bits of x as an integer (std::bit_cast is host-only for nvcc).
template <class T> GRADCOMP_HD GRADCOMP_INLINE constexpr bits_t<T> bits_of(T x) { return __builtin_bit_cast(bits_t<T>, x); }

/// An integer that orders |x|: NaN > Inf > finite.
template <class T> GRADCOMP_HD GRADCOMP_INLINE constexpr bits_t<T> magnitude(T x) { return bits_of(x) & ~key_of<T>::sign; }

/// magnitude() where places are given by it: all NaN are one key. Processors give results that are NaN payloads of their own, which must not choose.
///
/// Nothing lies between Inf and key_of<T>::nan, so magnitude(x) >= low says the same as rank_key(x) >= low for every low up to key_of<T>::nan.
template <class T> GRADCOMP_HD GRADCOMP_INLINE constexpr bits_t<T> rank_key(T x)
{
    const bits_t<T> key = magnitude(x);
    return key < key_of<T>::nan ? key : key_of<T>::nan;
}

/// Whether x is neither Inf nor NaN; an integer test, so no compiler flag can remove it.
template <class T> GRADCOMP_HD GRADCOMP_INLINE constexpr bool is_finite(T x) { return magnitude(x) < key_of<T>::infinity; }

} // namespace gradcomp
