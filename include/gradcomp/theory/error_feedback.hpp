/// @file The error-feedback theorem: step sizes, weights and rates of distributed SGD with a contraction, each marked with how sure it is.
///
/// Worker i: c = C(e + eta g_i), e' = e + eta g_i - c; x' = x - mean c. C in B3(delta); every f_i L-smooth, f mu-strongly convex (mu = 0: convex);
/// E||g_i - grad f_i||^2 <= B ||grad f_i||^2 + noise; dissimilarity D = mean ||grad f_i(x*)||^2. The bounds are for a weighted mean of the
/// iterates, not for the last one. The poster of the paper prints x' = x - eta mean c, which is this with eta^2.
/// @cite Beznosikov et al., JMLR 24(276), 2023. Forms and constants are a secondary source's and were not compared with the paper's text.
#pragma once

#include <gradcomp/theory/step_size.hpp>

#include <algorithm>
#include <cmath>

namespace gradcomp::theory {

/// What the theorem needs to know.
struct feedback_problem {
    double smoothness = 1;       ///< L
    double strong_convexity = 0; ///< mu
    double noise_growth = 0;     ///< B
    double noise = 0;            ///< the constant part of the gradient's variance
    double dissimilarity = 0;    ///< D: 0 where all f_i have a common minimum, and then there is no floor at a constant step
    double distance = 1;         ///< ||x_0 - x*||
    int workers = 1;
};

/// (2 delta + B), by which the compression slows down.
constexpr double slowdown(class_b3 c, double noise_growth) { return 2 * c.delta + noise_growth; }

/// How many times the norm of an update what is owed can reach, where all updates have at most that norm: e' = p - C(p), p = decay * e + D, so that
/// ||e'|| <= q (decay ||e|| + ||D||), q = sqrt(1 - 1 / delta), which settles at q / (1 - decay q). Without decay some 2 delta, with it never above 1 / (1 - decay).
inline double most_owed(class_b3 c, double decay = 1)
{
    const double q = std::sqrt(1 - 1 / c.delta);
    return q / (1 - decay * q);
}
/// How much of that one exchange forgets: what x misses of its updates. 0 without decay.
inline double most_forgotten(class_b3 c, double decay) { return (1 - decay) * most_owed(c, decay); }

/// A step size of one iteration and the weight of its iterate in the mean.
struct feedback_step {
    double eta = 0;
    double weight = 1;
    confidence how_sure = confidence::unverified;
};

/// Decreasing steps, mu > 0: eta_k = 4 / (mu (kappa + k)), w_k = kappa + k, kappa = 56 (2 delta + B) L / mu. All are at most the constant one.
constexpr feedback_step decreasing_step(class_b3 c, const feedback_problem& p, std::uint64_t k)
{
    const double kappa = 56 * slowdown(c, p.noise_growth) * p.smoothness / p.strong_convexity;
    return {4 / (p.strong_convexity * (kappa + static_cast<double>(k))), kappa + static_cast<double>(k)};
}

/// The constant step 1 / (14 (2 delta + B) L); with mu > 0 the weight (1 - mu eta / 2)^-(k+1), else 1.
inline feedback_step constant_step(class_b3 c, const feedback_problem& p, std::uint64_t k)
{
    const double eta = error_feedback_learning_rate(c, p.smoothness, p.noise_growth).largest;
    return {eta, p.strong_convexity > 0 ? std::pow(1 - p.strong_convexity * eta / 2, -static_cast<double>(k + 1)) : 1};
}

/// The shape of the bound on E f(mean) - f* after K steps, up to a constant factor (and a logarithm where it says so).
struct feedback_rate {
    double bound = 0;
    confidence how_sure = confidence::unverified;
};

/// Decreasing steps: A1 / K^2 + A2 / K, A1 = L^2 (2 delta + B)^2 ||x0 - x*||^2 / mu, A2 = (noise (1 + 1/n) + D (2B/n + 3 delta)) / mu.
constexpr feedback_rate decreasing_rate(class_b3 c, const feedback_problem& p, double steps)
{
    const double s = slowdown(c, p.noise_growth) * p.smoothness * p.distance, n = p.workers;
    const double floor = p.noise * (1 + 1 / n) + p.dissimilarity * (2 * p.noise_growth / n + 3 * c.delta);
    return {(s * s / (steps * steps) + floor / steps) / p.strong_convexity};
}

/// Constant steps, mu > 0, up to logarithms: A3 exp(-K / A4) + A2 / K, A3 = L (2 delta + B) ||x0 - x*||^2, A4 = 28 L (2 delta + B) / mu.
inline feedback_rate constant_rate(class_b3 c, const feedback_problem& p, double steps)
{
    const double s = slowdown(c, p.noise_growth) * p.smoothness, n = p.workers;
    const double floor = (p.noise * (1 + 1 / n) + p.dissimilarity * (2 * p.noise_growth / n + 3 * c.delta)) / p.strong_convexity;
    return {s * p.distance * p.distance * std::exp(-steps * p.strong_convexity / (28 * s)) + floor / steps};
}

/// mu = 0: A3 / K + A5 / sqrt(K), A5 = sqrt(noise (1 + 1/n) + D (2B/n + 3 delta)) ||x0 - x*||.
inline feedback_rate convex_rate(class_b3 c, const feedback_problem& p, double steps)
{
    const double s = slowdown(c, p.noise_growth) * p.smoothness, n = p.workers;
    const double floor = std::sqrt(p.noise * (1 + 1 / n) + p.dissimilarity * (2 * p.noise_growth / n + 3 * c.delta));
    return {s * p.distance * p.distance / steps + floor * p.distance / std::sqrt(steps)};
}

} // namespace gradcomp::theory
