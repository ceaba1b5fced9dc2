/// @file Rounding to any increasing set of levels: the arithmetic behind dithering and rounding with levels from a table.
#pragma once

#include <gradcomp/compress/min_max.hpp>
#include <gradcomp/compress/qsgd.hpp>

#include <bit>
#include <vector>

namespace gradcomp {
inline namespace compress {

/// p, or 0 for NaN, whose sign is the processor's choice.
template <class T> GRADCOMP_HD GRADCOMP_INLINE T number_or_zero(T p)
{
    return __builtin_bit_cast(T, select_bits(magnitude(p) > key_of<T>::infinity, bits_t<T>{0}, bits_of(p)));
}

/// What the levels of a bucket are multiples of; the bucket's parameter.
enum class level_unit {
    norm_1, norm_2,
    largest, ///< max |p|
    power,   ///< the least power of the base that is at least max |p|: the levels are powers of the base then
    one      ///< 1, and no parameter: what lies above the last level becomes that, and NaN becomes 0
};

/// Sign and the number of a level where each is half of the next, 0, 2^(1 - count), ..., 1/2, 1, as level_code numbers them: found from the exponent of y, without
/// a table and its loads.
template <class T, bool Stochastic> struct halved_code {
    using value_type = T;
    struct bucket {
        T unit, inverse;
    };
    static constexpr bool stochastic = Stochastic;
    std::int32_t count;
    int width;

    GRADCOMP_HD GRADCOMP_INLINE std::uint32_t encode(T p, const bucket& b, std::uint32_t random) const
    {
        const T y = product(absolute(p), b.inverse);
        const auto exponent = static_cast<std::int32_t>(bits_of(y) >> mantissa_bits<T>) - exponent_bias<T>;
        const std::int32_t k = static_cast<std::int32_t>(clamped(exponent + count, count));
        const T low = level(k), gap = level(k > 1 ? k : 1), above = y - low;
        const bool up = Stochastic ? above > unit_of<T>(random) * gap : above > gap - above;
        return static_cast<std::uint32_t>(k + (static_cast<std::int32_t>(up) & static_cast<std::int32_t>(k < count))) | sign_at(p, width - 1);
    }
    GRADCOMP_HD GRADCOMP_INLINE T decode(std::uint32_t code, const bucket& b) const
    {
        const std::uint32_t k = code & ((1u << (width - 1)) - 1);
        return with_sign(level(static_cast<std::int32_t>(k)) * b.unit, code, width - 1);
    }

private:
    /// 2^(k - count), and 0 for k = 0.
    GRADCOMP_HD GRADCOMP_INLINE T level(std::int32_t k) const
    {
        const auto power = static_cast<bits_t<T>>(static_cast<bits_t<T>>(k - count + exponent_bias<T>) << mantissa_bits<T>);
        return __builtin_bit_cast(T, select_bits(k > 0, power, bits_t<T>{0}));
    }
};

/// Sign and the number of a level as level_code numbers them, where they are few: each is compared and none fetched by its number, so that elements pass in lanes.
template <class T, bool Stochastic, bool DropsNaN> struct few_levels_code {
    using value_type = T;
    using bucket = typename halved_code<T, Stochastic>::bucket;
    using key = std::make_signed_t<bits_t<T>>; ///< of numbers that are not negative: ordered as they are
    static constexpr bool stochastic = Stochastic;
    static constexpr int most_levels = 15;

    key level[most_levels + 2]; ///< those of NaN behind `count`, which no y reaches
    std::int32_t count;
    int width;

    GRADCOMP_HD GRADCOMP_INLINE std::uint32_t encode(T p, const bucket& b, std::uint32_t random) const
    {
        if constexpr (DropsNaN) p = number_or_zero(p);
        const T y = product(absolute(p), b.inverse);
        std::int32_t k = 0;
        key below = 0, beyond = level[1];
        GRADCOMP_UNROLL
        for (int j = 1; j <= most_levels; ++j) {
            const bool reached = level[j] <= static_cast<key>(bits_of(y));
            k += static_cast<std::int32_t>(reached);
            below = select_bits(reached, level[j], below);
            beyond = select_bits(reached, level[j + 1], beyond);
        }
        const T low = __builtin_bit_cast(T, below), gap = __builtin_bit_cast(T, beyond) - low, above = y - low;
        const bool up = Stochastic ? above > unit_of<T>(random) * gap : above > gap - above;
        return static_cast<std::uint32_t>(k + (static_cast<std::int32_t>(up) & static_cast<std::int32_t>(k < count))) | sign_at(p, width - 1);
    }
    GRADCOMP_HD GRADCOMP_INLINE T decode(std::uint32_t code, const bucket& b) const
    {
        const auto k = static_cast<std::int32_t>(code & ((1u << (width - 1)) - 1));
        key mine = 0;
        GRADCOMP_UNROLL
        for (int j = 1; j <= most_levels; ++j) mine = select_bits(k == j, level[j], mine);
        return with_sign(__builtin_bit_cast(T, mine) * b.unit, code, width - 1);
    }
};

/// Sign and the number of a level: 0, then level[1] < ... < level[count] = 1 (any number where the unit is one), times the bucket's unit.
template <class T, level_unit Unit, rounding Rounding> struct level_code {
    using value_type = T;
    using bucket = typename halved_code<T, Rounding == rounding::stochastic>::bucket;
    static constexpr bool absolute_levels = Unit == level_unit::one;
    static constexpr int most_bits = 8, parameters = absolute_levels ? 0 : 1, most_levels = 127;
    static constexpr measure measured = absolute_levels ? measure::none : Unit == level_unit::norm_1 ? measure::sum : Unit == level_unit::norm_2 ? measure::norm : measure::largest;
    static constexpr bool stochastic = Rounding == rounding::stochastic;

    using few = few_levels_code<T, stochastic, absolute_levels>;

    T level[most_levels + 2] = {};  ///< ascending; behind `count` NaN, which no y reaches
    T power[16] = {}, root[16] = {}; ///< base^(2^j) and its inverse, where the unit is a power; Inf and 0 where T holds it no more
    std::uint32_t count = 0, first_step = 64; ///< levels, and the largest power of two that is not above their number
    int width = 8;
    bool is_halved = false; ///< each level is half of the next

    GRADCOMP_HD GRADCOMP_INLINE int bits() const { return width; }
    /// The same codes, faster. @pre is_halved
    GRADCOMP_INLINE halved_code<T, stochastic> where_halved() const { return {static_cast<std::int32_t>(count), width}; }
    GRADCOMP_INLINE bool is_few() const { return count <= static_cast<std::uint32_t>(few::most_levels); }
    /// The same codes, faster. @pre is_few()
    GRADCOMP_INLINE few where_few() const
    {
        few code{.level = {}, .count = static_cast<std::int32_t>(count), .width = width};
        for (int j = 0; j <= few::most_levels + 1; ++j) code.level[j] = static_cast<typename few::key>(bits_of(level[j]));
        return code;
    }
    GRADCOMP_HD GRADCOMP_INLINE void describe([[maybe_unused]] const statistic<T>& seen, std::size_t, [[maybe_unused]] T* wire) const
    {
        if constexpr (absolute_levels) return;
        const T scale = limited_scale(seen.first);
        wire[0] = Unit == level_unit::power && scale > T(0) ? limited_scale(power_above(scale)) : scale;
    }
    GRADCOMP_HD bool valid(const T* wire) const { return absolute_levels || is_scale(wire[0]) || bits_of(wire[0]) == bits_of(not_a_number<T>()); }
    GRADCOMP_HD GRADCOMP_INLINE bucket open([[maybe_unused]] const T* wire) const
    {
        if constexpr (absolute_levels) return {T(1), T(1)};
        else return {wire[0], wire[0] > T(0) ? T(1) / wire[0] : T(0)};
    }

    GRADCOMP_HD GRADCOMP_INLINE std::uint32_t encode(T p, const bucket& b, std::uint32_t random) const
    {
        if constexpr (absolute_levels) p = number_or_zero(p);
        const T y = product(absolute(p), b.inverse);
        std::uint32_t k = 0;
        for (std::uint32_t step = first_step; step > 0; step /= 2) k += select_bits(level[k + step] <= y, step, 0u); // a branch would be a coin's
        const T low = level[k], gap = level[k + 1] - low, above = y - low;
        const bool up = stochastic ? above > unit_of<T>(random) * gap : above > gap - above;
        k += static_cast<std::uint32_t>(up) & static_cast<std::uint32_t>(k < count);
        return k | sign_at(p, width - 1);
    }
    GRADCOMP_HD GRADCOMP_INLINE T decode(std::uint32_t code, const bucket& b) const
    {
        const std::uint32_t k = code & ((1u << (width - 1)) - 1);
        return with_sign(level[k < count ? k : count] * b.unit, code, width - 1);
    }

private:
    /// The least power of the base that is at least x, by repeated multiplication.
    GRADCOMP_HD T power_above(T x) const
    {
        T at = 1;
        if (x > T(1)) {
            for (int j = 15; j >= 0; --j)
                if (at * power[j] < x) at *= power[j];
            return at * power[0];
        }
        for (int j = 15; j >= 0; --j)
            if (at * root[j] >= x) at *= root[j];
        return at;
    }
};
static_assert(tile_code<level_code<float, level_unit::power, rounding::nearest>> && tile_code<level_code<double, level_unit::norm_1, rounding::stochastic>>);

/// Bits of a sign and the numbers 0 .. levels.
constexpr int level_bits(std::size_t levels)
{
    int bits = 1;
    for (std::size_t most = levels; most > 0; most /= 2) ++bits;
    return bits;
}

/// The code of levels that ascend, to 1 unless the unit is one. @pre at most 127 levels
template <class T, level_unit Unit, rounding Rounding> level_code<T, Unit, Rounding> code_of_levels(const std::vector<double>& levels)
{
    level_code<T, Unit, Rounding> code;
    code.count = static_cast<std::uint32_t>(levels.size());
    code.first_step = std::bit_floor(code.count);
    code.width = level_bits(levels.size());
    for (T& level : code.level) level = not_a_number<T>();
    code.level[0] = 0;
    for (std::size_t k = 0; k < levels.size(); ++k) code.level[k + 1] = static_cast<T>(levels[k]);
    code.is_halved = Unit != level_unit::one && levels.back() == 1 && levels.front() >= 0x1p-100;
    for (std::size_t k = 1; k < levels.size(); ++k) code.is_halved = code.is_halved && 2 * levels[k - 1] == levels[k];
    return code;
}

/// base^(1 - count), ..., 1 / base, 1 by repeated division in double: never pow(), whose last digits differ between libraries.
inline std::vector<double> powers_below_one(double base, std::size_t count)
{
    std::vector<double> levels(count);
    double level = 1;
    for (std::size_t k = count; k > 0; --k, level /= base) levels[k - 1] = level;
    return levels;
}

/// @throws error invalid_option unless base is finite and above 1, by enough that levels differ.
inline void check_base(double base)
{
    if (!(is_finite(base) && base >= 1.0009765625)) throw error(error_code::invalid_option, "base", text_of(base), "must be finite and at least 1 + 2^-10");
}
/// @throws error invalid_option unless the number of levels is from 1 to 127, and the lowest one at least 2^-100 of the highest.
inline void check_levels(double base, std::size_t levels)
{
    if (levels < 1 || levels > 127) throw error(error_code::invalid_option, "levels", std::to_string(levels), "must be from 1 to 127");
    if (powers_below_one(base, levels).front() < 0x1p-100)
        throw error(error_code::invalid_option, "levels", std::to_string(levels), "reach below 2^-100 of the highest; ask for fewer, or for a smaller base");
}

} // namespace compress
} // namespace gradcomp
