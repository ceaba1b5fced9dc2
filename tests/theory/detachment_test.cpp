/// @file DEF's lambda and the exponents of its excess risk.
#include <gradcomp/theory/detachment.hpp>

#include <doctest/doctest.h>

using namespace gradcomp::theory;

static_assert(best_detachment({.common = 1, .variance = 3, .ranks = 1}) == 1);

TEST_CASE("lambda* is where the distance to the virtual iterate is smallest")
{
    for (const double common : {0.0, 0.5, 4.0})
        for (const double variance : {0.25, 1.0, 9.0})
            for (const std::size_t ranks : {1u, 2u, 8u, 1000u}) {
                const error_moments m{common, variance, ranks};
                const double best = best_detachment(m);
                CHECK(best >= 0);
                CHECK(best <= 1);
                for (const double step : {-0.01, 0.01}) CHECK(distance_to_virtual(m, best) <= distance_to_virtual(m, best + step));
            }
    CHECK(best_detachment({.common = 0, .variance = 0, .ranks = 8}) == 1);
    CHECK(best_detachment({.common = 3, .variance = 8, .ranks = 8}) == doctest::Approx(4.0 / 11));
    // 0.3 with 8 ranks means M^2 = sigma^2 / 4
    CHECK(best_detachment({.common = 0.25, .variance = 1, .ranks = 8}) == doctest::Approx(0.3));
}

TEST_CASE("the less is sent, the better DEF-A generalises and the worse it optimises")
{
    const risk_setting s{.smoothness = 2, .strong_convexity = 0.5, .c = 1, .sampled = 0.1};
    CHECK(generalisation_exponent_def(s) == doctest::Approx(1.8 / 2.8));
    CHECK(generalisation_exponent_def_a(s, 1) == generalisation_exponent_def(s));
    CHECK(generalisation_exponent_def_a(s, 1.0 / 64) == doctest::Approx(0.225 / 1.225));
    CHECK(optimisation_exponent_def(s) == 0.25);
    CHECK(optimisation_exponent_def({.strong_convexity = 9, .c = 1}) == 1);
    CHECK(optimisation_exponent_def_a(s, 0.5) == 0.125);
    CHECK(optimisation_floor_def_a(1) == 0);
    CHECK(optimisation_floor_def_a(0.75) == doctest::Approx(1)); // 1 / sqrt(1/4) - 1 = 1
    CHECK(optimisation_floor_def_a(0.01) > optimisation_floor_def_a(0.1));
}
