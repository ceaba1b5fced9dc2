/// @file Exponential rounding: every element becomes a power of a base, the nearest one or one of its two neighbours at random.
#pragma once

#include <gradcomp/compress/level_code.hpp>
#include <gradcomp/core/concepts.hpp>

namespace gradcomp {
inline namespace compress {

/// |x_i| in [b^k, b^(k+1)] becomes one of the two, sign kept: at random with E C(x) = x, or the nearest.
///
/// Each bucket carries the `levels` powers up to the first one at or above its largest element; below them comes 0. Bytes on the wire:
/// d (1 + ceil(log2(levels + 1))) / 8 + sizeof(T) a bucket (a tensor's codes padded to 16). One sweep. With b' for the base, stochastic in
/// U((b' + 1/b' + 2) / 4), nearest in B3((b' + 1)^2 / (4 b')), each with what the lowest level adds (theory::unbiased_table, nearest_table).
/// 16 random bits decide. The powers are products of T, so for a base that is no power of two they are b^k up to the rounding of T.
/// @cite Beznosikov et al., JMLR 24(276), section on compressors, (f) and (h); b = 2 is natural compression.
template <rounding Rounding = rounding::stochastic> struct exponential_rounding {
    double base = 2;                ///< b, above 1
    std::size_t levels = 63;        ///< powers that a bucket tells apart, 1 to 127
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
        const std::size_t b = std::min(d, bucket);
        // The top power is below base max |x|, so relative to max |x| the lowest level is below base times the table's.
        const theory::level_table table{.quotient = base, .least = base * powers_below_one(base, levels).front(), .holds_largest = false};
        return unbiased ? theory::unbiased_table(b, table) : theory::nearest_table(b, table);
    }

    template <class T> auto code() const
    {
        auto code = code_of_levels<T, level_unit::power, Rounding>(powers_below_one(base, levels));
        double power = base, root = 1 / base;
        for (int j = 0; j < 16; ++j, power *= power, root *= root) {
            code.power[j] = static_cast<T>(power);
            code.root[j] = static_cast<T>(root);
        }
        return code;
    }
    template <class T, class Executor> auto start(const Executor& executor, const coder_start& with) const
    {
        return coded<T, Executor, decltype(code<T>())>(executor, with, code<T>(), bucket);
    }
};
static_assert(compressor<exponential_rounding<>> && quantizer<exponential_rounding<rounding::nearest>>);

} // namespace compress
} // namespace gradcomp
