/// @file Gram-Schmidt for the few columns of a thin matrix, with the same bits on every rank, instruction set and number of threads.
#pragma once

#include <gradcomp/exec/cpu/isa.hpp>
#include <gradcomp/exec/low_rank_rules.hpp>

#include <algorithm>

namespace gradcomp::exec {
namespace detail {

/// Makes column `at` of a thin matrix orthogonal to those before it, and its norm 1; one that they span, up to rounding, becomes 0.
///
/// The column is scaled by a power of two first, so no square overflows or vanishes; sums are formed in double, by a
/// tree_sum() of tree_sum()s. Two passes: what the first one leaves along the earlier columns is as large as its rounding, which counts where little of the
/// column is left.
/// @cite Giraud, Langou, Rozloznik, van den Eshof, "Rounding error analysis of the classical Gram-Schmidt orthogonalization process", 2005 (twice is enough).
template <class T> struct orthonormal_body {
    T* columns;      ///< one behind the other
    std::size_t n;   ///< elements of a column
    std::size_t at;
    column_state* result;

    template <isa> GRADCOMP_INLINE void run() const
    {
        T* const v = columns + at * n;
        const T largest = largest_of(v, n);
        *result = !is_finite(largest) ? column_state::not_finite : column_state::vanished;
        if (!has_direction(largest)) return std::fill(v, v + n, T(0));
        const T down = power_of_two<T>(-exponent_above(largest));
        for (std::size_t i = 0; i < n; ++i) v[i] *= down;
        const double before = along(v, v);
        for (int pass = 0; pass < 2; ++pass)
            for (std::size_t k = 0; k < at; ++k) subtract(v, columns + k * n, static_cast<T>(along(columns + k * n, v)));
        const double after = along(v, v);
        if (!stands_alone<T>(after, before)) return std::fill(v, v + n, T(0));
        const double scale = 1 / root_of(after);
        for (std::size_t i = 0; i < n; ++i) v[i] = static_cast<T>(static_cast<double>(v[i]) * scale);
        *result = column_state::alive;
    }

private:
    GRADCOMP_INLINE double along(const T* a, const T* b) const
    {
        const std::size_t all = n;
        return tree_sum<double>((all + column_chunk - 1) / column_chunk, [a, b, all](std::size_t chunk, double sum) __attribute__((always_inline)) {
            const T *const u = a + chunk * column_chunk, *const v = b + chunk * column_chunk;
            return sum + tree_sum<double>(std::min(column_chunk, all - chunk * column_chunk), [u, v](std::size_t i, double part) __attribute__((always_inline)) {
                return multiply_add(static_cast<double>(u[i]), static_cast<double>(v[i]), part);
            });
        });
    }
    GRADCOMP_INLINE void subtract(T* v, const T* u, T share) const
    {
        GRADCOMP_INDEPENDENT
        for (std::size_t i = 0; i < n; ++i) v[i] = multiply_add(-share, u[i], v[i]);
    }
};

} // namespace detail

/// Makes `rank` columns of n elements orthonormal, in their order; redraw(k, column) may fill one anew that vanished or was not finite.
///
/// Columns that stay vanished are 0. @return whether all elements were finite. Complexity: 2 n rank^2, on the calling thread. Allocates nothing.
template <class T, class Redraw> bool orthonormalise(isa level, T* columns, std::size_t n, std::size_t rank, const Redraw& redraw)
{
    bool finite = true;
    for (std::size_t k = 0; k < rank; ++k) {
        column_state state = column_state::alive;
        at_level(level, detail::orthonormal_body<T>{columns, n, k, &state});
        finite = finite && state != column_state::not_finite;
        if (state != column_state::alive && redraw(k, columns + k * n)) at_level(level, detail::orthonormal_body<T>{columns, n, k, &state});
    }
    return finite;
}

} // namespace gradcomp::exec
