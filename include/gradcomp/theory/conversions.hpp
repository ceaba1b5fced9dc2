/// @file From one operator class to another: scaling, implication, and what several known classes say together.
///
/// Proofs use s = E||C(x)||^2 and t = <E C(x), x> at ||x|| = 1. Then E||C(x) - x||^2 = s - 2t + 1, and t^2 <= ||E C(x)||^2 <= s
/// (Cauchy-Schwarz, Jensen). A class is a set of inequalities between s and t:
/// B1: alpha <= s <= beta t.   B2: gamma <= t, s <= beta t.   B3: s - 2t + 1/delta <= 0.   U: t = 1, s <= zeta.
/// @cite Beznosikov et al., JMLR 24(276), 2023, for the table of conversions. Two lines that circulate with it are false and are not used:
/// "B1(alpha, beta) gives B2(alpha, beta^2)" fails for C = 2I and for C = I/2, and "U(zeta) gives C/zeta in B3(1/zeta)" has delta below 1.
#pragma once

#include <gradcomp/theory/classes.hpp>

#include <algorithm>
#include <optional>

namespace gradcomp::theory {

/// The square root of x >= 0 by Newton's method, usable at compile time; within 2 units in the last place.
constexpr double square_root(double x)
{
    if (!(x > 0)) return 0;
    double root = x < 1 ? 1 : x;
    for (int i = 0; i < 1100; ++i) { // halves at worst, from 1 or x downwards, until it converges quadratically
        const double next = 0.5 * (root + x / root);
        if (!(next < root)) break;
        root = next;
    }
    return root;
}

/// B2(gamma, beta) gives B1(gamma^2, beta): s >= t^2 >= gamma^2.
constexpr class_b1 b1_of(class_b2 c) { return {c.gamma * c.gamma, c.beta}; }

/// B1(alpha, beta) gives B2(alpha / beta, beta): t >= s / beta >= alpha / beta.
constexpr class_b2 b2_of(class_b1 c) { return {c.alpha / c.beta, c.beta}; }

/// U(zeta) gives B1(1, zeta): s >= t^2 = 1 and s <= zeta = zeta t.
constexpr class_b1 b1_of(class_u c) { return {1, c.zeta}; }

/// U(zeta) gives B2(1, zeta): t = 1 and s <= zeta t.
constexpr class_b2 b2_of(class_u c) { return {1, c.zeta}; }

/// B3(delta) gives B2(1 - r, 1 + r), r = sqrt(1 - 1/delta); at best, because C = (1 - r) I and C = (1 + r) I are in B3(delta).
///
/// t^2 <= s <= 2t - 1/delta bounds t to [1 - r, 1 + r]; then s / t <= 2 - 1 / (delta t) <= 2 - (1 - r^2) / (1 + r) = 1 + r.
/// This implies the paper's simpler B2(1/(2 delta), 2).
constexpr class_b2 b2_of(class_b3 c)
{
    const double r = square_root(contraction(c));
    return {1 / (c.delta * (1 + r)), 1 + r}; // 1 - r without cancellation: (1 - r^2) / (1 + r)
}

/// B3(delta) gives B1((1 - r)^2, 1 + r), r as in b2_of(class_b3). This implies the paper's B1(1/(4 delta^2), 2).
constexpr class_b1 b1_of(class_b3 c) { return b1_of(b2_of(c)); }

/// B2(gamma, beta) with beta < 2 gives B3(1 / ((2 - beta) gamma)): s - 2t + 1 <= 1 - (2 - beta) t. Nothing for beta >= 2: C may expand.
constexpr std::optional<class_b3> b3_of(class_b2 c)
{
    if (!(c.beta < 2)) return std::nullopt;
    return class_b3{std::max(1.0, 1 / ((2 - c.beta) * c.gamma))}; // the maximum only mends rounding: (2 - beta) gamma <= (2 - beta) beta <= 1
}

/// B1(alpha, beta) with beta < 2 gives B3(beta / ((2 - beta) alpha)), through B2.
constexpr std::optional<class_b3> b3_of(class_b1 c) { return b3_of(b2_of(c)); }

/// U(zeta) with zeta < 2 gives B3(1 / (2 - zeta)), unscaled: s - 2t + 1 <= zeta - 1.
constexpr std::optional<class_b3> b3_of(class_u c) { return b3_of(b2_of(c)); }

/// The class of x -> lambda C(x), lambda > 0: s becomes lambda^2 s, t becomes lambda t.
constexpr class_b1 scaled(double lambda, class_b1 c) { return {lambda * lambda * c.alpha, lambda * c.beta}; }
/// @copydoc scaled(double,class_b1)
constexpr class_b2 scaled(double lambda, class_b2 c) { return {lambda * c.gamma, lambda * c.beta}; }

/// A factor that turns an operator into a contraction, and the contraction it becomes.
struct scaled_contraction {
    double factor = 1; ///< multiply C by this
    class_b3 b3;       ///< the class of factor * C
};

/// C in B2(gamma, beta) gives C / beta in B3(beta / gamma): the factor that makes b3_of(scaled(factor, c)) smallest.
constexpr scaled_contraction contractive_scaling(class_b2 c) { return {1 / c.beta, {std::max(1.0, c.beta / c.gamma)}}; }
/// C in B1(alpha, beta) gives C / beta in B3(beta^2 / alpha).
constexpr scaled_contraction contractive_scaling(class_b1 c) { return {1 / c.beta, {std::max(1.0, c.beta * c.beta / c.alpha)}}; }
/// C in U(zeta) gives C / zeta in B3(zeta): zeta / zeta^2 - 2 / zeta + 1 = 1 - 1/zeta.
constexpr scaled_contraction contractive_scaling(class_u c) { return {1 / c.zeta, {c.zeta}}; }

/// Both are known of the same operator: of each parameter the better value, since each bounds on its own.
constexpr membership both(membership a, const membership& b)
{
    if (b.u) a.u = a.u ? class_u{std::min(a.u->zeta, b.u->zeta)} : *b.u;
    if (b.b1) a.b1 = a.b1 ? class_b1{std::max(a.b1->alpha, b.b1->alpha), std::min(a.b1->beta, b.b1->beta)} : *b.b1;
    if (b.b2) a.b2 = a.b2 ? class_b2{std::max(a.b2->gamma, b.b2->gamma), std::min(a.b2->beta, b.b2->beta)} : *b.b2;
    if (b.b3) a.b3 = a.b3 ? class_b3{std::min(a.b3->delta, b.b3->delta)} : *b.b3;
    return a;
}

/// Everything that follows from what is known of an operator, each class with the best constants that these proofs give.
///
/// An absent class of the result is one to which an operator with this knowledge need not belong. U never follows: the biased classes say
/// nothing of E C(x). Applying it again changes nothing but the last digits.
constexpr membership complete(membership m)
{
    if (m.u) m = both(m, {.b1 = b1_of(*m.u), .b2 = b2_of(*m.u)});
    if (m.b3) m = both(m, {.b1 = b1_of(*m.b3), .b2 = b2_of(*m.b3)});
    if (m.b1) m = both(m, {.b2 = b2_of(*m.b1)});
    // B1 and B3 together: alpha <= s <= 2t - 1/delta, so t >= (alpha + 1/delta) / 2.
    if (m.b1 && m.b3) m.b2->gamma = std::max(m.b2->gamma, 0.5 * (m.b1->alpha + 1 / m.b3->delta));
    if (m.b2) m = both(m, {.b1 = b1_of(*m.b2), .b3 = b3_of(*m.b2)});
    return m;
}

/// The classes of x -> lambda C(x), lambda > 0, completed. Unbiasedness survives only lambda = 1.
constexpr membership scaled(double lambda, const membership& of_c)
{
    const membership m = complete(of_c);
    if (lambda == 1) return m;
    membership out;
    if (m.b1) out.b1 = scaled(lambda, *m.b1);
    if (m.b2) out.b2 = scaled(lambda, *m.b2);
    // For lambda < 1, s <= 2t - 1/delta and t >= gamma: lambda^2 s - 2 lambda t + 1 <= 1 - lambda^2/delta - 2 lambda (1 - lambda) gamma.
    if (m.b3 && lambda < 1) out.b3 = class_b3{std::max(1.0, 1 / (lambda * lambda / m.b3->delta + 2 * lambda * (1 - lambda) * m.b2->gamma))};
    return complete(out);
}

} // namespace gradcomp::theory
