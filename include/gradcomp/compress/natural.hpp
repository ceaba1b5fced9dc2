/// @file Natural compression: every element rounded at random to a power of two.
#pragma once

#include <gradcomp/compress/coded.hpp>
#include <gradcomp/core/concepts.hpp>

namespace gradcomp {
inline namespace compress {

/// |p| with its mantissa rounded up with the probability that it is as a fraction: only the exponent counts; at most the largest finite one.
template <class T> GRADCOMP_HD GRADCOMP_INLINE bits_t<T> natural_rounded(T p, std::uint32_t random)
{
    constexpr int m = mantissa_bits<T>;
    constexpr bits_t<T> most = key_of<T>::infinity - 1;
    // 16 bits decide; half of the last one centres them, where the mantissa is longer than that.
    const bits_t<T> rounded = magnitude(p) + (static_cast<bits_t<T>>(random) << (m - 16) | bits_t<T>{1} << (m - 17));
    return rounded > most ? most : rounded;
}

/// Sign and exponent of finite numbers, as they stand in T.
template <class T> struct finite_natural_code {
    struct bucket {};
    static constexpr bool stochastic = true;

    GRADCOMP_HD GRADCOMP_INLINE std::uint32_t encode(T p, const bucket&, std::uint32_t random) const
    {
        return static_cast<std::uint32_t>((natural_rounded(p, random) | (bits_of(p) & key_of<T>::sign)) >> mantissa_bits<T>);
    }
    GRADCOMP_HD GRADCOMP_INLINE T decode(std::uint32_t code, const bucket&) const
    {
        return __builtin_bit_cast(T, static_cast<bits_t<T>>(static_cast<bits_t<T>>(code) << mantissa_bits<T>));
    }
};
/// Sign and exponent: 9 bits for float, 12 for double. NaN and Inf become NaN.
template <class T> struct natural_code : private finite_natural_code<T> {
    using value_type = T;
    using typename finite_natural_code<T>::bucket;
    using finite_natural_code<T>::stochastic;
    static constexpr int most_bits = static_cast<int>(sizeof(T)) * 8 - mantissa_bits<T>, parameters = 0;
    static constexpr measure measured = measure::none;
    static constexpr std::uint32_t none = 2 * exponent_bias<T> + 1; ///< the exponent of NaN and Inf

    GRADCOMP_HD GRADCOMP_INLINE int bits() const { return most_bits; }
    GRADCOMP_HD GRADCOMP_INLINE void describe(const statistic<T>&, std::size_t, T*) const {}
    GRADCOMP_HD bool valid(const T*) const { return true; }
    GRADCOMP_HD GRADCOMP_INLINE bucket open(const T*) const { return {}; }
    GRADCOMP_HD GRADCOMP_INLINE finite_natural_code<T> where_finite() const { return {}; }
    GRADCOMP_HD GRADCOMP_INLINE std::uint32_t encode(T p, const bucket& b, std::uint32_t random) const
    {
        return is_finite(p) ? finite_natural_code<T>::encode(p, b, random) : none; // the sign of a NaN is the processor's choice, so it is not sent
    }
    GRADCOMP_HD GRADCOMP_INLINE T decode(std::uint32_t code, const bucket& b) const
    {
        return (code & none) == none ? not_a_number<T>() : finite_natural_code<T>::decode(code, b);
    }
};
static_assert(tile_code<natural_code<float>> && tile_code<natural_code<double>>);

/// Sign and 7 bits of exponent below the bucket's top one, which is the bucket's parameter 2^top; code 0 is 0.
template <class T> struct natural8_code {
    using value_type = T;
    struct bucket {
        std::int32_t base, nothing; ///< exponent field of code q less q, and the largest q that stands for 0
    };
    static constexpr int most_bits = 8, parameters = 1;
    static constexpr measure measured = measure::largest;
    static constexpr bool stochastic = true;

    GRADCOMP_HD GRADCOMP_INLINE int bits() const { return 8; }
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
    GRADCOMP_HD GRADCOMP_INLINE bucket open(const T* wire) const
    {
        const std::int32_t top = static_cast<std::int32_t>(bits_of(wire[0]) >> mantissa_bits<T>), base = top - 127;
        return {base, top == 0 ? 127 : base < 0 ? -base : 0}; // of an empty bucket every code is 0
    }
    GRADCOMP_HD GRADCOMP_INLINE std::uint32_t encode(T p, const bucket& b, std::uint32_t random) const
    {
        const std::int32_t q = static_cast<std::int32_t>(natural_rounded(p, random) >> mantissa_bits<T>) - b.base;
        const std::int32_t cut = q > 127 ? 127 : q;
        return select_bits(q > b.nothing, static_cast<std::uint32_t>(cut), 0u) | sign_at(p, 7);
    }
    GRADCOMP_HD GRADCOMP_INLINE T decode(std::uint32_t code, const bucket& b) const
    {
        const std::int32_t q = static_cast<std::int32_t>(code & 127u);
        const auto field = select_bits(q > b.nothing, static_cast<std::uint32_t>(q + b.base), 0u);
        return with_sign(__builtin_bit_cast(T, static_cast<bits_t<T>>(static_cast<bits_t<T>>(field) << mantissa_bits<T>)), code, 7);
    }
};
static_assert(tile_code<natural8_code<float>> && tile_code<natural8_code<double>>);

/// How many bits an element of natural compression takes.
enum class exponents {
    exact,      ///< as in T: 9 bits for float, 12 for double
    per_bucket  ///< 8 bits: 126 powers of two below the largest of each bucket of 512, and 0
};

/// Natural compression: |x_i| between two powers of two becomes one of them, at random, so that E C(x) = x.
///
/// Bytes on the wire: 9 d / 8 (double: 12 d / 8), or d + sizeof(T) a bucket (a tensor's codes padded to 16). One sweep. In U(9/8), and hence in
/// B3(8/7), so it is legal without a memory and with one. The mantissa is compared with 16 random bits: the bias is at most 2^-17 of |x_i|.
/// Never rounds up beyond the largest power of two, 2^127 (2^126 per bucket). What is not normal in T rounds to 0 or the least normal number.
/// @cite Horvath et al., "Natural compression for distributed deep learning", MSML 2022, definition 1 and theorem 1.
template <exponents Exponents = exponents::exact> struct natural {
    static constexpr std::size_t bucket = code_tile;
    static constexpr bool unbiased = true, contractive = true, shared_support = false, additive = false;
    static constexpr int passes = 1, rounds = 1;
    void check() const {}
    theory::membership classes(std::size_t d) const { return d == 0 ? theory::identity() : theory::natural(); }

    template <class T> auto code() const
    {
        if constexpr (Exponents == exponents::exact) return natural_code<T>{};
        else return natural8_code<T>{};
    }
    template <class T, class Executor> auto start(const Executor& executor, const coder_start& with) const
    {
        return coded<T, Executor, decltype(code<T>())>(executor, with, code<T>(), bucket);
    }
};
static_assert(compressor<natural<>> && quantizer<natural<>> && quantizer<natural<exponents::per_bucket>>);

} // namespace compress
} // namespace gradcomp
