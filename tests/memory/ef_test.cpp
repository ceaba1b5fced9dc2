/// @file ef with a decay: what is kept of e, once an exchange, element by element and in whole runs.
#include <gradcomp/comm/in_process.hpp>
#include <gradcomp/compress/random_block.hpp>
#include <gradcomp/compress/top_k.hpp>
#include <gradcomp/memory/ef.hpp>
#include <gradcomp/optim/momentum.hpp>
#include <gradcomp/policy_stack.hpp>
#include <gradcomp/reduce/all_gather.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

namespace gc = gradcomp;

namespace {

struct run_of {
    std::vector<double> x, owed;
    int failures = 0;
};

/// Steps of rate 1 on {1, 3, 2}; the largest of the three is sent.
template <class Memory> run_of run(const Memory& memory, int steps, std::uint32_t period, int bad_step = -1)
{
    run_of out{std::vector<double>(3), {}};
    gc::comm::run_ranks(1, [&](gc::comm::in_process communicator) {
        const gc::policy_stack stack{.compressor = gc::top_k{.k = 1}, .memory = memory, .reducer = gc::all_gather{communicator}, .period = period};
        auto exchange = stack.attach(gc::tensor_list{{"x", {3}}}, out.x);
        for (int t = 0; t < steps; ++t) {
            std::vector<double> gradient{1, 3, 2};
            if (t == bad_step) gradient[0] = std::numeric_limits<double>::quiet_NaN();
            try {
                exchange.step(gradient, 1);
            } catch (const gc::error&) {
                ++out.failures;
            }
        }
        out.owed.assign(exchange.error().begin(), exchange.error().end());
    });
    return out;
}

} // namespace

TEST_CASE("p = decay e + s d, and the guards are told that the rest is new")
{
    using direction = gc::plain_gradient::direction<double, false>;
    gc::recurrence_rule<double, double, direction, true, false, false> rule{direction(gc::plain_gradient{})};
    double e[] = {8};
    rule.in[rule.error_in] = e;
    rule.scale = 0.5;
    CHECK(rule.value(2, e) == 9);
    CHECK(rule.owed_at(0) == 8);
    rule.decay = 0.25;
    CHECK(rule.value(2, e) == 3);
    CHECK(rule.owed_at(0) == 2);
}

TEST_CASE("a share of what is owed is forgotten in each exchange, of the rest nothing")
{
    // p = {1, 3, 2}, e = {1, 0, 2}; then {0.5, 0, 1} + {1, 3, 2} = {1.5, 3, 3}, of which the first 3 is sent; then {0.75, 0, 1.5} + {1, 3, 2}
    const run_of all = run(gc::ef{.decay = 0.5}, 3, 1);
    CHECK(all.x == std::vector<double>{0, -6, -3.5});
    CHECK(all.owed == std::vector<double>{1.75, 3, 0});
}

TEST_CASE("with local steps the share is forgotten once an exchange, in the first step after it")
{
    // exchange 1: p = {2, 6, 4}, e = {2, 0, 4}; then {1, 0, 2} + {2, 6, 4} = {3, 6, 6}, e = {3, 0, 6}; then {1.5, 0, 3} + {2, 6, 4} = {3.5, 6, 7}
    const run_of all = run(gc::ef{.decay = 0.5}, 6, 2);
    CHECK(all.x == std::vector<double>{0, -12, -7});
    CHECK(all.owed == std::vector<double>{3.5, 6, 0});
}

TEST_CASE("a rejected step of a staged memory forgets nothing, one in place does, and loses nothing else")
{
    const run_of staged = run(gc::ef<gc::staged>{.decay = 0.5}, 3, 1, 1), untouched = run(gc::ef<gc::staged>{.decay = 0.5}, 2, 1);
    CHECK(staged.failures == 1);
    CHECK(staged.x == untouched.x);
    CHECK(staged.owed == untouched.owed);
    // in place: e = {1, 0, 2}; {0.5, 3, 3}, nothing was delivered; {1.25, 4.5, 3.5}
    const run_of in_place = run(gc::ef{.decay = 0.5}, 3, 1, 1);
    CHECK(in_place.failures == 1);
    CHECK(in_place.x == std::vector<double>{0, -7.5, 0});
    CHECK(in_place.owed == std::vector<double>{1.25, 0, 3.5});
}

TEST_CASE("a decay that would forget everything, or grow what is owed, is refused by name")
{
    for (const double decay : {0.0, -0.5, 1.0000001, std::numeric_limits<double>::quiet_NaN()}) {
        try {
            gc::ef{.decay = decay}.check();
            FAIL("accepted");
        } catch (const gc::error& e) {
            CHECK(e.code() == gc::error_code::invalid_option);
            CHECK(e.field() == "decay");
            CHECK(e.value() == gc::text_of(decay));
        }
    }
    CHECK_NOTHROW(gc::ef{.decay = 1}.check());
    CHECK_NOTHROW(gc::ef<gc::staged>{.decay = 1e-3}.check());
}
