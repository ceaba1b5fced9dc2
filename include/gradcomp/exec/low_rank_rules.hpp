/// @file What low-rank factors are on every executor: how many terms meet before others, what is drawn, and which columns count as nothing.
#pragma once

#include <gradcomp/core/codes.hpp>
#include <gradcomp/core/random.hpp>

namespace gradcomp::exec {

/// Columns of a thin matrix that are summed in one reading of the large one, rows whose terms are summed before they meet those of others, and
/// elements of a column of which one tree_sum() is formed.
inline constexpr std::size_t thin_columns = 8, row_block = 1024, column_chunk = 1024;

/// Lanes that share a row of a product: lane j adds terms j, j + 16, ... in this order, then the lanes fold by halves.
inline constexpr int row_lanes = 16;

/// A product of T as it goes on the wire: no sum over 2^16 ranks of 2^16 columns leaves T. Where nothing bad is to travel, what overflowed is cut.
template <class T> GRADCOMP_HD GRADCOMP_INLINE T limited_product(T x, bool mends)
{
    constexpr T most = scale_limits<T>::most * T(0x1p-32);
    if (!is_finite(x) && !mends) return x;
    return x != x ? T(0) : x > most ? most : x < -most ? -most : x;
}

/// Element `place` of the short factors of a matrix, column behind column, as it is drawn: uniform in (-1, 1).
template <class T> GRADCOMP_HD GRADCOMP_INLINE T drawn_factor(const random_stream& stream, std::size_t place)
{
    return static_cast<T>((static_cast<double>(static_cast<std::int32_t>(stream.block(static_cast<std::uint32_t>(place / 4)).at[place % 4])) + 0.5) * 0x1p-31);
}

/// What became of a column.
enum class column_state { alive, vanished, not_finite };

/// Whether a column whose largest magnitude is this one has a direction that can be computed.
template <class T> GRADCOMP_HD GRADCOMP_INLINE bool has_direction(T largest) { return largest >= scale_limits<T>::least && largest <= scale_limits<T>::most; }

/// Whether a column whose square was `before` is more than rounding once those before it were taken out of it.
template <class T> GRADCOMP_HD GRADCOMP_INLINE bool stands_alone(double after, double before)
{
    constexpr double noise = power_of_two<double>(5 - mantissa_bits<T>); // 32 units of T
    return after > noise * noise * before;
}

} // namespace gradcomp::exec
