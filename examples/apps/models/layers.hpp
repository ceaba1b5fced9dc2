/// @file What the models' translation units share: Eigen's views of flat memory, and the layers that are no products.
#pragma once

// The products pack their operands; on the stack, so that a batch takes no memory from the heap.
#define EIGEN_STACK_ALLOCATION_LIMIT (2 * 1024 * 1024)

// g++ 12 warns inside its own AVX-512 intrinsics, which read an undefined register on purpose.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include <Eigen/Core>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

namespace apps::models {

using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using row_vector = Eigen::Matrix<float, 1, Eigen::Dynamic>;
using constant_matrix = Eigen::Map<const matrix>;
using mutable_matrix = Eigen::Map<matrix>;
using constant_row = Eigen::Map<const row_vector>;
using mutable_row = Eigen::Map<row_vector>;

inline Eigen::Index index(std::size_t size) { return static_cast<Eigen::Index>(size); }

/// Adds up the rows from first to last. Eigen's own sum over rows groups them by how the result is aligned: other bits in the next run.
template <class Matrix> void sum_rows(const Matrix& rows, mutable_row& sum)
{
    sum.setZero();
    for (Eigen::Index row = 0; row < rows.rows(); ++row) sum += rows.row(row);
}

/// Turns one row of scores into probabilities minus the one-hot label, divided by the batch; returns the row's loss.
inline double softmax_row(float* scores, std::size_t classes, std::size_t label, float scale)
{
    float largest = scores[0];
    for (std::size_t i = 1; i < classes; ++i) largest = scores[i] > largest ? scores[i] : largest;
    const float own = scores[label] - largest;
    float sum = 0.0f;
    for (std::size_t i = 0; i < classes; ++i) sum += scores[i] = std::exp(scores[i] - largest);
    for (std::size_t i = 0; i < classes; ++i) scores[i] *= scale / sum;
    scores[label] -= scale;
    return std::log(static_cast<double>(sum)) - static_cast<double>(own);
}

/// How many rows have their label as the largest score; a score that is not a number counts as wrong.
inline std::size_t count_correct(const float* scores, std::size_t classes, std::span<const std::uint8_t> labels)
{
    std::size_t right = 0;
    for (std::size_t row = 0; row < labels.size(); ++row) {
        const float* score = scores + row * classes;
        bool best = std::isfinite(score[labels[row]]);
        for (std::size_t i = 0; i < classes; ++i) best = best && (i == labels[row] || score[i] < score[labels[row]]);
        right += best ? 1 : 0;
    }
    return right;
}

} // namespace apps::models
