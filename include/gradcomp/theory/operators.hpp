/// @file The operator classes of sparsifiers as numbers, and of several operators together: packed into one message, or one after the other.
///
/// quantizers.hpp has the operators that change values. d is the number of elements that the operator sees (a tensor, or the whole model), k how many of them it keeps. Every function returns
/// all classes that hold, with the best constants; "tight" says that some x attains each of them. An operator on d = 0 elements loses nothing.
/// @cite Beznosikov et al., JMLR 24(276), 2023, section on compressors; the constants are derived again here.
#pragma once

#include <gradcomp/theory/conversions.hpp>

#include <cstddef>
#include <span>

namespace gradcomp::theory {

/// C(x) = x: every class with constant 1.
constexpr membership identity() { return {.u = class_u{1}, .b1 = class_b1{1, 1}, .b2 = class_b2{1, 1}, .b3 = class_b3{1}}; }

/// C(x) = 0: no class. It would be B3 with delta = infinity, which is no contraction.
constexpr membership nothing() { return {}; }

/// C(x) = a x: s = a^2, t = a, so B1(a^2, a) and B2(a, a) for a > 0, B3(1 / (1 - (1 - a)^2)) for 0 < a < 2; a = 1 is the identity. Tight.
constexpr membership delta_scaling(double a)
{
    if (!(a > 0)) return nothing();
    if (a == 1) return identity();
    membership m{.b1 = class_b1{a * a, a}, .b2 = class_b2{a, a}};
    if (a < 2) m.b3 = class_b3{std::max(1.0, 1 / (a * (2 - a)))}; // 1 - (1 - a)^2 = a (2 - a), without cancellation
    return m;
}

/// Biased random sparsification, C(x) = x on a random set S and 0 elsewhere, q = the least probability with which a coordinate is in S:
/// B1(q, 1) B2(q, 1) B3(1/q), tight. Only the marginal probabilities matter, not how S is drawn: s = t = sum p_i x_i^2 >= q, and s - 2t + 1 = 1 - t.
/// q = 1 is the identity, q = 0 in no class.
constexpr membership random_sparsification(double q)
{
    if (!(q > 0)) return nothing();
    if (q >= 1) return identity();
    return {.b1 = class_b1{q, 1}, .b2 = class_b2{q, 1}, .b3 = class_b3{1 / q}};
}

/// The share k / d of coordinates that are kept; 1 for d = 0.
constexpr double kept_share(std::size_t d, std::size_t k)
{
    return k >= d ? 1 : static_cast<double>(k) / static_cast<double>(d);
}

/// The k largest |x_i|: B1(k/d, 1) B2(k/d, 1) B3(d/k), tight at |x_1| = ... = |x_d|. What it keeps is at least the mean share k/d of ||x||^2.
constexpr membership top_k(std::size_t d, std::size_t k) { return random_sparsification(kept_share(d, k)); }

/// A uniformly random k-subset, unscaled: random sparsification with q = k/d.
constexpr membership rand_k(std::size_t d, std::size_t k) { return random_sparsification(kept_share(d, k)); }

/// A uniformly random k-subset scaled by d/k: U(d/k) B1(d/k, d/k) B2(1, d/k), tight: s = d/k and t = 1 at every x. Its error is
/// (d/k - 1) ||x||^2, so it is no contraction for k <= d/2, and B3(1 / (2 - d/k)) above that. Scaled back by k/d it is rand_k.
constexpr membership rand_k_unbiased(std::size_t d, std::size_t k)
{
    if (d > 0 && k == 0) return nothing();
    if (k >= d) return identity();
    const double zeta = static_cast<double>(d) / static_cast<double>(k);
    return complete({.u = class_u{zeta}, .b1 = class_b1{zeta, zeta}});
}

/// A run, or blocks, at keyed random places, unscaled: random sparsification whose q is the probability that a given coordinate is in the
/// message: b/d for one run of b of d elements that wraps around, kept/blocks for `kept` of `blocks` blocks drawn uniformly.
constexpr membership random_block(double inclusion) { return random_sparsification(inclusion); }

/// k coordinates one after the other, each with probability proportional to |x_i| among those left; C(x) = x there: random sparsification
/// with q = k/d, tight at equal magnitudes. Larger elements are likelier to be in, so sum p_i x_i^2 >= (sum p_i) ||x||^2 / d (Chebyshev).
constexpr membership adaptive_random(std::size_t d, std::size_t k) { return random_sparsification(kept_share(d, k)); }

/// The `kept` blocks of the largest norm among `blocks`: they hold at least the mean share of ||x||^2. Tight at equal norms.
constexpr membership block_top_k(std::size_t blocks, std::size_t kept) { return random_sparsification(kept_share(blocks, kept)); }

/// A matrix projected on `rank` columns of its own, M Q with Q orthonormal, its distribution not changed by signs and orders of its rows: E Q Q^T is then
/// (rank / side) I for a Q of `side` rows, and the projection keeps ||P^T M||^2 >= ||P^T M Q||^2 = ||M Q||^2. Tight where all singular values are equal.
constexpr membership low_rank(std::size_t side, std::size_t rank) { return random_sparsification(kept_share(side, rank)); }

/// The elements with |x_i| >= share max |x|, or the `capacity` largest where those are more: B1(q, 1) B2(q, 1) B3(1/q), tight. s = t, at least
/// 1 / (1 + (d-1) share^2) where they fit (one maximum, the rest just below), and capacity / d where they do not, as for top_k.
constexpr membership threshold_of_maximum(std::size_t d, double share, std::size_t capacity)
{
    if (d == 0) return identity();
    if (!(share > 0 && share <= 1)) return nothing();
    return random_sparsification(std::min(1 / (1 + (static_cast<double>(d) - 1) * share * share), kept_share(d, capacity)));
}

/// The elements with |x_i| >= factor ||x|| / sqrt(d), or the `capacity` largest where those are more: a contraction for factor <= 1, where at
/// least one element reaches the threshold, so that at most factor^2 (d-1)/d of ||x||^2 stays where they fit. No class for factor > 1: equal
/// magnitudes send nothing.
constexpr membership threshold_of_norm(std::size_t d, double factor, std::size_t capacity)
{
    if (d == 0) return identity();
    if (!(factor > 0 && factor <= 1)) return nothing();
    const double size = static_cast<double>(d);
    return random_sparsification(std::min(1 - factor * factor * (size - 1) / size, kept_share(d, capacity)));
}

/// The elements with |x_i| >= a fixed number: no class. An x below it everywhere sends nothing.
constexpr membership threshold_absolute() { return nothing(); }

/// One operator from two on disjoint parts of x, C(x, y) = (A(x), B(y)): of each class the worse parameters.
///
/// Every inequality is linear in s, t and ||x||^2, each of which is the sum over the parts, so a bound with one constant for all parts holds
/// for the sum; it is unbiased, or in a class, only if each part is. Tight where the parts are: let x be zero outside the worst part.
/// The mean over parts would be wrong: at ratio 64 a bias of 10 elements, of which 1 is kept, has delta 10, its matrix 64, the message 64.
constexpr membership packed(const membership& a, const membership& b)
{
    membership out;
    if (a.u && b.u) out.u = class_u{std::max(a.u->zeta, b.u->zeta)};
    if (a.b1 && b.b1) out.b1 = class_b1{std::min(a.b1->alpha, b.b1->alpha), std::max(a.b1->beta, b.b1->beta)};
    if (a.b2 && b.b2) out.b2 = class_b2{std::min(a.b2->gamma, b.b2->gamma), std::max(a.b2->beta, b.b2->beta)};
    if (a.b3 && b.b3) out.b3 = class_b3{std::max(a.b3->delta, b.b3->delta)};
    return out;
}

/// The classes of a message that packs one operator per tensor (each tensor may have its own compressor); the identity's for no tensors.
constexpr membership packed(std::span<const membership> parts)
{
    if (parts.empty()) return identity();
    membership out = parts.front();
    for (const membership& part : parts.subspan(1)) out = packed(out, part);
    return out;
}

/// One operator after another: x -> Q(S(x)), where S keeps an element as it is or drops it (or, where S is unbiased, multiplies all that it
/// keeps by one number) and Q is applied to what is kept and leaves zeros zero. With Q's classes for the number of elements that S keeps:
/// unbiased if both are, U(zeta_S zeta_Q); B1(alpha_S alpha_Q, beta_S beta_Q); B2(gamma_S gamma_Q, beta_S beta_Q); B3(delta_S delta_Q) for
/// an S that multiplies nothing.
///
/// With P the coordinates kept and y = S(x) = lambda P x: <Q(y), x> = <Q(y), y> / lambda and lambda <= beta_S give B1 and B2. For lambda = 1 what
/// Q leaves behind is orthogonal to what S does: E||Q(y) - y||^2 + ||x - y||^2 <= ||x||^2 - ||y||^2 / delta_Q.
constexpr membership chain(const membership& selects, const membership& quantizes)
{
    const membership s = complete(selects), q = complete(quantizes);
    membership out;
    if (s.u && q.u) out.u = class_u{s.u->zeta * q.u->zeta};
    if (s.b1 && q.b1) out.b1 = class_b1{s.b1->alpha * q.b1->alpha, s.b1->beta * q.b1->beta};
    if (s.b2 && q.b2) out.b2 = class_b2{s.b2->gamma * q.b2->gamma, s.b2->beta * q.b2->beta};
    if (s.b3 && q.b3 && (!s.u || is_lossless(s))) out.b3 = class_b3{s.b3->delta * q.b3->delta};
    return complete(out);
}

} // namespace gradcomp::theory
