/// @file A matrix that a sweep left behind times a thin one, and the product of two thin ones, in one order of summation whatever the threads.
#pragma once

#include <gradcomp/core/low_rank_form.hpp>
#include <gradcomp/exec/cpu/late_choice.hpp>
#include <gradcomp/exec/low_rank_rules.hpp>

#include <algorithm>

#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpass-failed" // a build without optimisation leaves these loops as they are
#endif

namespace gradcomp::exec::detail {

/// p of elements [first, first + count) as a sweep left it.
template <class Again> GRADCOMP_INLINE void read_left(const Again& again, std::size_t first, std::size_t count, typename Again::value_type* p, non_finite policy)
{
    using T = typename Again::value_type;
    bits_t<T> largest = 0;
    GRADCOMP_INDEPENDENT
    for (std::size_t i = 0; i < count; ++i) {
        p[i] = value_at(again, first + i);
        largest = std::max(largest, magnitude(p[i]));
    }
    if (largest >= key_of<T>::infinity && policy != non_finite::propagate) [[unlikely]]
        for (std::size_t i = 0; i < count; ++i) p[i] = left_at(again, first + i, policy);
}

/// Rows [begin, end) of M times a thin matrix: out[k rows + i] = sum over j of M_ij thin[k columns + j], by row_lanes.
template <class Again> struct rows_body {
    using T = typename Again::value_type;
    Again again;
    std::size_t rows, columns, rank, begin, end;
    const T* thin;
    T* out;
    non_finite policy;

    template <isa> GRADCOMP_INLINE void run() const
    {
        const Again left = again;
        for (std::size_t i = begin; i < end; ++i)
            for (std::size_t from = 0; from < rank; from += thin_columns) row(left, i, from, std::min(rank - from, thin_columns));
    }

private:
    GRADCOMP_INLINE void row(const Again& left, std::size_t i, std::size_t from, std::size_t some) const
    {
        alignas(64) T p[tile_size];
        alignas(64) T lane[thin_columns][row_lanes] = {};
        for (std::size_t base = 0; base < columns; base += tile_size) {
            const std::size_t count = std::min(columns - base, tile_size);
            read_left(left, i * columns + base, count, p, policy);
            for (std::size_t k = 0; k < some; ++k) add_tile(p, thin + (from + k) * columns + base, count, lane[k]);
        }
        for (std::size_t k = 0; k < some; ++k) {
            for (std::size_t width = row_lanes / 2; width > 0; width /= 2)
                for (std::size_t l = 0; l < width; ++l) lane[k][l] += lane[k][l + width];
            out[(from + k) * rows + i] = limited_product(lane[k][0], policy != non_finite::propagate);
        }
    }
    GRADCOMP_INLINE static void add_tile(const T* p, const T* b, std::size_t count, T* lane)
    {
        constexpr std::size_t lanes = row_lanes;
        T sum[lanes];
        for (std::size_t l = 0; l < lanes; ++l) sum[l] = lane[l];
        std::size_t j = 0;
        for (; j + lanes <= count; j += lanes)
            for (std::size_t l = 0; l < lanes; ++l) sum[l] = multiply_add(p[j + l], b[j + l], sum[l]);
        for (std::size_t l = 0; j + l < count; ++l) sum[l] = multiply_add(p[j + l], b[j + l], sum[l]);
        for (std::size_t l = 0; l < lanes; ++l) lane[l] = sum[l];
    }
};

/// The same for the transpose, a block of rows and a tile of columns at a time: part[(block rank + k) columns + j] = sum over the block's i, in order,
/// of M_ij thin[k rows + i]. Pieces [begin, end) of blocks times tiles.
template <class Again> struct columns_body {
    using T = typename Again::value_type;
    Again again;
    std::size_t rows, columns, rank, begin, end;
    const T* thin;
    T* part;
    non_finite policy;

    static std::size_t tiles(std::size_t columns) { return (columns + tile_size - 1) / tile_size; }
    static std::size_t blocks(std::size_t rows) { return (rows + row_block - 1) / row_block; }

    template <isa> GRADCOMP_INLINE void run() const
    {
        const Again left = again;
        for (std::size_t at = begin; at < end; ++at)
            for (std::size_t from = 0; from < rank; from += thin_columns) piece(left, at / tiles(columns), at % tiles(columns) * tile_size, from, std::min(rank - from, thin_columns));
    }

private:
    GRADCOMP_INLINE void piece(const Again& left, std::size_t block, std::size_t base, std::size_t from, std::size_t some) const
    {
        alignas(64) T p[tile_size];
        alignas(64) T sum[thin_columns][tile_size] = {};
        const std::size_t count = std::min(columns - base, tile_size), last = std::min(rows, (block + 1) * row_block);
        for (std::size_t i = block * row_block; i < last; ++i) {
            read_left(left, i * columns + base, count, p, policy);
            for (std::size_t k = 0; k < some; ++k) {
                const T a = thin[(from + k) * rows + i];
                T* const to = sum[k];
                GRADCOMP_INDEPENDENT
                for (std::size_t j = 0; j < count; ++j) to[j] = multiply_add(p[j], a, to[j]);
            }
        }
        for (std::size_t k = 0; k < some; ++k) std::copy_n(sum[k], count, part + (block * rank + from + k) * columns + base);
    }
};

/// c of row i, columns [base, base + count): the sum over k, in order, of a[k rows + i] b[k columns + j].
template <class T> GRADCOMP_INLINE void product_tile(const T* a, const T* b, const factored_matrix& m, std::size_t rank, std::size_t i, std::size_t base, std::size_t count, T* c)
{
    for (std::size_t j = 0; j < count; ++j) c[j] = 0;
    for (std::size_t k = 0; k < rank; ++k) {
        const T factor = a[k * m.rows + i];
        const T* const other = b + k * m.columns + base;
        GRADCOMP_INDEPENDENT
        for (std::size_t j = 0; j < count; ++j) c[j] = multiply_add(factor, other[j], c[j]);
    }
}

/// then(row, first column, count, c) for the tiles of rows [begin, end) of a product of thin matrices.
template <class T, class Then> struct product_body {
    const T *a, *b;
    const factored_matrix* m;
    std::size_t rank, begin, end;
    Then then;

    template <isa> GRADCOMP_INLINE void run() const
    {
        alignas(64) T c[tile_size];
        const Then f = then;
        const factored_matrix& of = *m;
        for (std::size_t i = begin; i < end; ++i)
            for (std::size_t base = 0; base < of.columns; base += tile_size) {
                const std::size_t count = std::min(of.columns - base, tile_size);
                product_tile(a, b, of, rank, i, base, count, c);
                f(i, base, count, c);
            }
    }
};

/// Shares [0, n) among the members that `work` elements are worth: body(begin, end) makes what at_level() runs.
template <class BodyOf> void share_out(const cpu_team& team, std::size_t n, std::size_t work, const BodyOf& body)
{
    const std::size_t members = std::max<std::size_t>(1, std::min(n, team.members_for(work)));
    team.run(members, [&](std::size_t t) { at_level(team.level(), body(n * t / members, n * (t + 1) / members)); });
}

} // namespace gradcomp::exec::detail

#if defined(__clang__)
#pragma clang diagnostic pop
#endif
