/// @file Properties of operator classes: what follows from one class holds for every operator in it.
#include "properties/property.hpp"

#if defined(GRADCOMP_TEST_RAPIDCHECK)
#include <gradcomp/theory/quantizers.hpp>
#include <gradcomp/theory/step_size.hpp>

#include <cmath>

using namespace gradcomp::theory;
using namespace properties;

namespace {

/// Relative moments (s, t) of an operator at one x: any with s >= t^2.
struct moments_at {
    double s, t;
};
double share(double most) { return most * static_cast<double>(*rc::gen::inRange<std::uint64_t>(0, 1u << 20)) / (1u << 20); }
moments_at some_moments()
{
    const double t = 0.001 + share(3);
    return {t * t + share(4), t};
}
bool in(class_b1 c, moments_at m) { return c.alpha <= m.s * (1 + 1e-12) && m.s <= c.beta * m.t * (1 + 1e-12); }
bool in(class_b2 c, moments_at m) { return c.gamma <= m.t * (1 + 1e-12) && m.s <= c.beta * m.t * (1 + 1e-12); }
bool in(class_b3 c, moments_at m) { return m.s - 2 * m.t + 1 <= contraction(c) + 1e-12; }

} // namespace

GRADCOMP_PROPERTY("what B1 implies holds for every operator in it")
{
    const moments_at m = some_moments();
    const class_b1 c{m.s * (1 - share(0.9)), m.s / m.t * (1 + share(2))};
    RC_ASSERT(in_range(c) && in(c, m));
    RC_ASSERT(in(b2_of(c), m) && in_range(b2_of(c)));
    if (b3_of(c)) RC_ASSERT(in(*b3_of(c), m));
    const auto contracting = contractive_scaling(c);
    RC_ASSERT(in(contracting.b3, {contracting.factor * contracting.factor * m.s, contracting.factor * m.t}));
}

GRADCOMP_PROPERTY("what B2 implies holds for every operator in it")
{
    const moments_at m = some_moments();
    const class_b2 c{m.t * (1 - share(0.9)), m.s / m.t * (1 + share(2))};
    RC_ASSERT(in_range(c) && in(c, m));
    RC_ASSERT(in(b1_of(c), m) && in_range(b1_of(c)));
    if (b3_of(c)) RC_ASSERT(in(*b3_of(c), m));
    const auto contracting = contractive_scaling(c);
    RC_ASSERT(in(contracting.b3, {contracting.factor * contracting.factor * m.s, contracting.factor * m.t}));
}

GRADCOMP_PROPERTY("what B3 implies holds for every operator in it")
{
    const double r = share(0.999), delta = 1 / (1 - r), t = 1 + (2 * share(1) - 1) * std::sqrt(r), s = t * t + share(1) * (2 * t - 1 / delta - t * t);
    const class_b3 c{delta};
    RC_PRE(in(c, {s, t}) && s >= t * t);
    RC_ASSERT(in(b1_of(c), {s + 1e-13, t}) && in(b2_of(c), {s, t + 1e-13}));
}

GRADCOMP_PROPERTY("scaling by any factor keeps an operator in the class that scaled() gives")
{
    const moments_at m = some_moments();
    const double lambda = 0.05 + share(2);
    const membership c = scaled(lambda, membership{.b1 = class_b1{m.s * (1 - share(0.9)), m.s / m.t * (1 + share(2))}});
    const moments_at after{lambda * lambda * m.s, lambda * m.t};
    RC_ASSERT(in(*c.b1, after) && in(*c.b2, after));
    if (c.b3) RC_ASSERT(in(*c.b3, after));
}

GRADCOMP_PROPERTY("complete() loosens nothing, stays in range and is a fixed point")
{
    const moments_at m = some_moments();
    const membership known{.b1 = class_b1{m.s, m.s / m.t * (1 + share(1))}, .b2 = class_b2{m.t, m.s / m.t * (1 + share(1))}};
    const membership all = complete(known), twice = complete(all);
    RC_ASSERT(all.b1->alpha >= known.b1->alpha && all.b1->beta <= known.b1->beta && all.b2->gamma >= known.b2->gamma && all.b2->beta <= known.b2->beta);
    RC_ASSERT(in_range(*all.b1) && in_range(*all.b2) && in(*all.b1, m) && in(*all.b2, m));
    RC_ASSERT(std::abs(twice.b2->gamma - all.b2->gamma) <= 1e-12 * all.b2->gamma && std::abs(twice.b1->alpha - all.b1->alpha) <= 1e-12 * all.b1->alpha);
}

GRADCOMP_PROPERTY("a packed message is as good as its worst tensor, and no worse")
{
    const membership a = top_k(size_in(1, 1000), 1), b = rand_k(1000, size_in(1, 1000));
    const membership both_of = packed(a, b);
    RC_ASSERT(both_of.b3->delta == std::max(a.b3->delta, b.b3->delta) && packed(b, a) == both_of);
}

GRADCOMP_PROPERTY("a chain leaves what its sparsifier drops and what its quantizer misses of the rest")
{
    const std::size_t d = size_in(1, 500), k = size_in(1, d);
    const double zeta = 1 + share(0.99);
    const membership c = chain(top_k(d, k), unbiased(zeta));
    const double q = static_cast<double>(k) / static_cast<double>(d);
    RC_ASSERT(std::abs(contraction(*c.b3) - (1 - q * (2 - zeta))) <= 1e-9);
}

GRADCOMP_PROPERTY("at every allowed learning rate compressed descent shrinks, and never faster than to nothing")
{
    const moments_at m = some_moments();
    const class_b2 c{m.t, m.s / m.t * (1 + share(2))};
    const double smoothness = 0.1 + share(100), convexity = smoothness * (0.001 + share(0.999));
    const double eta = largest_learning_rate(c, smoothness) * share(1);
    const double factor = contraction_factor(c, eta, smoothness, convexity);
    RC_ASSERT(factor <= 1 + 1e-12 && factor >= -1e-12 && contraction_factor(c, recommended_learning_rate(c, smoothness), smoothness, convexity) <= factor + 1e-12);
}

GRADCOMP_PROPERTY("error feedback allows less the more is left behind")
{
    const double delta = 1 + share(1000), smoothness = 0.01 + share(100);
    RC_ASSERT(error_feedback_learning_rate({delta * (1 + share(3))}, smoothness).largest <= error_feedback_learning_rate({delta}, smoothness).largest);
    RC_ASSERT(std::abs(from_contraction(contraction({delta}))->delta - delta) <= 1e-9 * delta * delta);
}

#endif
