/// @file What CUDA threads do for low-rank factors: products of a matrix with a thin one, of two thin ones, and Gram-Schmidt by a block. The CPU's bits.
///
/// Written against the Warp of measure.hpp, and for Gram-Schmidt a Crew: thread(), threads, warp(), sync(). Kernels use shuffles and barriers; the
/// tests run the same code on std::threads, so that ThreadSanitizer finds a missing sync().
#pragma once

#include <gradcomp/core/low_rank_form.hpp>
#include <gradcomp/exec/cuda/measure.hpp>
#include <gradcomp/exec/low_rank_rules.hpp>

namespace gradcomp::exec {

/// A factored matrix as kernels see it.
struct device_matrix {
    std::size_t offset = 0, rows = 0, columns = 0;
    std::size_t long_at = 0, short_at = 0; ///< as factored_matrix
    std::size_t parts = 0;                 ///< its first place among sums over blocks of rows, where it has several
    std::uint32_t tensor = 0;

    GRADCOMP_HD bool tall() const { return rows >= columns; }
    GRADCOMP_HD std::size_t longer() const { return tall() ? rows : columns; }
    GRADCOMP_HD std::size_t shorter() const { return tall() ? columns : rows; }
    GRADCOMP_HD std::size_t size() const { return rows * columns; }
    GRADCOMP_HD std::size_t blocks() const { return (rows + row_block - 1) / row_block; }
    /// What warps share a product by: pairs of rows, or for the transpose 32 columns of one block of rows.
    GRADCOMP_HD std::size_t pieces(bool transposed) const { return transposed ? blocks() * ((columns + warp_lanes - 1) / warp_lanes) : (rows + 1) / 2; }
    /// How many of them a warp takes one after another: short rows are little work.
    GRADCOMP_HD std::size_t pieces_a_warp(bool transposed) const { return transposed || columns >= 1024 ? 1 : 1024 / columns; }
};

/// The row of a lane: rows 2 piece and the next one have 16 lanes each.
GRADCOMP_HD inline std::size_t row_of(std::size_t piece, int lane) { return 2 * piece + static_cast<std::size_t>(lane / row_lanes); }

/// A lane's terms of its row of a matrix times `some` columns of a thin one from `from` on: sum[k] of p(i columns + j) thin[(from + k) columns + j] for its j.
template <class T, class Source>
GRADCOMP_DEVICE void add_row_terms(int lane, const Source& p, const device_matrix& m, std::size_t piece, const T* thin, std::size_t from, std::size_t some, T (&sum)[thin_columns])
{
    constexpr std::size_t lanes = row_lanes, ahead = 4;
    const std::size_t i = row_of(piece, lane), n = i < m.rows ? m.columns : 0, own = static_cast<std::size_t>(lane % row_lanes);
    for (std::size_t base = 0; base < n; base += ahead * lanes) {
        T x[ahead];
        GRADCOMP_UNROLL
        for (std::size_t v = 0; v < ahead; ++v) x[v] = base + v * lanes + own < n ? p(i * n + base + v * lanes + own) : T(0); // all before any is waited for
        GRADCOMP_UNROLL
        for (std::size_t v = 0; v < ahead; ++v) {
            const std::size_t j = base + v * lanes + own;
            GRADCOMP_UNROLL
            for (std::size_t k = 0; k < thin_columns; ++k)
                if (k < some && j < n) sum[k] = multiply_add(x[v], thin[(from + k) * n + j], sum[k]);
        }
    }
}

/// Rows of a matrix times a thin one: out[k rows + i] = sum over j of p(i columns + j) thin[k columns + j].
template <class T, class Warp, class Source>
GRADCOMP_DEVICE void multiply_rows(const Warp& warp, const Source& p, const device_matrix& m, std::size_t rank, std::size_t piece, const T* thin, T* out, bool mends)
{
    const std::size_t i = row_of(piece, warp.lane());
    for (std::size_t from = 0; from < rank; from += thin_columns) {
        const std::size_t some = rank - from < thin_columns ? rank - from : thin_columns;
        T sum[thin_columns] = {};
        add_row_terms(warp.lane(), p, m, piece, thin, from, some, sum);
        GRADCOMP_UNROLL
        for (std::size_t k = 0; k < thin_columns; ++k) {
            if (k >= some) continue;
            for (int width = row_lanes / 2; width > 0; width /= 2) sum[k] += warp.exchange(sum[k], width); // the lanes of a row that is none, too
            if (warp.lane() % row_lanes == 0 && i < m.rows) out[(from + k) * m.rows + i] = limited_product(sum[k], mends);
        }
    }
}

/// Up to 32 columns of one block of rows, of the transpose times a thin matrix, a lane each: the sum over the block's i, in order, of p(i columns + j)
/// thin[k rows + i], to out[k columns + j], or to `parts` where other blocks' sums join it.
template <class T, class Source>
GRADCOMP_DEVICE void multiply_columns(int lane, const Source& p, const device_matrix& m, std::size_t rank, std::size_t piece, const T* thin, T* out, T* parts, bool mends)
{
    constexpr std::size_t ahead = 4;
    const std::size_t strips = (m.columns + warp_lanes - 1) / warp_lanes, block = piece / strips, n = m.columns, first = block * row_block;
    const std::size_t j = piece % strips * warp_lanes + static_cast<std::size_t>(lane), last = m.rows < first + row_block ? m.rows : first + row_block;
    if (j >= n) return;
    for (std::size_t from = 0; from < rank; from += thin_columns) {
        const std::size_t some = rank - from < thin_columns ? rank - from : thin_columns;
        T sum[thin_columns] = {};
        for (std::size_t base = first; base < last; base += ahead) {
            T x[ahead];
            GRADCOMP_UNROLL
            for (std::size_t v = 0; v < ahead; ++v) x[v] = base + v < last ? p((base + v) * n + j) : T(0);
            GRADCOMP_UNROLL
            for (std::size_t v = 0; v < ahead; ++v) {
                GRADCOMP_UNROLL
                for (std::size_t k = 0; k < thin_columns; ++k)
                    if (k < some && base + v < last) sum[k] = multiply_add(x[v], thin[(from + k) * m.rows + base + v], sum[k]);
            }
        }
        GRADCOMP_UNROLL
        for (std::size_t k = 0; k < thin_columns; ++k) {
            if (k >= some) continue;
            if (m.blocks() > 1) parts[m.parts + (block * rank + from + k) * n + j] = sum[k];
            else out[(from + k) * n + j] = limited_product(T(0) + sum[k], mends);
        }
    }
}

/// Element `at` of a product whose blocks of rows were summed apart: their sums in order.
template <class T> GRADCOMP_DEVICE T fold_parts(const device_matrix& m, std::size_t rank, std::size_t at, const T* parts, bool mends)
{
    T sum = 0;
    for (std::size_t b = 0; b < m.blocks(); ++b) sum += parts[m.parts + b * rank * m.columns + at];
    return limited_product(sum, mends);
}

/// c of the element at a position of the matrix, what the factors of both sides say: the sum over k, in order.
template <class T> GRADCOMP_DEVICE T product_at(const device_matrix& m, std::size_t rank, std::size_t position, const T* longer, const T* shorter)
{
    const T *const a = m.tall() ? longer : shorter, *const b = m.tall() ? shorter : longer;
    const bool small = m.size() <= 0xffffffffu; // the division of 64 bits is long
    const std::size_t i = small ? static_cast<std::uint32_t>(position) / static_cast<std::uint32_t>(m.columns) : position / m.columns, j = position - i * m.columns;
    T c = 0;
    for (std::size_t k = 0; k < rank; ++k) c = multiply_add(a[k * m.rows + i], b[k * m.columns + j], c);
    return c;
}

/// What a block of threads shares while it makes columns orthonormal.
template <class T> struct thin_shared {
    double lane[warp_lanes];
    bits_t<T> largest[warp_lanes];
};

namespace detail {

/// The sum of products of two columns, as exec::cpu forms it: warp w sums the chunks of lanes w, w + warps, ... of the outer tree. Ends with a barrier.
template <class T, class Crew> GRADCOMP_DEVICE double along(const Crew& crew, thin_shared<T>& shared, const T* a, const T* b, std::size_t n)
{
    const auto warp = crew.warp();
    const std::size_t chunks = (n + column_chunk - 1) / column_chunk;
    for (int outer = crew.thread() / warp_lanes; outer < warp_lanes; outer += Crew::threads / warp_lanes) {
        double sum = 0;
        for (auto chunk = static_cast<std::size_t>(outer); chunk < chunks; chunk += warp_lanes) {
            const std::size_t first = chunk * column_chunk, count = n - first < column_chunk ? n - first : column_chunk;
            sum += warp_tree_sum<double>(warp, count, warp_lanes, [a, b, first](std::size_t i, double part) {
                return multiply_add(static_cast<double>(a[first + i]), static_cast<double>(b[first + i]), part);
            });
        }
        if (warp.lane() == 0) shared.lane[outer] = sum;
    }
    crew.sync();
    double all = shared.lane[warp.lane()];
    for (int width = warp_lanes / 2; width > 0; width /= 2) all += warp.exchange(all, width);
    crew.sync();
    return all;
}

/// The largest magnitude of a column, or a NaN or Inf of it. Ends with a barrier.
template <class T, class Crew> GRADCOMP_DEVICE T largest_in_column(const Crew& crew, thin_shared<T>& shared, const T* v, std::size_t n)
{
    const auto warp = crew.warp();
    bits_t<T> most = 0;
    for (auto i = static_cast<std::size_t>(crew.thread()); i < n; i += Crew::threads) {
        const bits_t<T> key = magnitude(v[i]);
        most = key > most ? key : most;
    }
    most = warp_largest(warp, most, warp_lanes);
    constexpr int warps = Crew::threads / warp_lanes;
    if (warp.lane() == 0) shared.largest[crew.thread() / warp_lanes] = most;
    crew.sync();
    for (int w = 0; w < warps; ++w) most = shared.largest[w] > most ? shared.largest[w] : most;
    crew.sync();
    return __builtin_bit_cast(T, most);
}

/// f(i) for the elements of a column, then a barrier.
template <class Crew, class F> GRADCOMP_DEVICE void each_of_column(const Crew& crew, std::size_t n, const F& f)
{
    for (auto i = static_cast<std::size_t>(crew.thread()); i < n; i += Crew::threads) f(i);
    crew.sync();
}

/// Column `at` as orthonormal_body has it: orthogonal to those before it and of norm 1, or 0.
template <class T, class Crew> GRADCOMP_DEVICE column_state make_orthonormal(const Crew& crew, thin_shared<T>& shared, T* columns, std::size_t n, std::size_t at)
{
    T* const v = columns + at * n;
    const T largest = largest_in_column(crew, shared, v, n);
    const bool lives = has_direction(largest);
    const T down = lives ? power_of_two<T>(-exponent_above(largest)) : T(0);
    each_of_column(crew, n, [=](std::size_t i) { v[i] = lives ? v[i] * down : T(0); });
    if (!lives) return is_finite(largest) ? column_state::vanished : column_state::not_finite;
    const double before = along(crew, shared, v, v, n);
    for (int pass = 0; pass < 2; ++pass)
        for (std::size_t k = 0; k < at; ++k) {
            const T* const u = columns + k * n;
            const T share = static_cast<T>(along(crew, shared, u, v, n));
            each_of_column(crew, n, [=](std::size_t i) { v[i] = multiply_add(-share, u[i], v[i]); });
        }
    const double after = along(crew, shared, v, v, n);
    const bool alone = stands_alone<T>(after, before);
    const double scale = alone ? 1 / root_of(after) : 0;
    each_of_column(crew, n, [=](std::size_t i) { v[i] = alone ? static_cast<T>(static_cast<double>(v[i]) * scale) : T(0); });
    return alone ? column_state::alive : column_state::vanished;
}

} // namespace detail

/// exec::cpu's orthonormalise() by a block of threads: draw(place) gives an element of a column that vanished or was not finite, where Draws.
/// @return whether all elements were finite, to every thread. Ends with a barrier.
template <bool Draws, class T, class Crew, class Draw> GRADCOMP_DEVICE bool orthonormalise(const Crew& crew, thin_shared<T>& shared, T* columns, std::size_t n, std::size_t rank, const Draw& draw)
{
    bool finite = true;
    for (std::size_t k = 0; k < rank; ++k) {
        const column_state state = detail::make_orthonormal(crew, shared, columns, n, k);
        finite = finite && state != column_state::not_finite;
        if (!Draws || state == column_state::alive) continue;
        detail::each_of_column(crew, n, [=](std::size_t i) { columns[k * n + i] = draw(k * n + i); });
        detail::make_orthonormal(crew, shared, columns, n, k);
    }
    return finite;
}

} // namespace gradcomp::exec
