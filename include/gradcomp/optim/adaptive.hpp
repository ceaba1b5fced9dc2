/// @file What the Adam family shares: its two averages and the denominator, with the place of epsilon as a stated choice.
#pragma once

#include <gradcomp/core/error.hpp>
#include <gradcomp/core/scalar.hpp>
#include <gradcomp/core/text.hpp>

#include <cmath>

namespace gradcomp {
inline namespace optim {

/// Where epsilon stands. With 1e-8 the two differ by two orders of magnitude wherever v is below 1e-12.
enum class epsilon_place {
    inside_root, ///< sqrt(v + epsilon): what SPARS-AMS's theory needs; the denominator is never below sqrt(epsilon)
    outside_root ///< sqrt(v) + epsilon: what most training libraries compute
};

/// Options that every rule of the family has.
struct adaptive_options {
    double beta1 = 0.9, beta2 = 0.999;                    ///< from 0 to below 1
    double epsilon = 1e-8;                                ///< above 0
    optim::epsilon_place place = epsilon_place::inside_root;

    /// @throws error invalid_option.
    void check() const
    {
        if (!(beta1 >= 0 && beta1 < 1)) throw error(error_code::invalid_option, "beta1", text_of(beta1), "must be from 0 to below 1");
        if (!(beta2 >= 0 && beta2 < 1)) throw error(error_code::invalid_option, "beta2", text_of(beta2), "must be from 0 to below 1");
        if (!(epsilon > 0 && std::isfinite(epsilon))) throw error(error_code::invalid_option, "epsilon", text_of(epsilon), "must be finite and above 0");
    }
};

/// m' = beta1 m + (1 - beta1) u,  v' = beta2 v + (1 - beta2) u^2, without bias correction, and m' over the root of v'.
template <class T> struct adaptive_averages {
    T keep1, take1, keep2, take2, epsilon;
    bool inside;

    explicit adaptive_averages(const adaptive_options& o)
        : keep1(static_cast<T>(o.beta1)), take1(static_cast<T>(1 - o.beta1)), keep2(static_cast<T>(o.beta2)), take2(static_cast<T>(1 - o.beta2)),
          epsilon(static_cast<T>(o.epsilon)), inside(o.place == epsilon_place::inside_root)
    {
    }
    GRADCOMP_HD GRADCOMP_INLINE T first(T m, T u) const { return multiply_add(keep1, m, take1 * u); }
    GRADCOMP_HD GRADCOMP_INLINE T second(T v, T u) const { return multiply_add(keep2, v, take2 * (u * u)); }
    GRADCOMP_HD GRADCOMP_INLINE T over_root(T m, T v) const { return m / (inside ? square_root(v + epsilon) : square_root(v) + epsilon); }
};

} // namespace optim
} // namespace gradcomp
