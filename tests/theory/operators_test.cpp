/// @file The class numbers of each operator against exhaustive enumeration in small d.
#include <gradcomp/theory/operators.hpp>

#include "exact_operator.hpp"

#include <doctest/doctest.h>

#include <string>

namespace theory = gradcomp::theory;
using doctest::Approx;

static_assert(theory::top_k(100, 5).b3 == theory::class_b3{20});
static_assert(theory::rand_k_unbiased(100, 5).u == theory::class_u{20});
static_assert(theory::random_block(0.25) == theory::random_sparsification(0.25));

namespace {

/// Every class of m holds at every probe; with `tight`, some probe attains each constant.
void check_classes(const std::string& name, const theory::membership& m, const exact::operation& c, std::size_t d, bool tight)
{
    INFO(name, " d = ", d);
    double u = -1e300, least_s = 1e300, least_t = 1e300, most_ratio = -1e300, most_error = -1e300;
    for (const auto& x : exact::probes(d, 7)) {
        const theory::moments seen = exact::moments_of(c, x);
        u = std::max(u, seen.s);
        least_s = std::min(least_s, seen.s);
        least_t = std::min(least_t, seen.t);
        most_ratio = std::max(most_ratio, seen.s / seen.t);
        most_error = std::max(most_error, exact::relative_error(c, x));
        if (!m.u) continue;
        const exact::vector mean = exact::expectation(c, x);
        for (std::size_t i = 0; i < d; ++i) CHECK(mean[i] == Approx(x[i]));
    }
    if (m.u) CHECK(u <= m.u->zeta * (1 + 1e-12));
    if (m.b1) CHECK((least_s >= m.b1->alpha * (1 - 1e-12) && most_ratio <= m.b1->beta * (1 + 1e-12)));
    if (m.b2) CHECK((least_t >= m.b2->gamma * (1 - 1e-12) && most_ratio <= m.b2->beta * (1 + 1e-12)));
    if (m.b3) CHECK(most_error <= theory::contraction(*m.b3) + 1e-12);
    if (!tight) return;
    if (m.u) CHECK(u == Approx(m.u->zeta));
    if (m.b1) CHECK((least_s == Approx(m.b1->alpha) && most_ratio == Approx(m.b1->beta)));
    if (m.b2) CHECK((least_t == Approx(m.b2->gamma) && most_ratio == Approx(m.b2->beta)));
    if (m.b3) CHECK(most_error == Approx(theory::contraction(*m.b3)).epsilon(1e-9));
}

} // namespace

TEST_CASE("identity, nothing and scaling have the classes that their definitions give")
{
    check_classes("identity", theory::identity(), exact::times(1), 3, true);
    CHECK(theory::has_no_guarantee(theory::nothing()));
    CHECK(exact::relative_error(exact::times(0), {1, 2}) == 1); // B3 would need 1 - 1/delta = 1
    for (const double a : {0.01, 0.25, 0.5, 0.9, 1.0, 1.5, 1.99}) check_classes("scaling", theory::delta_scaling(a), exact::times(a), 3, true);
    CHECK(theory::delta_scaling(0.5).b3->delta == Approx(1 / (1 - 0.25)));
    CHECK(theory::delta_scaling(0.25).b1 == theory::class_b1{0.0625, 0.25});
    CHECK(theory::delta_scaling(0.25).b2 == theory::class_b2{0.25, 0.25});
    CHECK(theory::delta_scaling(1) == theory::identity());
    CHECK(theory::has_no_guarantee(theory::delta_scaling(0)));
    CHECK(theory::has_no_guarantee(theory::delta_scaling(-1)));
    CHECK_FALSE(theory::delta_scaling(2).b3.has_value());
    CHECK_FALSE(theory::delta_scaling(0.5).u.has_value());
}

TEST_CASE("top_k, rand_k, its unbiased form and random runs: every constant holds and is attained, all d to 7, all k")
{
    for (std::size_t d = 1; d <= 7; ++d)
        for (std::size_t k = 1; k <= d; ++k) {
            const double share = static_cast<double>(k) / static_cast<double>(d);
            check_classes("top_k", theory::top_k(d, k), exact::top_k(k), d, true);
            check_classes("rand_k", theory::rand_k(d, k), exact::random_subset(k, 1), d, true);
            check_classes("rand_k unbiased", theory::rand_k_unbiased(d, k), exact::random_subset(k, 1 / share), d, true);
            check_classes("random run", theory::random_block(share), exact::random_run(k), d, true);
            CHECK(theory::rand_k_unbiased(d, k).u->zeta == Approx(1 / share));
            CHECK(theory::rand_k_unbiased(d, k).b3.has_value() == (2 * k > d));
            CHECK(theory::top_k(d, k).b3->delta == Approx(1 / share));
            // Scaled back, the unbiased form is the biased one.
            const theory::membership back = theory::scaled(share, theory::rand_k_unbiased(d, k));
            CHECK(back.b3->delta == Approx(1 / share));
            CHECK(back.b1->alpha == Approx(theory::rand_k(d, k).b1->alpha));
            CHECK(back.b2->gamma == Approx(theory::rand_k(d, k).b2->gamma));
        }
}

TEST_CASE("unequal inclusion probabilities: the least one counts")
{
    // Element 0 with probability 0.2, element 1 with 0.7, never both.
    const exact::operation c = [](const exact::vector& x) {
        return std::vector<exact::outcome>{{0.2, {x[0], 0}}, {0.7, {0, x[1]}}, {0.1, {0, 0}}};
    };
    check_classes("unequal", theory::random_sparsification(0.2), c, 2, true);
}

TEST_CASE("an operator on no elements loses nothing, one that keeps nothing has no class")
{
    CHECK(theory::top_k(0, 0) == theory::identity());
    CHECK(theory::rand_k(0, 0) == theory::identity());
    CHECK(theory::rand_k_unbiased(0, 0) == theory::identity());
    CHECK(theory::has_no_guarantee(theory::top_k(5, 0)));
    CHECK(theory::has_no_guarantee(theory::rand_k_unbiased(5, 0)));
    CHECK(theory::has_no_guarantee(theory::random_block(0)));
    CHECK(theory::top_k(5, 5) == theory::identity());
    CHECK(theory::random_block(1) == theory::identity());
}

TEST_CASE("operators return completed memberships")
{
    for (const auto& m : {theory::identity(), theory::top_k(10, 3), theory::rand_k_unbiased(10, 3), theory::rand_k_unbiased(10, 8),
             theory::delta_scaling(0.3), theory::random_block(0.01)}) {
        const theory::membership all = theory::complete(m);
        CHECK(all.u == m.u);
        CHECK(all.b1.has_value() == m.b1.has_value());
        CHECK(all.b3.has_value() == m.b3.has_value());
        CHECK(all.b1->alpha == Approx(m.b1->alpha));
        CHECK(all.b1->beta == Approx(m.b1->beta));
        CHECK(all.b2->gamma == Approx(m.b2->gamma));
        if (m.b3) CHECK(all.b3->delta == Approx(m.b3->delta));
    }
}

TEST_CASE("a packed message has the worst parameters of its tensors, and they are attained")
{
    const theory::membership list[] = {theory::top_k(3, 1), theory::identity()};
    check_classes("top_k + dense", theory::packed(list), exact::side_by_side(3, exact::top_k(1), exact::times(1)), 5, true);
    CHECK(theory::packed(list).b3->delta == 3);
    CHECK_FALSE(theory::packed(list).u.has_value());

    check_classes("rand_k + rand_k", theory::packed(theory::rand_k(3, 1), theory::rand_k(2, 1)),
        exact::side_by_side(3, exact::random_subset(1, 1), exact::random_subset(1, 1)), 5, true);

    const theory::membership unbiased = theory::packed(theory::rand_k_unbiased(4, 1), theory::rand_k_unbiased(2, 1));
    CHECK(unbiased.u->zeta == 4);
    check_classes("unbiased", unbiased, exact::side_by_side(4, exact::random_subset(1, 4), exact::random_subset(1, 2)), 6, true);

    const theory::membership mixed = theory::packed(theory::delta_scaling(0.5), theory::top_k(3, 2));
    check_classes("scaling + top_k", mixed, exact::side_by_side(2, exact::times(0.5), exact::top_k(2)), 5, true);
    CHECK(mixed.b3->delta == 1.5);

    CHECK(theory::packed(std::span<const theory::membership>{}) == theory::identity());
    CHECK(theory::packed(std::span(list).first(1)) == list[0]);
}

TEST_CASE("one tensor without a class takes the class from the whole message")
{
    const theory::membership m = theory::packed(theory::identity(), theory::nothing());
    CHECK(theory::has_no_guarantee(m));
    CHECK(exact::relative_error(exact::side_by_side(1, exact::times(1), exact::times(0)), {0, 1}) == 1);
    const theory::membership n = theory::packed(theory::rand_k_unbiased(4, 1), theory::top_k(4, 2));
    CHECK_FALSE(n.u.has_value());
    CHECK_FALSE(n.b3.has_value());
    CHECK(n.b1.has_value());
}
