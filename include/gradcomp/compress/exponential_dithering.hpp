/// @file General exponential dithering: magnitudes relative to the bucket's norm, rounded to powers of a base.
#pragma once

#include <gradcomp/compress/level_code.hpp>
#include <gradcomp/core/concepts.hpp>

namespace gradcomp {
inline namespace compress {

/// The unit of dithering by a norm.
constexpr level_unit unit_of_norm(norm n) { return n == norm::one ? level_unit::norm_1 : n == norm::two ? level_unit::norm_2 : level_unit::largest; }

/// C(x_i) = ||x||_p sign(x_i) xi(|x_i| / ||x||_p), xi rounding to one of the two neighbours among 0, b^(1-s), ..., 1/b, 1: at random with
/// E xi(y) = y, or the nearest.
///
/// Bytes on the wire: d (1 + ceil(log2(s + 1))) / 8 + sizeof(T) a bucket (a tensor's codes padded to 16). One sweep. Stochastic in U(zeta),
/// zeta at most (b + 1/b + 2)/4 + q min(1, q) with q = n^(1/min(p, 2)) b^(1-s), n = min(d, bucket), and sharper in
/// theory::exponential_dithering; nearest in B3 (theory::exponential_dithering_nearest). What is no contraction for these numbers, attach()
/// refuses with error feedback. 16 random bits decide.
/// @cite Beznosikov et al., JMLR 24(276), section on compressors, (i); Horvath et al., "Natural compression", theorem 7, for b = 2.
template <norm Norm = norm::two, rounding Rounding = rounding::stochastic> struct exponential_dithering {
    double base = 2;                ///< b, above 1
    std::size_t levels = 7;         ///< s, 1 to 127, not counting 0
    std::size_t bucket = code_tile; ///< elements of a bucket: a power of two from 8 to 512

    static constexpr bool unbiased = Rounding == rounding::stochastic, contractive = true, shared_support = false, additive = false;
    static constexpr int passes = 1, rounds = 1;
    /// @throws error invalid_option.
    void check() const
    {
        check_base(base);
        check_levels(base, levels);
        check_bucket(bucket);
    }
    theory::membership classes(std::size_t d) const
    {
        constexpr double p = Norm == norm::one ? 1 : Norm == norm::two ? 2 : theory::maximum_norm;
        const std::size_t n = std::min(d, bucket);
        return unbiased ? theory::exponential_dithering(n, base, p, levels) : theory::exponential_dithering_nearest(n, base, p, levels);
    }

    template <class T> auto code() const { return code_of_levels<T, unit_of_norm(Norm), Rounding>(powers_below_one(base, levels)); }
    template <class T, class Executor> auto start(const Executor& executor, const coder_start& with) const
    {
        return coded<T, Executor, decltype(code<T>())>(executor, with, code<T>(), bucket);
    }
};
static_assert(compressor<exponential_dithering<>> && quantizer<exponential_dithering<norm::one>>);

/// Natural dithering: exponential dithering with base 2; s levels do what 2^(s - 1) linear ones do. @cite Horvath et al., section 4.
template <norm Norm = norm::two> constexpr exponential_dithering<Norm> natural_dithering(std::size_t levels = 7, std::size_t bucket = code_tile)
{
    return {.base = 2, .levels = levels, .bucket = bucket};
}

} // namespace compress
} // namespace gradcomp
