/// @file Local momentum: each rank averages its own gradients before compression.
#pragma once

#include <gradcomp/core/concepts.hpp>
#include <gradcomp/core/error.hpp>
#include <gradcomp/core/text.hpp>

#include <cmath>

namespace gradcomp {
inline namespace optim {

/// m' = beta * m + (g + weight_decay * z), direction m'; z is the point at which g was taken. Dampened: m' = beta * m + (1 - beta) * (...),
/// an average of gradients.
/// State: one model of memory, two when staged.
/// @cite Xu, Huang, ICML 2022, as their program github.com/anxuthu/DEF runs it.
struct momentum {
    double beta = 0.9;         ///< from 0 to below 1
    double weight_decay = 0.0; ///< from 0
    bool dampened = false;     ///< average gradients instead of adding them up

    static constexpr int states = 1; ///< models of memory
    double decay() const { return weight_decay; }
    double amplification() const { return dampened ? 1 : 1 / (1 - beta); } ///< the step of a constant gradient, in units of eta
    /// @throws error invalid_option.
    void check() const
    {
        if (!(beta >= 0 && beta < 1)) throw error(error_code::invalid_option, "beta", text_of(beta), "must be from 0 to below 1");
        if (!(weight_decay >= 0 && std::isfinite(weight_decay)))
            throw error(error_code::invalid_option, "weight_decay", text_of(weight_decay), "must be finite and not negative");
    }

    /// Streams in: m, and z with Decay. Streams out: m'.
    template <class T, bool Decay> struct direction {
        static constexpr bool reads_point = Decay;
        static constexpr int inputs = 1 + Decay, outputs = 1, point_in = 1;
        T beta, decay, share;
        explicit direction(const momentum& options)
            : beta(static_cast<T>(options.beta)), decay(static_cast<T>(options.weight_decay)), share(options.dampened ? static_cast<T>(1 - options.beta) : T(1))
        {
        }
        GRADCOMP_HD GRADCOMP_INLINE T value(T g, const T* x) const
        {
            if constexpr (Decay) return multiply_add(beta, x[0], share * multiply_add(decay, x[point_in], g));
            else return multiply_add(beta, x[0], share * g);
        }
        GRADCOMP_HD GRADCOMP_INLINE void leave(T, const T*, T d, T* y) const { y[0] = d; }
        /// The direction, from what leave() wrote.
        GRADCOMP_HD GRADCOMP_INLINE T settled(const T* y) const { return y[0]; }
    };
};
static_assert(local_rule<momentum>);

} // namespace optim
} // namespace gradcomp
