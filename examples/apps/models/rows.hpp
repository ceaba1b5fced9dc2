/// @file What the models compute row by row: one set of functions for the processor and for a GPU.
#pragma once

#include <gradcomp/core/scalar.hpp>

#include <cmath>
#include <cstddef>

namespace apps::models {

/// Turns one row of scores into probabilities minus the one-hot label, times `scale` (1 / batch); returns the row's loss.
GRADCOMP_HD inline double softmax_row(float* scores, std::size_t classes, std::size_t label, float scale)
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

/// Whether the label has the largest score; a score that is not a number counts as wrong.
GRADCOMP_HD inline bool row_is_right(const float* scores, std::size_t classes, std::size_t label)
{
    bool best = gradcomp::is_finite(scores[label]);
    for (std::size_t i = 0; i < classes; ++i) best = best && (i == label || scores[i] < scores[label]);
    return best;
}

} // namespace apps::models
