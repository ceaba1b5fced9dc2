/// @file What the models' translation units share: Eigen's views of flat memory, and the layers that are no products.
#pragma once

#include "models/rows.hpp"

// The products pack their operands; on the stack, so that a batch takes no memory from the heap.
#define EIGEN_STACK_ALLOCATION_LIMIT (2 * 1024 * 1024)

// g++ 12 warns inside its own AVX-512 intrinsics, which read an undefined register on purpose.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include <Eigen/Core>

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

/// How many rows have their label as the largest score; a score that is not a number counts as wrong.
inline std::size_t count_correct(const float* scores, std::size_t classes, std::span<const std::uint8_t> labels)
{
    std::size_t right = 0;
    for (std::size_t row = 0; row < labels.size(); ++row) right += row_is_right(scores + row * classes, classes, labels[row]) ? 1 : 0;
    return right;
}

} // namespace apps::models
