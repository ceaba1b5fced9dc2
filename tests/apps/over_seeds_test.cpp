/// @file Numbers over seeds, and what keeps a claim from being judged.
#include "reproduce/experiment.hpp"
#include "reproduce/over_seeds.hpp"

#include <doctest/doctest.h>

#include <cmath>

using apps::record;
using namespace apps::reproduce;

namespace {

constexpr double no_number = std::numeric_limits<double>::quiet_NaN();

verdict said(const evidence& on, bool holds)
{
    findings found;
    found.judge("name", "sentence", on, holds, "numbers");
    REQUIRE(found.claims.size() == 1);
    return found.claims.front().said;
}

} // namespace

TEST_CASE("mean, deviation of a sample and standard error over seeds")
{
    const over_seeds none, one{{{1, 5.0}}}, three{{{1, 1.0}, {2, 2.0}, {3, 6.0}}};
    CHECK(std::isnan(none.mean()));
    CHECK(one.mean() == 5);
    CHECK(std::isnan(one.deviation()));
    CHECK(three.mean() == 3);
    CHECK(three.deviation() == doctest::Approx(std::sqrt(7.0)));
    CHECK(three.error() == doctest::Approx(std::sqrt(7.0 / 3)));
    CHECK(std::isnan(over_seeds{{{1, 1.0}, {2, no_number}}}.mean()));
    CHECK(with_deviation(none, 2) == "-");
    CHECK(with_deviation(one, 1) == "5.0");
    CHECK(with_deviation(three, 2) == "3.00 +- 2.65");
}

TEST_CASE("a difference is taken seed by seed, over the seeds that both have")
{
    const over_seeds a{{{1, 10.0}, {2, 20.0}, {3, 30.0}}}, b{{{2, 19.0}, {3, 29.5}, {4, 0.0}}};
    CHECK((a - b).by_seed == std::map<std::int64_t, double>{{2, 1.0}, {3, 0.5}});
}

TEST_CASE("a mean is clearly positive beyond two standard errors, and never with one seed")
{
    CHECK(over_seeds{{{1, 1.0}, {2, 1.1}, {3, 0.9}}}.clearly_positive());
    CHECK_FALSE(over_seeds{{{1, 1.0}, {2, -0.9}, {3, 0.2}}}.clearly_positive());
    CHECK_FALSE(over_seeds{{{1, -1.0}, {2, -1.1}}}.clearly_positive());
    CHECK_FALSE(over_seeds{{{1, 1.0}}}.clearly_positive());
    CHECK_FALSE(over_seeds{{{1, 1.0}, {2, no_number}}}.clearly_positive());
}

TEST_CASE("records are collected by their seed")
{
    const std::vector<record> all = {record().set("seed", std::int64_t{1}).set("a", 2.0), record().set("seed", std::int64_t{2}).set("a", 4.0), record().set("seed", std::int64_t{3}).set("a", 9.0)};
    CHECK(collect(all, "a", [](const record& r) { return r.number("a") < 5; }).by_seed == std::map<std::int64_t, double>{{1, 2.0}, {2, 4.0}});
}

TEST_CASE("the larger and the smaller of two numbers do not forget NaN on either side")
{
    CHECK(larger(1, 2) == 2);
    CHECK(smaller(1, 2) == 1);
    for (const double other : {no_number, 1.0}) {
        CHECK(std::isnan(larger(no_number, other)));
        CHECK(std::isnan(larger(other, no_number)));
        CHECK(std::isnan(smaller(no_number, other)));
        CHECK(std::isnan(smaller(other, no_number)));
    }
}

TEST_CASE("a claim is judged where nothing is missing, and says why it is not where something is")
{
    const choices full, quick{.quick = true, .data = {}, .only = {}};
    CHECK(said(evidence(full, "3 seeds").need("a", 3, 3), true) == verdict::pass);
    CHECK(said(evidence(full, "3 seeds").need("a", 3, 3), false) == verdict::fail);
    CHECK(said(evidence(full, "3 seeds").need("a", 2, 3).need("b", 3, 3).need("c", 0, 1), true) == verdict::not_judged);
    CHECK(evidence(full, "3 seeds").need("a", 2, 3).need("b", 3, 3).need("c", 0, 1).gap("5") == "missing: a (2 of 3); c (0 of 1); this run: 5");
    CHECK(evidence(full, "3 seeds").need("a", 0, 3).gap("5") == "missing: a (0 of 3)");
    CHECK(said(evidence(quick, "3 seeds").need("a", 3, 3), false) == verdict::not_judged);
    CHECK(evidence(quick, "3 seeds").need("a", 1, 3).gap("5") == "needs the full run (3 seeds); this run: 5");
    CHECK(said(evidence(quick, "").need("a", 1, 1), false) == verdict::fail); // a quick run measures all of it
    const std::vector<record> real = {record().set("data", "Fashion-MNIST")}, stand_in = {real.front(), record().set("data", "synthetic")};
    CHECK(said(evidence(full, "").real(real), true) == verdict::pass);
    CHECK(said(evidence(full, "").real(stand_in), true) == verdict::not_judged);
    CHECK(evidence(full, "").real(stand_in).gap("5") == "the images are a generated stand-in");
}
