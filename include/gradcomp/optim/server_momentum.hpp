/// @file Momentum after reduction: one velocity for all ranks, built from the mean of the messages.
#pragma once

#include <gradcomp/core/concepts.hpp>
#include <gradcomp/core/error.hpp>
#include <gradcomp/core/rule.hpp>
#include <gradcomp/core/text.hpp>
#include <gradcomp/optim/server_units.hpp>

#include <cmath>

namespace gradcomp {
inline namespace optim {

/// Velocity in gradient units (the default): u = mean(c) / eta (mean(c) where the memory is in gradient units),
///
///     v' = beta v + u,  x <- x - rate eta v'        Nesterov: x <- x - rate eta (u + beta v')
///
/// so a lower eta also shrinks what momentum still brings. In model units: u = mean(c) as it would move x (eta mean(c)),
///
///     v' = beta v + u,  x <- x - rate v'            Nesterov: x <- x - rate (u + beta v')
///
/// which behind local steps (.period) is DiLoCo's outer step, with `rate` as the outer learning rate: eta has had its say in the local steps, and may be
/// 0 at an exchange. While eta is constant both are the same up to rounding.
/// State: two models of memory on each rank that updates x. Every coordinate of x moves.
/// @cite Vogels, Karimireddy, Jaggi, "PowerSGD", NeurIPS 2019, Algorithm 2 (gradient units); Douillard et al., "DiLoCo", arXiv 2311.08105
/// (model units).
struct server_momentum {
    double beta = 0.9;     ///< from 0 to below 1
    bool nesterov = false; ///< look one step ahead
    double rate = 1;       ///< above 0: on top of eta
    gradcomp::units units = gradcomp::units::gradient; ///< in what units v is kept

    static constexpr bool touches_only_support = false;
    static constexpr int states = 1; ///< models of memory
    /// @throws error invalid_option.
    void check() const
    {
        if (!(beta >= 0 && beta < 1)) throw error(error_code::invalid_option, "beta", text_of(beta), "must be from 0 to below 1");
        if (!(rate > 0 && std::isfinite(rate))) throw error(error_code::invalid_option, "rate", text_of(rate), "must be finite and above 0");
    }

    /// Stream `gradient`: the sum of messages. Streams in: v, x. Streams out: v', x'.
    template <class T> struct update : rule_streams<T, T, 2, 2>, server_units<T> {
        T beta = 0, ahead = 0, rate = 1;
        bool in_model_units = false;
        void set(const server_momentum& options)
        {
            beta = static_cast<T>(options.beta);
            rate = static_cast<T>(options.rate);
            ahead = static_cast<T>(options.nesterov ? 1 : 0);
            in_model_units = options.units == gradcomp::units::model;
        }
        GRADCOMP_HD void at_step(const step_state<T>& now)
        {
            if (in_model_units) this->take_model_units(now);
            else server_units<T>::at_step(now);
        }
        GRADCOMP_HD GRADCOMP_INLINE T value(T sum, const T* x) const { return multiply_add(beta, x[0], this->mean(sum)); }
        GRADCOMP_HD GRADCOMP_INLINE void leave(T sum, const T* x, T velocity, T, T* y) const
        {
            y[0] = velocity;
            const T step = ahead != T(0) ? multiply_add(beta, velocity, this->mean(sum)) : velocity;
            y[1] = multiply_add(-(rate * this->learning_rate), step, x[1]);
        }
    };
};
static_assert(server_rule<server_momentum> && sweep_rule<server_momentum::update<float>>);

} // namespace optim
} // namespace gradcomp
