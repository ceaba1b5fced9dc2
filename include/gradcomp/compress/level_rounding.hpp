/// @file General rounding: any increasing set of levels, relative to the largest element of each bucket or as they are.
#pragma once

#include <gradcomp/compress/level_code.hpp>
#include <gradcomp/core/concepts.hpp>

namespace gradcomp {
inline namespace compress {

/// What levels are counted in.
enum class level_scale {
    largest, ///< max |x| of a bucket: the last level is 1
    absolute ///< 1: the levels are numbers that x itself is rounded to
};

/// |x_i| / max|x| becomes one of the two levels beside it, sign kept: at random with E C(x) = x, or the nearest. 0 is always a level.
///
/// Bytes on the wire: d (1 + ceil(log2(levels + 1))) / 8 + sizeof(T) a bucket (a tensor's codes padded to 16). One sweep. With rho the largest
/// ratio of neighbours and l the lowest level, stochastic in U of the larger of (rho + 1/rho + 2) / 4 and (1 + sqrt(1 + (b - 1) l^2)) / 2, nearest in
/// B3 of the larger of (rho + 1)^2 / (4 rho) and 1 + (b - 1) l^2 / 4, b = min(d, bucket) (theory::unbiased_table, nearest_table). What is no
/// contraction for these numbers, attach() refuses with error feedback. 16 random bits decide.
///
/// Absolute levels: |x_i| itself is rounded, no parameters are sent, what lies above the last level becomes that level, and NaN 0. In no class: of an x below
/// the first level, or far above the last, C(x) says too little; the paper's sets of levels have no first and no last one.
/// @cite Beznosikov et al., JMLR 24(276), section on compressors, (e) and (g).
template <rounding Rounding = rounding::stochastic, level_scale Scale = level_scale::largest> struct level_rounding {
    std::vector<double> levels = {0.25, 0.5, 0.75, 1}; ///< increasing, from 2^-100 on, the last one 1 (absolute: at most 2^100); at most 127
    std::size_t bucket = code_tile;                    ///< elements of a bucket: a power of two from 8 to 512

    static constexpr bool relative = Scale == level_scale::largest;
    static constexpr bool unbiased = relative && Rounding == rounding::stochastic, contractive = relative, shared_support = false, additive = false;
    static constexpr int passes = 1, rounds = 1;
    /// @throws error invalid_option.
    void check() const
    {
        check_bucket(bucket);
        if (levels.empty() || levels.size() > 127) throw error(error_code::invalid_option, "levels", std::to_string(levels.size()), "must be from 1 to 127 numbers");
        for (std::size_t k = 0; k < levels.size(); ++k)
            if (!(levels[k] >= (k == 0 ? 0x1p-100 : levels[k - 1] * 1.0009765625)))
                throw error(error_code::invalid_option, "levels[" + std::to_string(k) + "]", text_of(levels[k]), "levels must increase, by 2^-10 at least, from 2^-100 or above");
        if (relative ? levels.back() != 1 : !(levels.back() <= 0x1p100))
            throw error(error_code::invalid_option, "levels", text_of(levels.back()), relative ? "the last level must be 1" : "the last level must be at most 2^100");
    }
    theory::membership classes(std::size_t d) const
    {
        if (!relative) return d == 0 ? theory::identity() : theory::nothing();
        const std::size_t b = std::min(d, bucket);
        const theory::level_table table{.quotient = theory::widest_step(levels), .least = levels.front()};
        return unbiased ? theory::unbiased_table(b, table) : theory::nearest_table(b, table);
    }

    template <class T> auto code() const { return code_of_levels<T, relative ? level_unit::largest : level_unit::one, Rounding>(levels); }
    template <class T, class Executor> auto start(const Executor& executor, const coder_start& with) const
    {
        return coded<T, Executor, decltype(code<T>())>(executor, with, code<T>(), bucket);
    }
};
static_assert(compressor<level_rounding<>> && quantizer<level_rounding<rounding::nearest>> && quantizer<level_rounding<rounding::nearest, level_scale::absolute>>);

} // namespace compress
} // namespace gradcomp
