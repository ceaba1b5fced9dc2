/// @file Logistic regression over sparse rows, with a bias and weight decay in the loss.
#pragma once

#include "data/libsvm.hpp"

#include <gradcomp/core/tensors.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

namespace apps::models {

/// mean over rows of log(1 + exp(-s (w x + b))) + decay / 2 ||(w, b)||^2, s = 1 for label 1 and -1 for 0. Parameters: w, then b. Sums run in the
/// order of the rows given, in double.
struct logistic {
    std::size_t columns = 0;
    double decay = 0; ///< from 0

    gradcomp::tensor_list tensors() const { return gradcomp::tensor_list{{"weight", {columns}}, {"bias", {1}}}; }
    std::size_t size() const { return columns + 1; }

    /// w x + b of one row.
    template <class T> double score(std::span<const T> at, const data::sparse_set& set, std::size_t row) const
    {
        double sum = static_cast<double>(at[columns]);
        for (std::size_t k = set.start[row]; k < set.start[row + 1]; ++k) sum += static_cast<double>(at[set.column[k]]) * static_cast<double>(set.value[k]);
        return sum;
    }
    /// Writes the gradient of the mean over `rows` and returns its loss. @pre rows is not empty.
    template <class T> double gradient(std::span<const T> at, const data::sparse_set& set, std::span<const std::uint32_t> rows, std::span<T> out) const
    {
        std::fill(out.begin(), out.end(), T(0));
        const double share = 1 / static_cast<double>(rows.size());
        double loss = 0, square = 0;
        for (const std::uint32_t row : rows) {
            const double sign = set.label[row] != 0 ? 1 : -1, margin = sign * score(at, set, row);
            loss += softplus(-margin) * share;
            const double slope = -sign * share / (1 + std::exp(margin));
            for (std::size_t k = set.start[row]; k < set.start[row + 1]; ++k) out[set.column[k]] += static_cast<T>(slope * static_cast<double>(set.value[k]));
            out[columns] += static_cast<T>(slope);
        }
        for (std::size_t i = 0; i <= columns && decay > 0; ++i) {
            square += static_cast<double>(at[i]) * static_cast<double>(at[i]);
            out[i] += static_cast<T>(decay * static_cast<double>(at[i]));
        }
        return loss + decay / 2 * square;
    }
    /// The loss over all rows.
    template <class T> double loss(std::span<const T> at, const data::sparse_set& set) const
    {
        double sum = 0, square = 0;
        for (std::size_t row = 0; row < set.rows(); ++row) sum += softplus((set.label[row] != 0 ? -1 : 1) * score(at, set, row));
        for (const T value : at) square += static_cast<double>(value) * static_cast<double>(value);
        return sum / static_cast<double>(set.rows()) + decay / 2 * square;
    }
    /// Percent of rows whose score has their label's sign.
    template <class T> double percent_right(std::span<const T> at, const data::sparse_set& set) const
    {
        std::size_t right = 0;
        for (std::size_t row = 0; row < set.rows(); ++row) {
            const double s = score(at, set, row);
            right += (set.label[row] != 0 ? s > 0 : s < 0) ? 1u : 0u;
        }
        return 100 * static_cast<double>(right) / static_cast<double>(set.rows());
    }

private:
    /// log(1 + exp(z)) without overflow.
    static double softplus(double z) { return std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z))); }
};

} // namespace apps::models
