/// @file Adam before compression: each rank sends its own m / sqrt(v).
#pragma once

#include <gradcomp/core/concepts.hpp>
#include <gradcomp/optim/adaptive.hpp>

namespace gradcomp {
inline namespace optim {

/// m' = beta1 m + (1 - beta1) d, v' = beta2 v + (1 - beta2) d^2 with d = g + weight_decay * z, direction m' / sqrt(v' + epsilon); no bias
/// correction. z is the point at which g was taken. With error feedback this is QAdam. State: two models of memory, four when staged.
/// @cite Chen, Shen, Huang, Liu, "Quantized Adam with error feedback", 2020 (arXiv 2004.14180).
struct adam {
    double beta1 = 0.9, beta2 = 0.999; ///< from 0 to below 1
    double epsilon = 1e-8;             ///< above 0
    epsilon_place place = epsilon_place::inside_root;
    double weight_decay = 0.0;         ///< from 0

    static constexpr int states = 2; ///< models of memory
    double decay() const { return weight_decay; }
    double amplification() const { return 1; } ///< the step of a constant gradient, in units of eta, where it is of size 1
    /// @throws error invalid_option.
    void check() const
    {
        shared().check();
        if (!(weight_decay >= 0 && std::isfinite(weight_decay)))
            throw error(error_code::invalid_option, "weight_decay", text_of(weight_decay), "must be finite and not negative");
    }

    /// Streams in: m, v, and z with Decay. Streams out: m', v'.
    template <class T, bool Decay> struct direction {
        static constexpr bool reads_point = Decay;
        static constexpr int inputs = 2 + Decay, outputs = 2, point_in = 2;
        adaptive_averages<T> averages;
        T decay;
        explicit direction(const adam& options) : averages(options.shared()), decay(static_cast<T>(options.weight_decay)) {}
        GRADCOMP_HD GRADCOMP_INLINE T value(T g, const T* x) const
        {
            const T d = decayed(g, x);
            return averages.over_root(averages.first(x[0], d), averages.second(x[1], d));
        }
        GRADCOMP_HD GRADCOMP_INLINE void leave(T g, const T* x, T, T* y) const
        {
            const T d = decayed(g, x);
            y[0] = averages.first(x[0], d);
            y[1] = averages.second(x[1], d);
        }
        /// The direction, from what leave() wrote.
        GRADCOMP_HD GRADCOMP_INLINE T settled(const T* y) const { return averages.over_root(y[0], y[1]); }

    private:
        GRADCOMP_HD GRADCOMP_INLINE T decayed(T g, [[maybe_unused]] const T* x) const
        {
            if constexpr (Decay) return multiply_add(decay, x[point_in], g);
            else return g;
        }
    };

private:
    adaptive_options shared() const { return {beta1, beta2, epsilon, place}; }
};
static_assert(local_rule<adam>);

} // namespace optim
} // namespace gradcomp
