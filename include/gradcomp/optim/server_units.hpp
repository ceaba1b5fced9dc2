/// @file How a server rule that keeps state of its own reads the sum of messages: as a mean in gradient units, or in the model's.
#pragma once

#include <gradcomp/core/rule.hpp>

namespace gradcomp {
inline namespace optim {

/// Base of such rules' update: u = sum / ranks, divided by eta where messages are in model units. @pre eta is not too small to divide by
template <class T> struct server_units {
    rate_scales<T> scales = {};
    T ranks = 1;
    T scale = 1, learning_rate = 0; ///< of the present step

    GRADCOMP_HD void at_step(const step_state<T>& now)
    {
        learning_rate = now.learning_rate;
        scale = T(1) / (scales.direction(now.learning_rate) * ranks);
    }
    /// The other choice: u = sum / ranks, times eta where messages are in gradient units, and learning_rate 1. Nothing is divided by eta.
    GRADCOMP_HD void take_model_units(const step_state<T>& now)
    {
        learning_rate = 1;
        scale = scales.owed(now.learning_rate) / ranks;
    }
    GRADCOMP_HD GRADCOMP_INLINE T mean(T sum) const { return scale * sum; }
};

} // namespace optim
} // namespace gradcomp
