/// @file The compressors whose message is dense or empty: their bytes and their options.
#include "complaint.hpp"
#include "conformance/coding.hpp"
#include "conformance/inputs.hpp"

#include <doctest/doctest.h>

#include <limits>

using namespace conformance;

TEST_CASE_TEMPLATE("identity sends p itself in tensor order", T, float, double)
{
    const gc::tensor_list list{{"w", {7, 5}}, {"no", {0}}, {"b", {3}}};
    const auto gradient = input<T>(pattern::uniform, 38, 1), owed = input<T>(pattern::uniform, 38, 2);
    coding<T, gc::identity> run(gc::identity{}, list);
    const auto out = run.encode(gradient, owed, 0);
    const auto p = expected_p<T>(gradient, owed);
    REQUIRE(out.message.size() == 38 * sizeof(T));
    CHECK(std::memcmp(out.message.data(), p.data(), out.message.size()) == 0);
    CHECK(std::all_of(out.left.begin(), out.left.end(), [](T e) { return e == T(0); }));
    CHECK(run.elements() == 38);
}

TEST_CASE_TEMPLATE("delta_scaling sends delta p and leaves the rest", T, float, double)
{
    const auto gradient = input<T>(pattern::integers, 100, 1);
    const std::vector<T> owed(100);
    coding<T, gc::delta_scaling> run(gc::delta_scaling{.delta = 0.25}, one_tensor(100));
    const auto out = run.encode(gradient, owed, 0);
    const auto c = run.decode(out.message);
    for (std::size_t i = 0; i < 100; ++i) {
        CHECK(c.value[i] == gradient[i] / 8);
        CHECK(out.left[i] == 3 * gradient[i] / 8);
    }
}

TEST_CASE("nothing sends no byte and leaves everything")
{
    const auto gradient = input<float>(pattern::uniform, 300, 1);
    const std::vector<float> owed(300, 2.0f);
    coding<float, gc::nothing> run(gc::nothing{}, one_tensor(300));
    const auto out = run.encode(gradient, owed, 0);
    CHECK(out.message.empty());
    CHECK(run.elements() == 0);
    CHECK(first_difference(out.left, expected_p<float>(gradient, owed)) == nowhere);
}

TEST_CASE("delta must be above 0 and at most 1")
{
    const auto check = [](double delta) { return complaint([delta] { gc::delta_scaling{.delta = delta}.check(); }); };
    CHECK(check(1) == "accepted");
    CHECK(check(1e-300) == "accepted");
    CHECK(check(0) == "invalid_option delta 0");
    CHECK(check(-0.5) == "invalid_option delta -0.5");
    CHECK(check(1.5) == "invalid_option delta 1.5");
    CHECK(check(std::numeric_limits<double>::infinity()) == "invalid_option delta inf");
    CHECK(check(std::numeric_limits<double>::quiet_NaN()) == "invalid_option delta nan");
}
