/// @file The recurrence's rules element by element, and what each member of the family states.
#include <gradcomp/memory/def.hpp>
#include <gradcomp/memory/def_a.hpp>
#include <gradcomp/memory/ef.hpp>
#include <gradcomp/memory/none.hpp>
#include <gradcomp/memory/none_accepting_bias.hpp>
#include <gradcomp/memory/psync.hpp>
#include <gradcomp/memory/recurrence.hpp>
#include <gradcomp/memory/saef.hpp>
#include <gradcomp/optim/momentum.hpp>
#include <gradcomp/optim/plain_gradient.hpp>

#include <doctest/doctest.h>

namespace gc = gradcomp;

TEST_CASE("the members of the family are one recurrence with other numbers")
{
    const auto states = [](auto memory, bool detached, double lambda, gc::evaluation_point where, std::uint32_t averaging) {
        CHECK(decltype(memory)::detached == detached);
        CHECK(memory.detachment() == lambda);
        CHECK(memory.evaluation() == where);
        CHECK(memory.averaging() == averaging);
        CHECK(memory.units == gc::units::model);
        CHECK_NOTHROW(memory.check());
    };
    using enum gc::evaluation_point;
    states(gc::ef{}, false, 0, parameters, 0);
    states(gc::def{}, true, 0.3, mean_corrected, 0);
    states(gc::def{.lambda = 0.7}, true, 0.7, mean_corrected, 0);
    states(gc::def_a{}, true, 0.3, parameters, 0);
    states(gc::saef{}, true, 1, parameters, 0);
    states(gc::saef{.averaging_period = 20}, true, 1, parameters, 20);
    states(gc::psync{}, true, 1, local, 0);
    states(gc::none{}, false, 0, parameters, 0);
    states(gc::none_accepting_bias{}, false, 0, parameters, 0);
    CHECK(gc::ef<>::feeds_back);
    CHECK(!gc::none<>::feeds_back);
    CHECK(!gc::none<>::accepts_bias);
    CHECK(gc::none_accepting_bias<>::accepts_bias);
    CHECK(!gc::ef<>::storage::is_staged); // in place is the default
    CHECK(gc::ef<gc::staged>::storage::is_staged);
}

TEST_CASE("the exchange rule: p = e + s m', e' = p - c, z' = x - pull e'")
{
    using direction = gc::momentum::direction<double, true>;
    const gc::momentum options{.beta = 0.5, .weight_decay = 0.25};
    gc::recurrence_rule<double, double, direction, true, true, false> rule{direction(options)};
    rule.scale = 0.125;
    rule.pull = 0.5;
    // streams: m = 4, z = 8, e = 3, x = 16; gradient 2: m' = 0.5 * 4 + (2 + 0.25 * 8) = 6, p = 3 + 0.125 * 6 = 3.75
    const double in[] = {4, 8, 3, 16};
    CHECK(rule.value(2, in) == 3.75);
    double out[3] = {};
    rule.leave(2, in, 3.75, 3.75, out);
    CHECK(out[0] == 6);
    CHECK(out[1] == 0);
    CHECK(out[2] == 16);
    rule.leave(2, in, 3.75, 0, out);
    CHECK(out[1] == 3.75);
    CHECK(out[2] == 16 - 0.5 * 3.75);
}

TEST_CASE("the exchange rule can say what was owed and settle what is kept afterwards")
{
    using direction = gc::plain_gradient::direction<float, false>;
    gc::recurrence_rule<float, float, direction, true, true, false> rule{direction(gc::plain_gradient{})};
    float e[] = {1, 2, 3}, z[] = {0, 0, 0};
    const float x[] = {10, 20, 30};
    rule.in[rule.error_in] = e;
    rule.out[rule.error_out] = e;
    rule.in[rule.parameters_in] = x;
    rule.out[rule.point_out] = z;
    rule.pull = 0.5f;
    CHECK(rule.owed_at(1) == 2);
    rule.settle(1, 5, 0);
    CHECK(e[1] == 5);
    CHECK(z[1] == 17.5f);
    rule.settle(2, 5, 5);
    CHECK(e[2] == 0);
    CHECK(z[2] == 30);
    CHECK(e[0] == 1);
}

TEST_CASE("without a memory p is the scaled direction and nothing stays")
{
    using direction = gc::plain_gradient::direction<double, false>;
    gc::recurrence_rule<double, double, direction, false, false, false> rule{direction(gc::plain_gradient{})};
    rule.scale = 0.5;
    CHECK(rule.value(3, nullptr) == 1.5);
    CHECK(decltype(rule)::inputs == 0);
    CHECK(decltype(rule)::outputs == 0);
    CHECK(rule.owed_at(0) == 0);
}

TEST_CASE("the local step: e' = e + s d, z' = z - eta d")
{
    using direction = gc::plain_gradient::direction<double, true>;
    gc::drift_rule<double, double, direction, false> rule{direction(gc::plain_gradient{.weight_decay = 0.5})};
    rule.scale = 1; // gradient units
    rule.learning_rate = 0.25;
    const double in[] = {8, 2, 8}; // the point for the decay, e, z
    CHECK(rule.value(4, in) == 10); // 2 + (4 + 0.5 * 8)
    double out[2] = {};
    rule.leave(4, in, 10, 0, out);
    CHECK(out[0] == 10);
    CHECK(out[1] == 6);
}
