/// @file The discrete cosine transform of small chunks: its matrix, the same bits on every machine, and how a tensor is cut for it.
#pragma once

#include <gradcomp/core/chunks.hpp>
#include <gradcomp/core/codes.hpp>
#include <gradcomp/core/tensors.hpp>

#include <algorithm>
#include <vector>

namespace gradcomp {
namespace detail {

/// 1 - x^2 / (n (n+1)) (1 - x^2 / ((n+2) (n+3)) (...)): cos x from n = 1, sin(x) / x from n = 2. @pre |x| <= pi / 4
inline double cosine_series(double square, int n)
{
    double sum = 1;
    for (int at = n + 18; at >= n; at -= 2) sum = multiply_add(-(square / (at * (at + 1))), sum, 1.0);
    return sum;
}

} // namespace detail

/// cos(pi a / b), by a series after the angle was brought to the first eighth of the circle in integers: library functions differ in their last digits.
inline double cosine(std::size_t a, std::size_t b)
{
    constexpr double pi = 3.141592653589793238462643383279502884;
    a %= 2 * b;
    if (a > b) a = 2 * b - a;
    const bool negative = 2 * a > b;
    if (negative) a = b - a;
    double value;
    if (4 * a <= b) {
        const double x = pi * static_cast<double>(a) / static_cast<double>(b);
        value = detail::cosine_series(x * x, 1);
    } else { // the sine of what is missing to a quarter
        const double x = pi * static_cast<double>(b - 2 * a) / static_cast<double>(2 * b);
        value = x * detail::cosine_series(x * x, 2);
    }
    return negative ? -value : value;
}

/// Row u of the orthonormal DCT-II of n numbers: sqrt(2/n) cos(pi (2 j + 1) u / (2 n)), sqrt(1/n) for u = 0; rounded from double once. Row by row.
template <class T> std::vector<T> dct_matrix(std::size_t n)
{
    std::vector<T> rows(n * n);
    for (std::size_t u = 0; u < n; ++u)
        for (std::size_t j = 0; j < n; ++j) rows[u * n + j] = static_cast<T>(square_root((u == 0 ? 1.0 : 2.0) / static_cast<double>(n)) * cosine((2 * j + 1) * u, 2 * n));
    return rows;
}

/// The largest divisor of n up to `most`: sides of chunks divide those of a matrix, so that all chunks are alike.
constexpr std::size_t largest_divisor(std::size_t n, std::size_t most)
{
    std::size_t d = n < most ? n : most;
    while (d > 1 && n % d != 0) --d;
    return d;
}

/// A tensor as a matrix of rows times columns, in chunks of height times width: left to right, then downwards. Coefficient (u, v) of a chunk has place u width + v.
struct dct_form {
    std::size_t rows = 0, columns = 0, height = 1, width = 1, kept = 0;

    GRADCOMP_HD constexpr std::size_t area() const { return height * width; }
    GRADCOMP_HD constexpr std::size_t across() const { return columns / width; } ///< chunks side by side
    GRADCOMP_HD constexpr chunk_form chunks() const { return {rows * columns, area(), kept, rows * columns == 0 ? 0 : kept}; }
    /// The first element of chunk c in its tensor; row r of the chunk begins r * columns behind it.
    GRADCOMP_HD constexpr std::size_t first(std::size_t c) const { return c / across() * height * columns + c % across() * width; }
    GRADCOMP_HD constexpr std::size_t element(std::size_t i) const { return i / width * columns + i % width; } ///< of place i, from the first one
};

/// A tensor of several dimensions is a matrix whose rows are its first one; others are rows of one chunk's width.
inline dct_form make_dct_form(const tensor& t, std::size_t side, std::size_t k)
{
    if (t.size() == 0) return {};
    const bool is_matrix = t.shape.size() > 1;
    const std::size_t width = largest_divisor(is_matrix ? t.columns() : t.size(), side), columns = is_matrix ? t.columns() : width, rows = t.size() / columns;
    const std::size_t height = is_matrix ? largest_divisor(rows, side) : 1;
    return {rows, columns, height, width, std::min(k, height * width)};
}

/// How a chunk is scaled so that no sum runs over, and no square of a small chunk is lost to another's size: transformed as x / 2^exponent, cut at `most`.
template <class T> struct dct_scale {
    static constexpr int highest = sizeof(T) == 4 ? 116 : 1010; ///< coefficients are below 2^highest, so that sums of 4096 of them are numbers
    T down = 0, up = 0, most = 0;

    /// @param largest magnitude in the chunk, finite; below 2^-100 (double: 2^-970) the chunk counts as 0
    GRADCOMP_HD static dct_scale of(T largest)
    {
        const T scale = limited_scale(largest);
        if (scale == T(0)) return {};
        const int exponent = exponent_above(scale);
        return {power_of_two<T>(-exponent), power_of_two<T>(exponent), power_of_two<T>(highest - exponent > 20 ? 20 : highest - exponent)};
    }
    /// A coefficient as it is sent.
    GRADCOMP_HD T coefficient(T x) const { return smaller(larger(x, -most), most) * up; }
};

} // namespace gradcomp
