/// @file What a block of threads does with the cosine transform of one chunk, which lies in memory that it shares: the sums of exec::cpu, in their order.
#pragma once

#include <gradcomp/core/dct.hpp>
#include <gradcomp/exec/cuda/select_block.hpp>

namespace gradcomp::exec {

/// Elements of the largest chunk: 64 x 64.
inline constexpr int most_transformed = 4096;

/// x = f(x, place) for each of n places by all threads, none of which writes before all have read. f may read all of x. Begins and ends with a barrier.
template <class T, class Block, class F> GRADCOMP_DEVICE void rewrite(const Block& block, T* x, std::size_t n, const F& f)
{
    constexpr int threads = Block::threads, each = most_transformed / threads;
    T result[each];
    block.sync();
    for (int t = 0; t < each; ++t)
        if (const auto i = static_cast<std::size_t>(block.thread() + t * threads); i < n) result[t] = f(i);
    block.sync();
    for (int t = 0; t < each; ++t)
        if (const auto i = static_cast<std::size_t>(block.thread() + t * threads); i < n) x[i] = result[t];
    block.sync();
}

/// x = x m: x has rows of `width`, m is square.
template <class T, class Block> GRADCOMP_DEVICE void times_matrix(const Block& block, T* x, const dct_form& form, const T* m)
{
    const std::size_t width = form.width;
    rewrite(block, x, form.area(), [&](std::size_t i) {
        const std::size_t row = i / width * width, v = i % width;
        T sum = 0;
        for (std::size_t c = 0; c < width; ++c) sum = multiply_add(x[row + c], m[c * width + v], sum);
        return sum;
    });
}
/// x = m x.
template <class T, class Block> GRADCOMP_DEVICE void matrix_times(const Block& block, T* x, const dct_form& form, const T* m)
{
    const std::size_t width = form.width, height = form.height;
    rewrite(block, x, form.area(), [&](std::size_t i) {
        const std::size_t u = i / width, v = i % width;
        T sum = 0;
        for (std::size_t r = 0; r < height; ++r) sum = multiply_add(m[u * height + r], x[r * width + v], sum);
        return sum;
    });
}

/// The matrices of a tensor's chunks: the transforms of their height and width, and these transposed.
template <class T> struct dct_matrices {
    const T *down, *down_back, *across, *across_back;
};

/// x = its coefficients, cut; all NaN where x holds NaN or Inf. @param largest a word that the block shares
template <class T, class Block> GRADCOMP_DEVICE void transform(const Block& block, T* x, bits_t<T>& largest, const dct_form& form, const dct_matrices<T>& by)
{
    if (block.thread() == 0) largest = 0;
    block.sync();
    bits_t<T> most = 0;
    for (auto i = static_cast<std::size_t>(block.thread()); i < form.area(); i += Block::threads) most = magnitude(x[i]) > most ? magnitude(x[i]) : most;
    block.raise(largest, most);
    block.sync();
    if (largest >= key_of<T>::infinity) return rewrite(block, x, form.area(), [](std::size_t) { return not_a_number<T>(); });
    const auto scale = dct_scale<T>::of(__builtin_bit_cast(T, largest));
    rewrite(block, x, form.area(), [&](std::size_t i) { return x[i] * scale.down; });
    times_matrix(block, x, form, by.across_back);
    matrix_times(block, x, form, by.down);
    rewrite(block, x, form.area(), [&](std::size_t i) { return scale.coefficient(x[i]); });
}
/// x = what these coefficients say.
template <class T, class Block> GRADCOMP_DEVICE void transform_back(const Block& block, T* x, const dct_form& form, const dct_matrices<T>& by)
{
    times_matrix(block, x, form, by.across);
    matrix_times(block, x, form, by.down_back);
}

} // namespace gradcomp::exec
