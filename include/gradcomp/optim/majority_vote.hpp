/// @file Majority vote after reduction: every coordinate moves by eta in the direction that most ranks' signs have.
#pragma once

#include <gradcomp/core/concepts.hpp>
#include <gradcomp/core/error.hpp>
#include <gradcomp/core/text.hpp>
#include <gradcomp/optim/server_units.hpp>

#include <cmath>

namespace gradcomp {
inline namespace optim {

/// v = sign(sum over ranks of c), x <- x - eta (v + weight_decay x). Where as many vote for as against, v is 0.
///
/// signSGD with majority vote is this behind sign<sign_scale::none> and none_accepting_bias; with gc::momentum{.beta, .dampened = true} before it,
/// Signum. A message is one bit an element on the way to the vote; what comes back from a root is x. State: one model of memory for the sum of
/// messages, where x is updated. Every coordinate of x moves. Behind any other compressor it is sign descent on the mean, as DeMo does.
/// @cite Bernstein, Wang, Azizzadenesheli, Anandkumar, "signSGD", ICML 2018, Algorithm 3; Bernstein, Zhao, Azizzadenesheli, Anandkumar, ICLR 2019.
struct majority_vote {
    double weight_decay = 0.0; ///< from 0; after the vote, so that it cannot outvote the ranks

    static constexpr bool touches_only_support = false;
    static constexpr bool takes_signs = true; ///< of the sum, and nothing else
    static constexpr int states = 0; ///< models of memory
    /// @throws error invalid_option.
    void check() const
    {
        if (!(weight_decay >= 0 && std::isfinite(weight_decay)))
            throw error(error_code::invalid_option, "weight_decay", text_of(weight_decay), "must be finite and not negative");
    }

    /// Stream `gradient`: the sum of messages. Stream in: x. Stream out: x'.
    template <class T> struct update : rule_streams<T, T, 1, 1>, server_units<T> {
        T decay = 0;
        void set(const majority_vote& options) { decay = static_cast<T>(options.weight_decay); }
        GRADCOMP_HD GRADCOMP_INLINE T value(T sum, const T*) const { return sum > T(0) ? T(1) : sum < T(0) ? T(-1) : T(0); }
        GRADCOMP_HD GRADCOMP_INLINE void leave(T, const T* x, T vote, T, T* y) const { y[0] = multiply_add(-this->learning_rate, multiply_add(decay, x[0], vote), x[0]); }
    };
};
static_assert(server_rule<majority_vote> && sweep_rule<majority_vote::update<float>>);

} // namespace optim
} // namespace gradcomp
