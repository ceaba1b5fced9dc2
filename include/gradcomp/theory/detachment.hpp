/// @file How far to detach: the numbers behind DEF's lambda, and what its analysis says of excess risk.
#pragma once

#include <gradcomp/theory/conversions.hpp>

#include <cstddef>

namespace gradcomp::theory {

/// What the ranks' errors have in common and what not: e_k = s + noise_k, M^2 = ||s||^2, sigma^2 = E||noise_k||^2.
struct error_moments {
    double common = 0;   ///< M^2
    double variance = 0; ///< sigma^2
    std::size_t ranks = 1;
};

/// E||mean e - lambda e_k||^2: how far from the virtual iterate x - mean e a rank takes its gradient.
constexpr double distance_to_virtual(const error_moments& m, double lambda)
{
    const double k = static_cast<double>(m.ranks), off = 1 - lambda;
    return off * off * m.common + m.variance * (1 / k - 2 * lambda / k + lambda * lambda);
}

/// lambda* = (M^2 + sigma^2 / K) / (M^2 + sigma^2), where that distance is smallest; 1 where nothing is owed.
/// @cite Xu, Huang, ICML 2022, the trade-off for better convergence bounds; for finite K derived here.
constexpr double best_detachment(const error_moments& m)
{
    const double all = m.common + m.variance;
    return all > 0 ? (m.common + m.variance / static_cast<double>(m.ranks)) / all : 1;
}

/// What Theorem 4.6 needs: steps eta = c / (t + 1), K of N samples a step.
struct risk_setting {
    double smoothness = 1;       ///< L
    double strong_convexity = 1; ///< mu
    double c = 1;
    double sampled = 0;          ///< K / N
};

/// The exponent a in the generalisation error O(T^a) of DEF (delta = 1: SGD). @cite Xu, Huang, ICML 2022, eq. 22.
constexpr double generalisation_exponent_def(const risk_setting& s)
{
    const double a = (1 - s.sampled) * s.smoothness * s.c;
    return a / (a + 1);
}
/// The same of DEF-A with random blocks, and of iterate averaging: smaller, the more is left out. @cite eq. 24.
constexpr double generalisation_exponent_def_a(const risk_setting& s, double delta)
{
    const double a = (1 - s.sampled) * square_root(delta) * s.smoothness * s.c;
    return a / (a + 1);
}
/// The exponent of the optimisation error O~(T^-a + ...) of DEF, at most 1. @cite eq. 23.
constexpr double optimisation_exponent_def(const risk_setting& s)
{
    const double a = s.strong_convexity * s.c / 2;
    return a < 1 ? a : 1;
}
/// The same of DEF-A, which also keeps an error that does not fall with T: optimisation_floor_def_a. @cite eq. 25.
constexpr double optimisation_exponent_def_a(const risk_setting& s, double delta)
{
    const double a = s.strong_convexity * delta * s.c / 2;
    return a < 1 ? a : 1;
}
/// (1 / sqrt(1 - delta) - 1)^-2, up to a constant; 0 for delta = 1. @cite eq. 25. @pre 0 < delta <= 1
constexpr double optimisation_floor_def_a(double delta)
{
    if (delta >= 1) return 0;
    const double gap = 1 / square_root(1 - delta) - 1;
    return 1 / (gap * gap);
}

} // namespace gradcomp::theory
