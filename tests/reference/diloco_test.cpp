/// @file DiLoCo: local steps behind an outer Nesterov step, against its plain loop and against numbers worked out by hand.
#include "server_loop.hpp"
#include "sgd_loop.hpp"
#include "side_by_side.hpp"

using namespace side_by_side;

namespace {

constexpr reference::outer_step outer{.rate = 0.7, .momentum = 0.6};
const gc::server_momentum server{.beta = 0.6, .nesterov = true, .rate = 0.7, .units = gc::units::model};

/// The inner rate falls to 0 and comes back smaller; where the period divides 150 it is 0 at an exchange.
reference::settings falling(int ranks, int period)
{
    reference::settings run = settings_of(ranks, period);
    run.learning_rate = [](int t) { return t % 150 == 149 ? 0.0 : t < 300 ? 0.01 : 0.001; };
    return run;
}

} // namespace

TEST_CASE("DiLoCo: the outer Nesterov step follows its loop while the inner rate falls, and is 0 at some exchanges")
{
    for (const int period : {1, 3, 5})
        for (const bool nesterov : {true, false}) {
            CAPTURE(period);
            CAPTURE(nesterov);
            const reference::settings run = falling(3, period);
            const reference::quadratics problem = problem_of(94);
            const reference::outer_step how{.rate = 0.7, .momentum = 0.6, .nesterov = nesterov};
            gc::server_momentum rule = server;
            rule.nesterov = nesterov;
            const auto library = [&](auto compressor, auto memory, auto reducer_of) {
                return run_library(problem.start(), run, problem, [&](gc::comm::in_process communicator) {
                    return gc::policy_stack{.compressor = compressor, .memory = memory, .reducer = reducer_of(communicator), .local = local, .server = rule,
                        .period = static_cast<std::uint32_t>(period)};
                });
            };
            const reference::trace plain = reference::diloco_loop(problem.start(), how, run, problem);
            compare(library(gc::identity{}, gc::none{}, [](auto c) { return gc::ring{c}; }), plain, run, {.error = false});
            compare(library(gc::identity{}, gc::none<gc::staged>{}, [](auto c) { return gc::gather_to_root{c, 1}; }), plain, run, {.error = false});
            compare(library(gc::random_block{.ratio = 4}, gc::ef{}, [](auto c) { return gc::ring{c}; }),
                reference::diloco_loop(problem.start(), how, run, problem, plain_random_block(4, 1, period)), run, {});
        }
}

TEST_CASE("while the inner rate is constant a velocity in gradient units is the same, and it is not when the rate falls")
{
    const reference::quadratics problem = problem_of(95);
    const auto furthest_x = [&](const reference::settings& run, gc::units units) {
        gc::server_momentum rule = server;
        rule.units = units;
        const library_trace library = run_library(problem.start(), run, problem, [&](gc::comm::in_process communicator) {
            return gc::policy_stack{.compressor = gc::identity{}, .reducer = gc::ring{communicator}, .local = local, .server = rule, .period = 5};
        });
        const reference::trace plain = reference::diloco_loop(problem.start(), outer, run, problem);
        double off = 0;
        for (std::size_t t = 0; t < plain.x.size(); ++t) off = std::max(off, reference::distance(plain.x[t], library.x[t]));
        return off;
    };
    reference::settings run = settings_of(3, 5);
    CHECK(furthest_x(run, gc::units::model) <= tolerance);
    CHECK(furthest_x(run, gc::units::gradient) > 1e-3);
    run.learning_rate = [](int) { return 0.02; };
    CHECK(furthest_x(run, gc::units::model) <= tolerance);
    CHECK(furthest_x(run, gc::units::gradient) <= tolerance);
}

TEST_CASE("two outer steps by hand: gradient 1, two inner steps of 0.1 and then of 0.01, outer rate 0.7 and momentum 0.9")
{
    // Delta 0.2: v = 0.2, x = -0.7 (0.2 + 0.18) = -0.266; Delta 0.02: v = 0.18 + 0.02, x = -0.266 - 0.7 (0.02 + 0.18) = -0.406
    const reference::gradient_function ones = [](int, int, const vector& x) { return vector(x.size(), 1.0); };
    const reference::settings run{.workers = 1, .steps = 4, .period = 2, .learning_rate = [](int t) { return t < 2 ? 0.1 : 0.01; }};
    const reference::trace plain = reference::diloco_loop({0}, {.rate = 0.7, .momentum = 0.9}, run, ones);
    CHECK(plain.x[2][0] == doctest::Approx(-0.266));
    CHECK(plain.x[4][0] == doctest::Approx(-0.406));
    gc::comm::run_ranks(2, [&](gc::comm::in_process communicator) {
        vector x{0};
        auto exchange = gc::policy_stack{.compressor = gc::identity{}, .reducer = gc::ring{communicator}, .local = gc::momentum{.beta = 0},
            .server = gc::server_momentum{.beta = 0.9, .nesterov = true, .rate = 0.7, .units = gc::units::model}, .period = 2}.attach(gc::tensor_list{{"x", {1}}}, x);
        for (int t = 0; t < 4; ++t) exchange.step(vector{1.0}, run.learning_rate(t));
        CHECK(x[0] == doctest::Approx(-0.406));
        CHECK(exchange.server_state(0)[0] == doctest::Approx(0.2)); // in units of x
    });
}

TEST_CASE("the outer step with rate 1 and no momentum is local SGD")
{
    const reference::settings run = falling(4, 3);
    const reference::quadratics problem = problem_of(96);
    const reference::trace plain = reference::local_sgd_loop(problem.start(), run, problem);
    const reference::trace outermost = reference::diloco_loop(problem.start(), {.rate = 1, .momentum = 0}, run, problem);
    for (std::size_t t = 0; t < plain.x.size(); ++t) REQUIRE(reference::distance(plain.x[t], outermost.x[t]) <= tolerance);
    compare(run_library(problem.start(), run, problem, [&](gc::comm::in_process communicator) {
        return gc::policy_stack{.compressor = gc::identity{}, .reducer = gc::ring{communicator}, .local = local,
            .server = gc::server_momentum{.beta = 0, .units = gc::units::model}, .period = 3};
    }), plain, run, {.error = false});
}
