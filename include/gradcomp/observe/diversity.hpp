/// @file Gradient diversity: how little gradients point the same way.
#pragma once

#include <gradcomp/core/error.hpp>

#include <cstddef>
#include <limits>
#include <span>
#include <string>

namespace gradcomp {
inline namespace observe {

/// sum_i ||g_i||^2 / ||sum_i g_i||^2: 1/n for n equal gradients, 1 for orthogonal ones, infinity where they cancel.
///
/// Within a worker: over the shards that it holds; between workers: over their gradients. Averaging rarely costs little where the second is small, and
/// redundant data raises the first. Sums in double, in order; O(n d) time, no memory.
/// @return NaN without gradients, or where all are 0. @throws error size_changed where the lengths differ.
/// @cite Yin et al., "Gradient diversity", AISTATS 2018, Definition 2.
template <class T> double gradient_diversity(std::span<const std::span<const T>> gradients)
{
    if (gradients.empty()) return std::numeric_limits<double>::quiet_NaN();
    for (const std::span<const T>& one : gradients)
        if (one.size() != gradients[0].size()) throw error(error_code::size_changed, "gradients", std::to_string(one.size()), "must all have " + std::to_string(gradients[0].size()) + " elements");
    double squares = 0, square_of_sum = 0;
    for (std::size_t i = 0; i < gradients[0].size(); ++i) {
        double sum = 0;
        for (const std::span<const T>& one : gradients) {
            const double value = static_cast<double>(one[i]);
            sum += value;
            squares += value * value;
        }
        square_of_sum += sum * sum;
    }
    return squares / square_of_sum;
}

} // namespace observe
} // namespace gradcomp
