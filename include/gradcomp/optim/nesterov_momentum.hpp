/// @file Local momentum in Nesterov's form: each rank's direction looks one step ahead, before compression.
#pragma once

#include <gradcomp/core/concepts.hpp>
#include <gradcomp/core/error.hpp>
#include <gradcomp/core/text.hpp>

#include <cmath>

namespace gradcomp {
inline namespace optim {

/// m' = beta m + d, direction beta m' + d, with d = g + weight_decay * z; z is the point at which g was taken. CSER's local rule.
/// State: two models of memory (four when staged): m, and the direction itself, which m' alone does not tell to memories that read it again.
/// @cite Xie, Zheng, Koyejo, Gupta, Li, Lin, "CSER", NeurIPS 2020.
struct nesterov_momentum {
    double beta = 0.9;         ///< from 0 to below 1
    double weight_decay = 0.0; ///< from 0

    static constexpr int states = 2; ///< models of memory
    double decay() const { return weight_decay; }
    double amplification() const { return 1 / (1 - beta); } ///< the step of a constant gradient, in units of eta
    /// @throws error invalid_option.
    void check() const
    {
        if (!(beta >= 0 && beta < 1)) throw error(error_code::invalid_option, "beta", text_of(beta), "must be from 0 to below 1");
        if (!(weight_decay >= 0 && std::isfinite(weight_decay)))
            throw error(error_code::invalid_option, "weight_decay", text_of(weight_decay), "must be finite and not negative");
    }

    /// Streams in: m, and z with Decay; the last direction is not read. Streams out: m', the direction.
    template <class T, bool Decay> struct direction {
        static constexpr bool reads_point = Decay;
        static constexpr int inputs = 1 + Decay, outputs = 2, point_in = 1;
        T beta, decay;
        explicit direction(const nesterov_momentum& options) : beta(static_cast<T>(options.beta)), decay(static_cast<T>(options.weight_decay)) {}
        GRADCOMP_HD GRADCOMP_INLINE T value(T g, const T* x) const
        {
            const T d = decayed(g, x);
            return multiply_add(beta, multiply_add(beta, x[0], d), d);
        }
        GRADCOMP_HD GRADCOMP_INLINE void leave(T g, const T* x, T ahead, T* y) const
        {
            y[0] = multiply_add(beta, x[0], decayed(g, x));
            y[1] = ahead;
        }
        /// The direction, from what leave() wrote.
        GRADCOMP_HD GRADCOMP_INLINE T settled(const T* y) const { return y[1]; }

    private:
        GRADCOMP_HD GRADCOMP_INLINE T decayed(T g, [[maybe_unused]] const T* x) const
        {
            if constexpr (Decay) return multiply_add(decay, x[point_in], g);
            else return g;
        }
    };
};
static_assert(local_rule<nesterov_momentum>);

} // namespace optim
} // namespace gradcomp
