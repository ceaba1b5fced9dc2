/// @file Momentum correction: the masked rule element by element, and what a step leaves of the momentum.
#include <gradcomp/comm/in_process.hpp>
#include <gradcomp/compress/random_block.hpp>
#include <gradcomp/memory/momentum_correction.hpp>
#include <gradcomp/optim/momentum.hpp>
#include <gradcomp/policy_stack.hpp>
#include <gradcomp/reduce/ring.hpp>

#include <doctest/doctest.h>

#include <vector>

namespace gc = gradcomp;

TEST_CASE("the masked rule: e' = p - c as in the recurrence, and momentum 0 where something was sent")
{
    using direction = gc::momentum::direction<double, false>;
    gc::masked_rule<double, double, direction, true, false, false> rule{direction(gc::momentum{.beta = 0.5})};
    double m[] = {4, 4}, v[] = {3, 3};
    rule.in[0] = rule.out[0] = m;
    rule.in[rule.error_in] = rule.out[rule.error_out] = v;
    const double in[] = {4, 3}; // m, v; gradient 2: m' = 4, p = 3 + 4
    CHECK(rule.value(2, in) == 7);
    double out[2] = {};
    rule.leave(2, in, 7, 7, out);
    CHECK(out[0] == 0);
    CHECK(out[1] == 0);
    rule.leave(2, in, 7, 0, out); // nothing was sent
    CHECK(out[0] == 4);
    CHECK(out[1] == 7);
    rule.settle(0, 7, 0);
    rule.settle(1, 7, 7);
    CHECK(m[0] == 4);
    CHECK(v[0] == 7);
    CHECK(m[1] == 0);
    CHECK(v[1] == 0);
}

TEST_CASE("momentum correction keeps its memory in gradient units and takes gradients at x")
{
    const gc::momentum_correction memory{};
    CHECK(memory.units == gc::units::gradient);
    CHECK(memory.detachment() == 0);
    CHECK(memory.evaluation() == gc::evaluation_point::parameters);
    CHECK(!gc::momentum_correction<>::detached);
    CHECK(gc::momentum_correction<gc::staged>::storage::is_staged);
}

TEST_CASE("after a step, momentum and memory are 0 in the block that was sent and hold the gradient elsewhere")
{
    gc::comm::run_ranks(2, [](gc::comm::in_process communicator) {
        std::vector<float> x(64);
        const std::vector<float> gradient(64, 2.0f);
        const gc::policy_stack stack{.compressor = gc::random_block{.ratio = 4}, .memory = gc::momentum_correction{}, .reducer = gc::ring{communicator}, .local = gc::momentum{.beta = 0.5}};
        auto exchange = stack.attach({{"x", {64}}}, x);
        exchange.step(gradient, 0.25);
        std::size_t sent = 0, wrong = 0;
        for (std::size_t i = 0; i < 64; ++i) {
            const float left = x[i] != 0 ? 0.0f : 2.0f;
            sent += x[i] != 0;
            wrong += x[i] != 0 && x[i] != -0.5f;
            wrong += exchange.error()[i] != left || exchange.local_state(0)[i] != left;
        }
        CHECK(sent == 16);
        CHECK(wrong == 0);
    });
}
