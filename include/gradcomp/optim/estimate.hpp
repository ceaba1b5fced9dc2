/// @file Descent along an estimate that messages add up to: what ef21 needs after reduction.
#pragma once

#include <gradcomp/core/concepts.hpp>
#include <gradcomp/optim/server_units.hpp>

namespace gradcomp {
inline namespace optim {

/// H' = H + mean(c), x <- x - eta H', with H = 0 at first. Every coordinate of x moves.
/// State: one model of memory on each rank that updates x, and one for the sum of messages.
/// @cite Richtarik, Sokolov, Fatkhullin, NeurIPS 2021, Algorithm 2.
struct estimate {
    static constexpr bool touches_only_support = false;
    static constexpr bool adds_up = true; ///< messages are differences
    static constexpr int states = 1;      ///< models of memory
    void check() const {}

    /// Stream `gradient`: the sum of messages. Streams in: H, x. Streams out: H', x'.
    template <class T> struct update : rule_streams<T, T, 2, 2>, server_units<T> {
        void set(const estimate&) {}
        GRADCOMP_HD GRADCOMP_INLINE T value(T sum, const T* x) const { return multiply_add(this->scale, sum, x[0]); }
        GRADCOMP_HD GRADCOMP_INLINE void leave(T, const T* x, T estimate, T, T* y) const
        {
            y[0] = estimate;
            y[1] = multiply_add(-this->learning_rate, estimate, x[1]);
        }
    };
};
static_assert(server_rule<estimate> && sweep_rule<estimate::update<float>>);

} // namespace optim
} // namespace gradcomp
