/// @file AMSGrad after reduction: moments of the mean message, kept where x is updated.
#pragma once

#include <gradcomp/core/concepts.hpp>
#include <gradcomp/optim/adaptive.hpp>
#include <gradcomp/optim/server_units.hpp>

namespace gradcomp {
inline namespace optim {

/// u = mean(c) in gradient units (mean(c) / eta in model units), m' = beta1 m + (1 - beta1) u, v' = beta2 v + (1 - beta2) u^2,
/// h' = max(h, v'), x <- x - eta m' / sqrt(h' + epsilon). No bias correction.
///
/// SPARS-AMS is this behind gather_to_root, with top_k or block sign, ef in gradient units and no local momentum; behind all_gather every
/// rank computes the same bits. State: three models of memory on each rank that updates x. Every coordinate of x moves.
/// @cite SPARS-AMS (COMP-AMS), Li, Karimi, Li, ICLR 2022, Algorithm 2.
struct amsgrad {
    double beta1 = 0.9, beta2 = 0.999; ///< from 0 to below 1
    double epsilon = 1e-8;             ///< above 0
    epsilon_place place = epsilon_place::inside_root;

    static constexpr bool touches_only_support = false;
    static constexpr int states = 3; ///< models of memory
    /// @throws error invalid_option.
    void check() const { shared().check(); }

    /// Stream `gradient`: the sum of messages. Streams in: m, v, h, x. Streams out: the same, moved on.
    template <class T> struct update : rule_streams<T, T, 4, 4>, server_units<T> {
        adaptive_averages<T> averages{adaptive_options{}};
        void set(const amsgrad& options) { averages = adaptive_averages<T>(options.shared()); }
        GRADCOMP_HD GRADCOMP_INLINE T value(T sum, const T* x) const { return averages.first(x[0], this->mean(sum)); }
        GRADCOMP_HD GRADCOMP_INLINE void leave(T sum, const T* x, T m, T, T* y) const
        {
            y[0] = m;
            y[1] = averages.second(x[1], this->mean(sum));
            y[2] = x[2] > y[1] ? x[2] : y[1];
            y[3] = multiply_add(-this->learning_rate, averages.over_root(m, y[2]), x[3]);
        }
    };

private:
    adaptive_options shared() const { return {beta1, beta2, epsilon, place}; }
};
static_assert(server_rule<amsgrad> && sweep_rule<amsgrad::update<float>>);

} // namespace optim
} // namespace gradcomp
