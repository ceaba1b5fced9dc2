/// @file The streams of a rule.
#include <gradcomp/core/rule.hpp>

#include <doctest/doctest.h>

namespace gc = gradcomp;

TEST_CASE("advance moves every stream by the same number of elements")
{
    const float gradient[8] = {}, a[8] = {}, b[8] = {};
    float out[8] = {};
    gc::rule_streams<float, float, 2, 1> rule;
    rule.gradient = gradient;
    rule.in[0] = a;
    rule.in[1] = b;
    rule.out[0] = out;
    rule.advance(3);
    rule.advance(2);
    CHECK(rule.gradient == gradient + 5);
    CHECK(rule.in[0] == a + 5);
    CHECK(rule.in[1] == b + 5);
    CHECK(rule.out[0] == out + 5);
}

TEST_CASE("a rule without inputs and outputs advances its gradient alone")
{
    const double gradient[4] = {1, 2, 3, 4};
    gc::read_rule<double> rule;
    rule.gradient = gradient;
    rule.scale = 0.5;
    rule.advance(2);
    CHECK(rule.gradient == gradient + 2);
    CHECK(rule.in[0] == nullptr);
    CHECK(rule.value(rule.gradient[0], nullptr) == 1.5);
}

TEST_CASE("a fresh step state is step 0 at rate 0")
{
    const gc::step_state<float> state;
    CHECK(state.step == 0);
    CHECK(state.learning_rate == 0.0f);
}
