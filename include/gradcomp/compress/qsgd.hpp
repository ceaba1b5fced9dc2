/// @file Linear dithering (QSGD): every element rounded at random to a multiple of the bucket's norm over s.
#pragma once

#include <gradcomp/compress/coded.hpp>
#include <gradcomp/core/concepts.hpp>

namespace gradcomp {
inline namespace compress {

/// The norm by which a bucket is divided.
enum class norm { one, two, infinity };

/// Level q of -s .. s as q + s; the bucket's parameter is its norm.
template <class T, norm Norm> struct linear_code {
    using value_type = T;
    struct bucket {
        T step, inverse; ///< norm / s and s / norm
    };
    static constexpr int most_bits = 8, parameters = 1;
    static constexpr measure measured = Norm == norm::infinity ? measure::largest : Norm == norm::two ? measure::norm : measure::sum;
    static constexpr bool stochastic = true;

    int width = 8;        ///< bits of a code
    std::int32_t levels = 127; ///< s = 2^(width - 1) - 1

    explicit constexpr linear_code(int bits = 8) : width(bits), levels((1 << (bits - 1)) - 1) {}

    GRADCOMP_HD GRADCOMP_INLINE int bits() const { return width; }
    GRADCOMP_HD GRADCOMP_INLINE void describe(const statistic<T>& seen, std::size_t, T* wire) const { wire[0] = limited_scale(seen.first); }
    GRADCOMP_HD bool valid(const T* wire) const { return is_scale(wire[0]) || bits_of(wire[0]) == bits_of(not_a_number<T>()); }
    GRADCOMP_HD GRADCOMP_INLINE bucket open(const T* wire) const
    {
        const T s = static_cast<T>(levels);
        return {wire[0] / s, wire[0] > T(0) ? s / wire[0] : T(0)};
    }
    GRADCOMP_HD GRADCOMP_INLINE std::uint32_t encode(T p, const bucket& b, std::uint32_t random) const
    {
        // Random bits and offset together are exact, so p / step is rounded once, to 16 bits behind the point at 8 bits of code.
        const T offset = multiply_add(static_cast<T>(static_cast<std::int32_t>(random)), T(0x1p-16), static_cast<T>(levels));
        const std::int32_t q = static_cast<std::int32_t>(multiply_add(p, b.inverse, offset));
        return clamped(q, 2 * levels);
    }
    GRADCOMP_HD GRADCOMP_INLINE T decode(std::uint32_t code, const bucket& b) const
    {
        return product(static_cast<T>(static_cast<std::int32_t>(code) - levels), b.step);
    }
};
static_assert(tile_code<linear_code<float, norm::two>> && tile_code<linear_code<double, norm::infinity>>);

/// QSGD: C(x_i) = ||x||/s times one of the two integers beside s x_i / ||x||, at random, so that E C(x) = x; in buckets.
///
/// s = 2^(bits - 1) - 1. Bytes on the wire: d bits / 8 + sizeof(T) a bucket (a tensor's codes padded to 16). One sweep. In U(zeta) with the
/// zeta of theory::qsgd or linear_dithering_of_maximum for b = min(d, bucket) elements; where zeta < 2 in B3(1 / (2 - zeta)), so that error
/// feedback is legal, and where it is not, attach() says so with the numbers. 16 random bits decide: the bias is at most 2^-16 of a step. Buckets whose norm is below
/// 2^-100 (double: 2^-970) are sent as 0.
/// @cite Alistarh, Grubic, Li, Tomioka, Vojnovic, "QSGD", NeurIPS 2017, section 3.
template <norm Norm = norm::two> struct qsgd {
    int bits = 8;                   ///< of a code, 2 to 8
    std::size_t bucket = code_tile; ///< elements of a bucket: a power of two from 8 to 512

    static constexpr bool unbiased = true, contractive = true, shared_support = false, additive = false;
    static constexpr int passes = 1, rounds = 1;
    /// @throws error invalid_option.
    void check() const
    {
        check_bits(bits, 2, 8);
        check_bucket(bucket);
    }
    theory::membership classes(std::size_t d) const
    {
        const std::size_t b = std::min(d, bucket), levels = (std::size_t{1} << (bits - 1)) - 1;
        return Norm == norm::infinity ? theory::linear_dithering_of_maximum(b, levels) : theory::qsgd(b, levels, Norm == norm::one ? 1 : 2);
    }

    template <class T> linear_code<T, Norm> code() const { return linear_code<T, Norm>(bits); }
    template <class T, class Executor> auto start(const Executor& executor, const coder_start& with) const
    {
        return coded<T, Executor, linear_code<T, Norm>>(executor, with, code<T>(), bucket);
    }
};
static_assert(compressor<qsgd<>> && quantizer<qsgd<norm::infinity>>);

} // namespace compress
} // namespace gradcomp
