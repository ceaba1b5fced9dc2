/// @file The error-feedback theorem's numbers against each other: what its forms imply whatever the constants are.
#include <gradcomp/theory/describe.hpp>
#include <gradcomp/theory/error_feedback.hpp>
#include <gradcomp/theory/operators.hpp>

#include <doctest/doctest.h>

namespace theory = gradcomp::theory;
using doctest::Approx;

TEST_CASE("the decreasing steps start at the constant one and fall; weights grow")
{
    const theory::class_b3 c{20};
    const theory::feedback_problem p{.smoothness = 3, .strong_convexity = 0.1, .noise_growth = 2};
    const double constant = 1 / (14 * 42.0 * 3);
    CHECK(theory::constant_step(c, p, 5).eta == Approx(constant));
    CHECK(theory::decreasing_step(c, p, 0).eta == Approx(constant));
    for (std::uint64_t k = 0; k < 1000; k += 7) {
        CHECK(theory::decreasing_step(c, p, k + 1).eta < theory::decreasing_step(c, p, k).eta);
        CHECK(theory::decreasing_step(c, p, k + 1).weight > theory::decreasing_step(c, p, k).weight);
        CHECK(theory::constant_step(c, p, k + 1).weight > theory::constant_step(c, p, k).weight);
    }
    CHECK(theory::constant_step(c, {.smoothness = 3}, 9).weight == 1);
    CHECK(theory::decreasing_step(c, p, 0).how_sure == theory::confidence::unverified);
}

TEST_CASE("what is owed settles where the recurrence of its norm does, and a decay bounds it whatever the compression")
{
    for (const double delta : {1.0, 4.0, 64.0, 1e4})
        for (const double decay : {1.0, 0.999, 0.95, 0.5}) {
            CAPTURE(delta);
            CAPTURE(decay);
            const theory::class_b3 c{delta};
            double norm = 0, forgotten = 0;
            for (int t = 0; t < 2'000'000 && (t < 2 || norm < 0.999999 * theory::most_owed(c, decay)); ++t) {
                forgotten = (1 - decay) * norm;
                norm = std::sqrt(1 - 1 / delta) * (decay * norm + 1);
            }
            CHECK(norm == Approx(theory::most_owed(c, decay)).epsilon(1e-4));
            CHECK(forgotten == Approx(theory::most_forgotten(c, decay)).epsilon(1e-4));
            if (decay < 1) CHECK(norm < 1 / (1 - decay));
        }
    CHECK(theory::most_owed({100}) == Approx(2 * 100 - 1.5).epsilon(1e-4));
    CHECK(theory::most_forgotten({100}, 1) == 0);
}

TEST_CASE("without noise and dissimilarity there is no floor; with either there is, and it shrinks like 1/K")
{
    const theory::class_b3 c{10};
    const theory::feedback_problem quiet{.smoothness = 1, .strong_convexity = 0.5, .workers = 4};
    CHECK(theory::constant_rate(c, quiet, 1e5).bound < 1e-30);
    CHECK(theory::decreasing_rate(c, quiet, 2e4).bound == Approx(theory::decreasing_rate(c, quiet, 1e4).bound / 4));
    theory::feedback_problem unlike = quiet;
    unlike.dissimilarity = 2;
    CHECK(theory::constant_rate(c, unlike, 1e6).bound == Approx(2 * 30 / 0.5 / 1e6));
    CHECK(theory::decreasing_rate(c, unlike, 1e8).bound == Approx(2 * 30 / 0.5 / 1e8).epsilon(1e-3));
    CHECK(theory::convex_rate(c, unlike, 4e12).bound == Approx(theory::convex_rate(c, unlike, 1e12).bound / 2).epsilon(1e-3));
    CHECK(theory::convex_rate({20}, unlike, 100).bound > theory::convex_rate(c, unlike, 100).bound);
}

TEST_CASE("classes as text name every class and the factor that makes a contraction")
{
    CHECK(theory::describe(theory::top_k(100, 5)) == "B1(0.05, 1), B2(0.05, 1), B3(20)");
    CHECK(theory::describe(theory::rand_k_unbiased(100, 5)) == "U(20), B1(20, 20), B2(1, 20), no B3");
    CHECK(theory::describe(theory::nothing()) == "no class");
    CHECK(theory::remedy(theory::rand_k_unbiased(100, 5)).find("multiplied by 0.05 (gc::scaled around its quantizer) it is in B3(20)") == 0);
    CHECK(theory::remedy(theory::nothing()).find("no factor") == 0);
}
