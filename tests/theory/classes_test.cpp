/// @file The classes' ranges and facts.
#include <gradcomp/theory/classes.hpp>
#include <gradcomp/theory/measured.hpp>

#include <doctest/doctest.h>

#include <limits>

namespace theory = gradcomp::theory;

static_assert(theory::contraction({4}) == 0.75);
static_assert(theory::from_contraction(0.75) == theory::class_b3{4});

TEST_CASE("parameters outside a class's range are recognised, NaN and infinity included")
{
    const double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
    CHECK(theory::in_range(theory::class_u{1}));
    CHECK(theory::in_range(theory::class_u{9.0 / 8}));
    CHECK_FALSE(theory::in_range(theory::class_u{0.99}));
    CHECK_FALSE(theory::in_range(theory::class_u{nan}));
    CHECK_FALSE(theory::in_range(theory::class_u{infinity}));
    CHECK(theory::in_range(theory::class_b1{4, 2}));
    CHECK(theory::in_range(theory::class_b1{0.1 * 0.1, 0.1}));
    CHECK_FALSE(theory::in_range(theory::class_b1{4, 1.9}));
    CHECK_FALSE(theory::in_range(theory::class_b1{0, 1}));
    CHECK_FALSE(theory::in_range(theory::class_b1{nan, 1}));
    CHECK(theory::in_range(theory::class_b2{0.5, 0.5}));
    CHECK_FALSE(theory::in_range(theory::class_b2{0.6, 0.5}));
    CHECK_FALSE(theory::in_range(theory::class_b2{0, 1}));
    CHECK_FALSE(theory::in_range(theory::class_b2{0.5, nan}));
    CHECK(theory::in_range(theory::class_b3{1}));
    CHECK_FALSE(theory::in_range(theory::class_b3{0.5}));
    CHECK_FALSE(theory::in_range(theory::class_b3{infinity}));
    CHECK_FALSE(theory::in_range(theory::class_b3{nan}));
}

TEST_CASE("a contraction and the share it leaves behind are two spellings of one number")
{
    CHECK(theory::contraction({1}) == 0);
    CHECK(theory::contraction({64}) == 1 - 1.0 / 64);
    CHECK(theory::from_contraction(0)->delta == 1);
    CHECK_FALSE(theory::from_contraction(1).has_value());
    CHECK_FALSE(theory::from_contraction(-0.1).has_value());
    CHECK_FALSE(theory::from_contraction(std::numeric_limits<double>::quiet_NaN()).has_value());
}

TEST_CASE("facts read off a membership")
{
    const theory::membership none, contractive{.b3 = theory::class_b3{8}}, unbiased{.u = theory::class_u{8}}, lossless{.b3 = theory::class_b3{1}};
    CHECK(theory::has_no_guarantee(none));
    CHECK_FALSE(theory::is_unbiased(none));
    CHECK_FALSE(theory::is_contractive(none));
    CHECK_FALSE(theory::is_lossless(none));
    CHECK(theory::is_contractive(contractive));
    CHECK_FALSE(theory::is_lossless(contractive));
    CHECK_FALSE(theory::has_no_guarantee(contractive));
    CHECK(theory::is_unbiased(unbiased));
    CHECK_FALSE(theory::is_contractive(unbiased));
    CHECK(theory::is_lossless(lossless));
}

TEST_CASE("violation is positive exactly outside a class")
{
    const theory::moments twice{4, 2}, half{0.25, 0.5}; // C = 2I and C = I/2
    CHECK(theory::violation(theory::class_b1{4, 2}, twice) == 0);
    CHECK(theory::violation(theory::class_b1{4, 1.9}, twice) > 0.1);
    CHECK(theory::violation(theory::class_b1{4.1, 2}, twice) > 0.09);
    CHECK(theory::violation(theory::class_b2{2, 2}, twice) == 0);
    CHECK(theory::violation(theory::class_b2{2.5, 2.5}, twice) == 0.5);
    CHECK(theory::violation(theory::class_b3{4}, half) == -0.5);
    CHECK(theory::violation(theory::class_b3{1.25}, half) == doctest::Approx(0.05));
    CHECK(theory::violation(theory::class_b3{1e9}, twice) > 0);
    CHECK(theory::violation(theory::class_u{3}, twice) == 1);
}
