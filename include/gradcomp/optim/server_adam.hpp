/// @file Adam after reduction, with a variance that can be frozen: both halves of 1-bit Adam.
#pragma once

#include <gradcomp/core/concepts.hpp>
#include <gradcomp/optim/adaptive.hpp>
#include <gradcomp/optim/server_units.hpp>

namespace gradcomp {
inline namespace optim {

/// u = mean(c) in gradient units (mean(c) / eta in model units).
///
///     warm-up:  m' = beta1 m + (1 - beta1) u,  v' = beta2 v + (1 - beta2) u^2,  x <- x - eta m' / sqrt(v' + epsilon)
///     frozen:   m' = u,  v' = v,                                                x <- x - eta m' / sqrt(v' + epsilon)
///
/// No bias correction. 1-bit Adam is the first behind uncompressed gradients, then the second behind compressed momentum with ef in gradient
/// units (.local = gc::momentum{.beta, .dampened = true}); docs/optim.md shows how m and v pass from one run to the next. State: two models of
/// memory on each rank that updates x. Every coordinate of x moves.
/// @cite Tang et al., "1-bit Adam", ICML 2021, Algorithm 1, without its second compression, which a root does not need.
struct server_adam {
    double beta1 = 0.9, beta2 = 0.999; ///< from 0 to below 1
    double epsilon = 1e-8;             ///< above 0
    epsilon_place place = epsilon_place::inside_root;
    bool frozen = false;               ///< messages are momenta, and v stays

    static constexpr bool touches_only_support = false;
    static constexpr int states = 2; ///< models of memory: m, v
    /// @throws error invalid_option.
    void check() const { shared().check(); }

    /// Stream `gradient`: the sum of messages. Streams in: m, v, x. Streams out: the same, moved on.
    template <class T> struct update : rule_streams<T, T, 3, 3>, server_units<T> {
        adaptive_averages<T> averages{adaptive_options{}};
        bool frozen = false;
        void set(const server_adam& options)
        {
            averages = adaptive_averages<T>(options.shared());
            frozen = options.frozen;
        }
        GRADCOMP_HD GRADCOMP_INLINE T value(T sum, const T* x) const { return frozen ? this->mean(sum) : averages.first(x[0], this->mean(sum)); }
        GRADCOMP_HD GRADCOMP_INLINE void leave(T sum, const T* x, T m, T, T* y) const
        {
            y[0] = m;
            y[1] = frozen ? x[1] : averages.second(x[1], this->mean(sum));
            y[2] = multiply_add(-this->learning_rate, averages.over_root(m, y[1]), x[2]);
        }
    };

private:
    adaptive_options shared() const { return {beta1, beta2, epsilon, place}; }
};
static_assert(server_rule<server_adam> && sweep_rule<server_adam::update<float>>);

} // namespace optim
} // namespace gradcomp
