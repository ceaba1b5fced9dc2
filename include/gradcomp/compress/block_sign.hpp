/// @file The sign of every element, and one scale for each block: 1 bit an element.
#pragma once

#include <gradcomp/compress/coded.hpp>
#include <gradcomp/core/concepts.hpp>

namespace gradcomp {
inline namespace compress {

/// One bit an element, set for p < 0, so that sign(0) = +1; c is the bucket's scale with that sign.
template <class T> struct sign_code {
    using value_type = T;
    using bucket = T;
    static constexpr int most_bits = 1, parameters = 1;
    static constexpr measure measured = measure::mean;
    static constexpr bool stochastic = false;

    GRADCOMP_HD GRADCOMP_INLINE int bits() const { return 1; }
    GRADCOMP_HD GRADCOMP_INLINE void describe(const statistic<T>& seen, std::size_t, T* wire) const { wire[0] = limited_scale(seen.first); }
    GRADCOMP_HD bool valid(const T* wire) const { return is_scale(wire[0]) || bits_of(wire[0]) == bits_of(not_a_number<T>()); }
    GRADCOMP_HD GRADCOMP_INLINE T open(const T* wire) const { return wire[0]; }
    GRADCOMP_HD GRADCOMP_INLINE std::uint32_t encode(T p, T, std::uint32_t) const { return p < T(0); }
    GRADCOMP_HD GRADCOMP_INLINE T decode(std::uint32_t code, T scale) const { return code & 1u ? -scale : scale; }
};
static_assert(tile_code<sign_code<float>> && tile_code<sign_code<double>>);

/// Block-Sign: C(x)_B = sign(x_B) ||x_B||_1 / |B| for each block B; sign(0) = +1.
///
/// Bytes on the wire: d / 8 + sizeof(T) a block (a tensor's codes padded to 16). One sweep. With b = min(d, block), in B1(1/b, 1), B2(1/b, 1),
/// B3(b), tight at one-hot vectors. Blocks whose mean magnitude is below 2^-100 (double: 2^-970) are sent as 0.
/// @cite Li, Karimi, Li, ICLR 2022, definition of Block-Sign; Karimireddy et al., ICML 2019, for the scale.
struct block_sign {
    std::size_t bucket = code_tile; ///< elements of a block: a power of two from 8 to 512

    static constexpr bool unbiased = false, contractive = true, shared_support = false, additive = false;
    static constexpr int passes = 1, rounds = 1;
    /// @throws error invalid_option.
    void check() const { check_bucket(bucket); }
    theory::membership classes(std::size_t d) const { return theory::scaled_sign(std::min(d, bucket)); }

    template <class T> sign_code<T> code() const { return {}; }
    template <class T, class Executor> auto start(const Executor&, const coder_start& with) const
    {
        return coded<T, Executor, sign_code<T>>(with, code<T>(), bucket);
    }
};
static_assert(compressor<block_sign> && quantizer<block_sign>);

} // namespace compress
} // namespace gradcomp
