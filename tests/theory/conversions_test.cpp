/// @file Conversions between classes: proved lines hold on searched operators, false ones that circulate are broken by named operators.
#include <gradcomp/theory/conversions.hpp>

#include "exact_operator.hpp"

#include <doctest/doctest.h>

#include <random>

namespace theory = gradcomp::theory;
using doctest::Approx;

static_assert(theory::b2_of(theory::class_b1{4, 2}) == theory::class_b2{2, 2});
static_assert(theory::complete({.u = theory::class_u{1.5}}).b3 == theory::class_b3{2});

namespace {

constexpr double slack = 1e-12;

void check_holds(const theory::membership& m, theory::moments seen)
{
    if (m.u) CHECK(theory::violation(*m.u, seen) <= slack);
    if (m.b1) CHECK(theory::violation(*m.b1, seen) <= slack * (1 + m.b1->beta));
    if (m.b2) CHECK(theory::violation(*m.b2, seen) <= slack * (1 + m.b2->beta));
    if (m.b3) CHECK(theory::violation(*m.b3, seen) <= slack * (1 + seen.s));
}

/// The narrowest classes of an operator over some vectors, from its exact moments alone.
struct observed {
    double least_s = 1e300, least_t = 1e300, most_ratio = 0, most_error = -1e300;
    void see(theory::moments m)
    {
        least_s = std::min(least_s, m.s);
        least_t = std::min(least_t, m.t);
        most_ratio = std::max(most_ratio, m.s / m.t);
        most_error = std::max(most_error, m.s - 2 * m.t + 1);
    }
};

/// A random linear operator that is random besides: C(x) = A_j x with probability p_j, every A_j near a multiple of the identity.
exact::operation random_operator(std::mt19937_64& random, std::size_t d)
{
    std::normal_distribution<double> gauss;
    std::uniform_real_distribution<double> uniform(0, 1);
    const double centre = 0.1 + 2.5 * uniform(random), width = 0.6 * uniform(random);
    std::vector<std::vector<exact::vector>> matrices(3, std::vector<exact::vector>(d, exact::vector(d, 0.0)));
    for (auto& matrix : matrices)
        for (std::size_t i = 0; i < d; ++i)
            for (std::size_t j = 0; j < d; ++j) matrix[i][j] = (i == j ? centre : 0) + width * gauss(random) / static_cast<double>(d);
    const double p = uniform(random), q = (1 - p) * uniform(random);
    return [matrices, p, q](const exact::vector& x) {
        std::vector<exact::outcome> out;
        for (const auto& matrix : matrices) {
            exact::vector value;
            for (const exact::vector& row : matrix) value.push_back(exact::dot(row, x));
            out.push_back({0, value});
        }
        out[0].probability = p;
        out[1].probability = q;
        out[2].probability = 1 - p - q;
        return out;
    };
}

} // namespace

TEST_CASE("square_root agrees with the library's")
{
    for (double x = 1e-300; x < 1e300; x *= 7.3) CHECK(theory::square_root(x) == Approx(std::sqrt(x)).epsilon(1e-15));
    CHECK(theory::square_root(0) == 0);
    CHECK(theory::square_root(4) == 2);
    CHECK(theory::square_root(1) == 1);
    CHECK(theory::square_root(0.25) == 0.5);
}

TEST_CASE("no random operator breaks what follows from its narrowest classes")
{
    std::mt19937_64 random(11);
    int contractions = 0, others = 0;
    for (int n = 0; n < 600; ++n) {
        const std::size_t d = 1 + random() % 4;
        const exact::operation c = random_operator(random, d);
        const std::vector<exact::vector> probes = exact::probes(d, static_cast<unsigned>(n), 12);
        observed o;
        for (const auto& x : probes) o.see(exact::moments_of(c, x));
        if (!(o.least_t > 1e-3)) continue; // in none of the classes
        const theory::class_b1 b1{o.least_s, o.most_ratio};
        const theory::class_b2 b2{o.least_t, o.most_ratio};
        const auto b3 = theory::from_contraction(std::max(0.0, o.most_error));
        (b3 ? contractions : others) += 1;
        const std::vector<theory::membership> known = {{.b1 = b1}, {.b2 = b2}, {.b3 = b3}, {.b1 = b1, .b2 = b2}, {.b1 = b1, .b3 = b3},
            {.b2 = b2, .b3 = b3}, {.b1 = b1, .b2 = b2, .b3 = b3}};
        for (const auto& m : known) {
            const theory::membership all = theory::complete(m);
            for (const double lambda : {0.25, 0.7, 1.0, 1.3}) {
                const theory::membership small = theory::scaled(lambda, m);
                for (const auto& x : probes) check_holds(small, exact::moments_of(exact::scaled(lambda, c), x));
            }
            for (const auto& x : probes) check_holds(all, exact::moments_of(c, x));
        }
        for (const auto& to : {theory::contractive_scaling(b1), theory::contractive_scaling(b2)})
            for (const auto& x : probes) check_holds({.b3 = to.b3}, exact::moments_of(exact::scaled(to.factor, c), x));
    }
    CHECK(contractions > 100);
    CHECK(others > 50);
}

TEST_CASE("unbiased operators: B1(1, zeta), B2(1, zeta), C / zeta in B3(zeta), and C itself in B3(1 / (2 - zeta)) only below zeta = 2")
{
    for (std::size_t d = 2; d <= 7; ++d)
        for (std::size_t k = 1; k <= d; ++k) {
            const double zeta = static_cast<double>(d) / static_cast<double>(k);
            const exact::operation c = exact::random_subset(k, zeta);
            const theory::class_u u{zeta};
            const theory::membership m = theory::complete({.u = u});
            CHECK(m.b3.has_value() == (zeta < 2));
            if (m.b3) CHECK(m.b3->delta == Approx(1 / (2 - zeta)));
            const theory::scaled_contraction to = theory::contractive_scaling(u);
            CHECK(to.b3.delta == zeta);
            for (const auto& x : exact::probes(d, 3)) {
                check_holds(m, exact::moments_of(c, x));
                CHECK(exact::relative_error(exact::scaled(to.factor, c), x) == Approx(1 - 1 / zeta)); // attained, so no smaller delta is true
                if (zeta >= 2) CHECK(exact::relative_error(c, x) >= 1 - slack);
            }
        }
}

TEST_CASE("the conversion B1(alpha, beta) to B2(alpha, beta^2) is false: C = 2I and C = I/2 break it, and keep the corrected one")
{
    const exact::vector x{1, -2, 3};
    for (const double factor : {2.0, 0.5}) {
        const theory::class_b1 b1{factor * factor, factor};
        const theory::moments seen = exact::moments_of(exact::times(factor), x);
        CHECK(theory::violation(b1, seen) <= slack);
        CHECK(theory::violation(theory::class_b2{b1.alpha, b1.beta * b1.beta}, seen) > 0.2);
        CHECK(theory::violation(theory::b2_of(b1), seen) <= slack);
    }
}

TEST_CASE("the line 'C / zeta in B3(1 / zeta)' is false: delta would lie below 1, outside the range, and the bound below 0")
{
    const double zeta = 4;
    const theory::class_b3 printed{1 / zeta};
    CHECK_FALSE(theory::in_range(printed));
    CHECK(theory::contraction(printed) == -3);
    const theory::moments seen = exact::moments_of(exact::scaled(1 / zeta, exact::random_subset(1, zeta)), {1, 2, 3, 4});
    CHECK(theory::violation(printed, seen) > 3);
    CHECK(theory::violation(theory::contractive_scaling(theory::class_u{zeta}).b3, seen) <= slack);
}

TEST_CASE("what a contraction implies is attained by (1 - r) I and (1 + r) I, and implies the paper's simpler constants")
{
    for (const double delta : {1.0, 1.01, 1.5, 2.0, 8.0, 64.0, 1e6}) {
        const theory::class_b3 b3{delta};
        const double r = std::sqrt(1 - 1 / delta);
        const theory::class_b1 b1 = theory::b1_of(b3);
        const theory::class_b2 b2 = theory::b2_of(b3);
        CHECK(b2.gamma == Approx(1 - r).epsilon(1e-9));
        CHECK(b2.beta == Approx(1 + r));
        CHECK(b1.alpha == Approx((1 - r) * (1 - r)).epsilon(1e-9));
        CHECK(b1.beta == b2.beta);
        CHECK(b2.gamma >= 1 / (2 * delta));
        CHECK(b1.alpha >= 1 / (4 * delta * delta));
        CHECK(b2.beta <= 2);
        for (const double factor : {1 - r, 1 + r}) {
            const theory::moments seen{factor * factor, factor};
            CHECK(theory::violation(b3, seen) <= 1e-12);
        }
    }
}

TEST_CASE("conversions stay inside the ranges of the classes")
{
    std::mt19937_64 random(5);
    std::uniform_real_distribution<double> uniform(0, 1);
    for (int n = 0; n < 20000; ++n) {
        const double beta = 3 * uniform(random) + 1e-6, gamma = beta * (1e-6 + (1 - 1e-6) * uniform(random)), alpha = beta * gamma;
        const theory::membership from_b1 = theory::complete({.b1 = theory::class_b1{alpha, beta}});
        const theory::membership from_b2 = theory::complete({.b2 = theory::class_b2{gamma, beta}});
        const theory::membership from_b3 = theory::complete({.b3 = theory::class_b3{1 / (1e-6 + (1 - 1e-6) * uniform(random))}});
        for (const auto& m : {from_b1, from_b2, from_b3}) {
            CHECK(theory::in_range(*m.b1));
            CHECK(theory::in_range(*m.b2));
            if (m.b3) CHECK(theory::in_range(*m.b3));
        }
        CHECK(from_b1.b3.has_value() == (beta < 2));
        // The stated factor is the best one: no other factor makes the contraction stronger.
        const theory::class_b2 b2{gamma, beta};
        const theory::scaled_contraction best = theory::contractive_scaling(b2);
        const double other = 2 * uniform(random) / beta;
        if (const auto b3 = theory::b3_of(theory::scaled(other, b2))) CHECK(best.b3.delta <= b3->delta * (1 + 1e-12));
        CHECK(theory::b3_of(theory::scaled(best.factor, b2))->delta == Approx(best.b3.delta));
    }
}

TEST_CASE("complete is a fixed point, never loosens, and never invents unbiasedness")
{
    const std::vector<theory::membership> known = {{}, {.u = theory::class_u{1.2}}, {.u = theory::class_u{30}}, {.b1 = theory::class_b1{0.2, 1}},
        {.b2 = theory::class_b2{0.2, 2.5}}, {.b3 = theory::class_b3{10}}, {.b1 = theory::class_b1{0.5, 1.5}, .b3 = theory::class_b3{4}},
        {.u = theory::class_u{1.9}, .b3 = theory::class_b3{3}}};
    for (const auto& m : known) {
        const theory::membership once = theory::complete(m), twice = theory::complete(once);
        CHECK(once.u == m.u);
        if (m.b1) CHECK((once.b1->alpha >= m.b1->alpha && once.b1->beta <= m.b1->beta));
        if (m.b2) CHECK((once.b2->gamma >= m.b2->gamma && once.b2->beta <= m.b2->beta));
        if (m.b3) CHECK(once.b3->delta <= m.b3->delta);
        CHECK(once.b1.has_value() == twice.b1.has_value());
        CHECK(once.b3.has_value() == twice.b3.has_value());
        if (once.b1) {
            CHECK(twice.b1->alpha == Approx(once.b1->alpha));
            CHECK(twice.b2->gamma == Approx(once.b2->gamma));
            CHECK(twice.b2->beta == Approx(once.b2->beta));
        }
        if (once.b3) CHECK(twice.b3->delta == Approx(once.b3->delta));
    }
    CHECK(theory::has_no_guarantee(theory::complete({})));
}

TEST_CASE("scaling is exact where the operator is known exactly, and only factor 1 keeps an operator unbiased")
{
    const theory::membership m = theory::complete({.b1 = theory::class_b1{0.25, 1}, .b2 = theory::class_b2{0.25, 1}, .b3 = theory::class_b3{4}});
    const theory::membership half = theory::scaled(0.5, m);
    CHECK(half.b1->alpha == 0.0625);
    CHECK(half.b1->beta == 0.5);
    CHECK(half.b2->gamma == 0.125);
    CHECK(half.b3->delta == Approx(1 / (0.25 * 0.75))); // rand_k with q = 1/4: s = q/4, t = q/2
    CHECK_FALSE(theory::scaled(2, m).b3.has_value());
    CHECK(theory::scaled(1, {.u = theory::class_u{3}}).u.has_value());
    CHECK_FALSE(theory::scaled(0.5, {.u = theory::class_u{3}}).u.has_value());
    CHECK(theory::scaled(1.0 / 3, {.u = theory::class_u{3}}).b3->delta == Approx(3));
}
