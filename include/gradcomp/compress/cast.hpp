/// @file Casts to shorter floating-point numbers, relative to a power of two for each bucket.
#pragma once

#include <gradcomp/compress/min_max.hpp>

namespace gradcomp {
inline namespace compress {

/// A short floating-point number: sign, exponent, mantissa. `top` is the exponent that the largest element of a bucket may have.
template <int Exponent, int Mantissa, int Top> struct short_float {
    static constexpr int exponent = Exponent, mantissa = Mantissa, width = 1 + Exponent + Mantissa;
    /// The exponent of the smallest normal number, relative to the largest number that is used.
    static constexpr int normal = 2 - (1 << (Exponent - 1)) - Top;
};
using half = short_float<5, 10, 15>;      ///< IEEE binary16
using bfloat16 = short_float<8, 7, 0>;    ///< the upper half of binary32
using fp8_e4m3 = short_float<4, 3, 8>;    ///< 8 bits, range first to 448
using fp8_e5m2 = short_float<5, 2, 15>;   ///< 8 bits, as the upper half of binary16

/// p / scale in a short float; the bucket's parameter is the scale, a power of two above its largest magnitude.
template <class T, class Format, rounding Rounding> struct cast_code {
    using value_type = T;
    struct bucket {
        T scale, inverse;
    };
    static constexpr int most_bits = Format::width, parameters = 1, drop = mantissa_bits<T> - Format::mantissa;
    static constexpr measure measured = measure::largest;
    static constexpr bool stochastic = Rounding == rounding::stochastic;
    /// What turns a field of T's exponent into one of the format, in front of the mantissa.
    static constexpr bits_t<T> rebias = bits_t<T>(exponent_bias<T> + Format::normal - 1) << Format::mantissa;
    /// The code of 1, the largest that is sent; those above it mean the same, for some would be NaN or Inf in T.
    static constexpr bits_t<T> one = bits_t<T>(1 - Format::normal) << Format::mantissa;
    /// Below the format's normal numbers; where that is below T's own they count as 0.
    static constexpr bool has_subnormal = Format::mantissa - Format::normal < exponent_bias<T>;

    GRADCOMP_HD GRADCOMP_INLINE int bits() const { return most_bits; }
    GRADCOMP_HD GRADCOMP_INLINE void describe(const statistic<T>& seen, std::size_t, T* wire) const
    {
        const T largest = limited_scale(seen.first);
        wire[0] = largest == T(0) ? T(0) : power_of_two<T>(exponent_above(largest));
    }
    GRADCOMP_HD bool valid(const T* wire) const
    {
        const bool power = (bits_of(wire[0]) & ((bits_t<T>{1} << mantissa_bits<T>) - 1)) == 0;
        return (power && is_scale(wire[0])) || bits_of(wire[0]) == bits_of(not_a_number<T>());
    }
    GRADCOMP_HD GRADCOMP_INLINE bucket open(const T* wire) const { return {wire[0], wire[0] > T(0) ? T(1) / wire[0] : T(0)}; }

    GRADCOMP_HD GRADCOMP_INLINE std::uint32_t encode(T p, const bucket& b, std::uint32_t random) const
    {
        const T y = smaller_magnitude(absolute(p), b.scale) * b.inverse; // exact, at most 1
        const bits_t<T> m = bits_of(y);
        bits_t<T> up;
        if constexpr (!stochastic) up = ((bits_t<T>{1} << (drop - 1)) - 1) + (m >> drop & 1u); // ties to even
        else if constexpr (drop > 16) up = static_cast<bits_t<T>>(random) << (drop - 16) | bits_t<T>{1} << (drop - 17);
        else up = static_cast<bits_t<T>>(random) >> (16 - drop);
        const bits_t<T> large = ((m + up) >> drop) - rebias;
        bits_t<T> small = 0;
        if constexpr (has_subnormal) small = subnormal(y, random);
        const bits_t<T> chosen = select_bits(m >= bits_of(power_of_two<T>(Format::normal)), large, small);
        return static_cast<std::uint32_t>(chosen) | sign_at(p, most_bits - 1);
    }
    GRADCOMP_HD GRADCOMP_INLINE T decode(std::uint32_t code, const bucket& b) const
    {
        const bits_t<T> sent = code & ((1u << (most_bits - 1)) - 1), q = sent < one ? sent : one;
        const T large = __builtin_bit_cast(T, static_cast<bits_t<T>>((q + rebias) << drop));
        T small = 0;
        if constexpr (has_subnormal) small = static_cast<T>(static_cast<std::int32_t>(q)) * power_of_two<T>(Format::normal - Format::mantissa);
        const T y = __builtin_bit_cast(T, select_bits(q >> Format::mantissa == 0, bits_of(small), bits_of(large)));
        return with_sign(y * b.scale, code, most_bits - 1);
    }

private:
    /// y in units of the format's smallest number, y being below its smallest normal one.
    GRADCOMP_HD GRADCOMP_INLINE static bits_t<T> subnormal(T y, std::uint32_t random)
    {
        const T t = y * power_of_two<T>(Format::mantissa - Format::normal); // exact
        const T inside = smaller_magnitude(t, T(1 << Format::mantissa));              // of normal numbers this is never used, and must not overflow
        if constexpr (stochastic) return static_cast<bits_t<T>>(static_cast<std::int32_t>(inside + unit_of<T>(random)));
        else return bits_of(inside + power_of_two<T>(mantissa_bits<T>)) - bits_of(power_of_two<T>(mantissa_bits<T>)); // rounds to integers, ties to even
    }
};
static_assert(tile_code<cast_code<float, half, rounding::nearest>> && tile_code<cast_code<double, bfloat16, rounding::stochastic>>);

/// C(x) = x in a short floating-point format: half, bfloat16, fp8_e4m3 or fp8_e5m2; nearest (ties to even) or stochastic.
///
/// A bucket of 512 elements is first divided by a power of two, so nothing overflows, and what is lost below the format's range is lost relative to
/// the bucket's largest element. Bytes on the wire: 2 d or d, + sizeof(T) a bucket (a tensor's codes padded to 16). One sweep. The codes are
/// those of the format; its NaN and Inf are never sent, a bucket that holds any says so in its parameter. Nearest in B3, stochastic in U, with
/// numbers near 1 (theory::cast_nearest, cast_stochastic).
template <class Format, rounding Rounding = rounding::nearest> struct cast {
    static constexpr std::size_t bucket = code_tile;
    static constexpr bool unbiased = Rounding == rounding::stochastic, contractive = true, shared_support = false, additive = false;
    static constexpr int passes = 1, rounds = 1;
    void check() const {}
    theory::membership classes(std::size_t d) const
    {
        const std::size_t b = std::min(d, bucket);
        constexpr theory::short_format format{.mantissa = Format::mantissa, .normal = Format::normal};
        return unbiased ? theory::cast_stochastic(b, format) : theory::cast_nearest(b, format);
    }

    template <class T> cast_code<T, Format, Rounding> code() const { return {}; }
    template <class T, class Executor> auto start(const Executor& executor, const coder_start& with) const
    {
        return coded<T, Executor, cast_code<T, Format, Rounding>>(executor, with, code<T>(), bucket);
    }
};
static_assert(compressor<cast<half>> && quantizer<cast<fp8_e4m3, rounding::stochastic>>);

} // namespace compress
} // namespace gradcomp
