/// @file The four classes of compression operators and what membership in them means.
///
/// C is an operator on R^d, random or not; E is the expectation over its own randomness alone, and every inequality holds for every x.
/// @cite Beznosikov, Horvath, Richtarik, Safaryan, On Biased Compression for Distributed Learning, JMLR 24(276), 2023: the classes and
/// their names. There zeta >= 1 and delta >= 1 are ranges with equality (an operator that loses nothing belongs).
#pragma once

#include <limits>
#include <optional>

namespace gradcomp::theory {

/// U(zeta): E C(x) = x and E||C(x)||^2 <= zeta ||x||^2. Range: zeta >= 1 (Jensen); 1 only for C(x) = x.
struct class_u {
    double zeta = 1;
    friend constexpr bool operator==(class_u, class_u) = default;
};

/// B1(alpha, beta): alpha ||x||^2 <= E||C(x)||^2 <= beta <E C(x), x>. Range: alpha, beta > 0 and alpha <= beta^2.
struct class_b1 {
    double alpha = 1;
    double beta = 1;
    friend constexpr bool operator==(class_b1, class_b1) = default;
};

/// B2(gamma, beta): max{gamma ||x||^2, E||C(x)||^2 / beta} <= <E C(x), x>. Range: 0 < gamma <= beta.
struct class_b2 {
    double gamma = 1;
    double beta = 1;
    friend constexpr bool operator==(class_b2, class_b2) = default;
};

/// B3(delta), the contractions: E||C(x) - x||^2 <= (1 - 1/delta) ||x||^2. Range: 1 <= delta < infinity. Error feedback needs this one.
struct class_b3 {
    double delta = 1;
    friend constexpr bool operator==(class_b3, class_b3) = default;
};

/// Whether the parameters lie in the class's range; false for NaN and infinity. A few rounding errors at the border are forgiven.
constexpr bool in_range(class_u c) { return c.zeta >= 1 && c.zeta <= std::numeric_limits<double>::max(); }
/// @copydoc in_range(class_u)
constexpr bool in_range(class_b1 c)
{
    return c.alpha > 0 && c.beta > 0 && c.beta <= std::numeric_limits<double>::max() && c.alpha <= c.beta * c.beta * (1 + 1e-14);
}
/// @copydoc in_range(class_u)
constexpr bool in_range(class_b2 c) { return c.gamma > 0 && c.beta <= std::numeric_limits<double>::max() && c.gamma <= c.beta * (1 + 1e-14); }
/// @copydoc in_range(class_u)
constexpr bool in_range(class_b3 c) { return c.delta >= 1 && c.delta <= std::numeric_limits<double>::max(); }

/// The share of ||x||^2 that a contraction may leave behind: 1 - 1/delta, in [0, 1).
constexpr double contraction(class_b3 c) { return 1 - 1 / c.delta; }

/// The contraction that leaves the share r = 1 - 1/delta of ||x||^2 behind; nothing for r outside [0, 1).
constexpr std::optional<class_b3> from_contraction(double r)
{
    if (!(r >= 0 && r < 1)) return std::nullopt;
    return class_b3{1 / (1 - r)};
}

/// What is known of one operator: a class that is absent is one to which it does not belong, or not known to belong.
struct membership {
    std::optional<class_u> u = std::nullopt;
    std::optional<class_b1> b1 = std::nullopt;
    std::optional<class_b2> b2 = std::nullopt;
    std::optional<class_b3> b3 = std::nullopt;
    friend constexpr bool operator==(const membership&, const membership&) = default;
};

/// E C(x) = x: safe without an error memory, at a learning rate that its variance allows.
constexpr bool is_unbiased(const membership& m) { return m.u.has_value(); }

/// A contraction: error feedback has a convergence guarantee.
constexpr bool is_contractive(const membership& m) { return m.b3.has_value(); }

/// Loses nothing, in expectation and in every draw: E||C(x) - x||^2 = 0.
constexpr bool is_lossless(const membership& m) { return (m.b3 && m.b3->delta <= 1) || (m.u && m.u->zeta <= 1); }

/// No class at all: no theorem here says that training with it converges.
constexpr bool has_no_guarantee(const membership& m) { return !m.u && !m.b1 && !m.b2 && !m.b3; }

} // namespace gradcomp::theory
