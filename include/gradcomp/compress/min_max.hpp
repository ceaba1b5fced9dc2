/// @file Uniform quantization between the least and the largest element of each bucket: 1 to 8 bits.
#pragma once

#include <gradcomp/compress/coded.hpp>
#include <gradcomp/core/concepts.hpp>

namespace gradcomp {
inline namespace compress {

/// How a value between two levels becomes one of them.
enum class rounding {
    nearest,   ///< biased, and without random bits
    stochastic ///< E C(x) = x
};

/// Level q of 0 .. s at low + q step; the bucket's parameters are low and step.
template <class T, rounding Rounding> struct range_code {
    using value_type = T;
    struct bucket {
        T low, step, inverse;
    };
    static constexpr int most_bits = 8, parameters = 2;
    static constexpr measure measured = measure::range;
    static constexpr bool stochastic = Rounding == rounding::stochastic;

    int width = 8;              ///< bits of a code
    std::int32_t levels = 255;  ///< s = 2^width - 1

    explicit constexpr range_code(int bits = 8) : width(bits), levels((1 << bits) - 1) {}

    GRADCOMP_HD GRADCOMP_INLINE int bits() const { return width; }
    GRADCOMP_HD GRADCOMP_INLINE void describe(const statistic<T>& seen, std::size_t, T* wire) const
    {
        constexpr T most = scale_limits<T>::most;
        const T low = larger(seen.first, -most), high = smaller(seen.second, most);
        wire[0] = smaller(low, most);
        wire[1] = limited_scale((larger(high, -most) - wire[0]) / static_cast<T>(levels));
    }
    GRADCOMP_HD bool valid(const T* wire) const
    {
        constexpr T most = scale_limits<T>::most;
        if (bits_of(wire[0]) == bits_of(not_a_number<T>())) return bits_of(wire[1]) == bits_of(not_a_number<T>());
        return absolute(wire[0]) <= most && is_scale(wire[1]) && wire[1] <= most / static_cast<T>(levels) * T(2.000001);
    }
    GRADCOMP_HD GRADCOMP_INLINE bucket open(const T* wire) const { return {wire[0], wire[1], wire[1] > T(0) ? T(1) / wire[1] : T(0)}; }
    GRADCOMP_HD GRADCOMP_INLINE std::uint32_t encode(T p, const bucket& b, std::uint32_t random) const
    {
        const T u = stochastic ? static_cast<T>(static_cast<std::int32_t>(random)) * T(0x1p-16) : T(0.5);
        return whole_part(multiply_add(p - b.low, b.inverse, u), static_cast<T>(levels)); // p may be farther from low than any number, or any integer
    }
    GRADCOMP_HD GRADCOMP_INLINE T decode(std::uint32_t code, const bucket& b) const
    {
        return multiply_add(static_cast<T>(static_cast<std::int32_t>(code)), b.step, b.low);
    }
};
static_assert(tile_code<range_code<float, rounding::nearest>> && tile_code<range_code<double, rounding::stochastic>>);

/// Uniform levels from min x to max x of each bucket, s = 2^bits - 1 steps between them; the nearest one, or one of the two beside x at random.
///
/// Bytes on the wire: d bits / 8 + 2 sizeof(T) a bucket (a tensor's codes padded to 16). One sweep. With b = min(d, bucket) and
/// r = (b - 2) / (2 s^2): stochastic in U(1 + r), nearest in B3(1 / (1 - r)) where r < 1; what the numbers do not allow, attach() refuses. Steps
/// below 2^-100 (double: 2^-970) count as 0: such a bucket is sent as its minimum.
/// @cite Alistarh et al., "QSGD", NeurIPS 2017, section 4, for buckets with minimum and maximum.
template <rounding Rounding = rounding::stochastic> struct min_max {
    int bits = 8;                   ///< of a code, 1 to 8
    std::size_t bucket = code_tile; ///< elements of a bucket: a power of two from 8 to 512

    static constexpr bool unbiased = Rounding == rounding::stochastic, contractive = true, shared_support = false, additive = false;
    static constexpr int passes = 1, rounds = 1;
    /// @throws error invalid_option.
    void check() const
    {
        check_bits(bits, 1, 8);
        check_bucket(bucket);
    }
    theory::membership classes(std::size_t d) const
    {
        const std::size_t b = std::min(d, bucket);
        return unbiased ? theory::min_max_stochastic(b, bits) : theory::min_max(b, bits);
    }

    template <class T> range_code<T, Rounding> code() const { return range_code<T, Rounding>(bits); }
    template <class T, class Executor> auto start(const Executor& executor, const coder_start& with) const
    {
        return coded<T, Executor, range_code<T, Rounding>>(executor, with, code<T>(), bucket);
    }
};
static_assert(compressor<min_max<>> && quantizer<min_max<rounding::nearest>>);

} // namespace compress
} // namespace gradcomp
