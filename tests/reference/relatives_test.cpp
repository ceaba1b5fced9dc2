/// @file CSER in full, signs with a majority vote, and workers drawn for each round, against plain loops: 500 steps in double, step by step.
#include "psync_loop.hpp"
#include "relatives_loop.hpp"
#include "side_by_side.hpp"
#include "sgd_loop.hpp"

#include <gradcomp/stack/error_reset.hpp>

using namespace side_by_side;

TEST_CASE("signs with a majority vote follow signSGD's loop, with momentum Signum's, for odd and even numbers of voters")
{
    for (const int ranks : {1, 3, 4})
        for (const double beta : {0.0, 0.75}) {
            CAPTURE(ranks);
            CAPTURE(beta);
            reference::settings run = settings_of(ranks, 1);
            run.momentum = beta;
            const reference::quadratics problem = problem_of(90);
            const reference::trace plain = reference::majority_vote_loop(problem.start(), run, problem);
            const auto library = [&](auto reducer_of) {
                return run_library(problem.start(), run, problem, [&](gc::comm::in_process communicator) {
                    return gc::policy_stack{.compressor = gc::sign<gc::sign_scale::none>{}, .memory = gc::none_accepting_bias{}, .reducer = reducer_of(communicator),
                        .local = gc::momentum{.beta = beta, .dampened = true}, .server = gc::majority_vote{.weight_decay = run.weight_decay}};
                });
            };
            compare(library([](auto c) { return gc::all_gather{c}; }), plain, run, {.error = false});
            compare(library([](auto c) { return gc::gather_to_root{c}; }), plain, run, {.error = false});
        }
}

TEST_CASE("CSER follows its loop: steps through one compressor, every H exchanges the error through another")
{
    for (const int ranks : {1, 3})
        for (const int every : {1, 4}) {
            CAPTURE(ranks);
            CAPTURE(every);
            const reference::settings run = settings_of(ranks, 1);
            const reference::quadratics problem = problem_of(91);
            const auto library = [&](auto compressor, auto memory, auto reducer_of) {
                return run_library(problem.start(), run, problem, [&](gc::comm::in_process communicator) {
                    return gc::policy_stack{.compressor = compressor, .memory = memory, .reducer = reducer_of(communicator), .local = local, .seed = 5};
                });
            };
            const auto ring = [](auto c) { return gc::ring{c}; };
            const auto all_gather = [](auto c) { return gc::all_gather{c}; };
            const auto times = static_cast<std::uint32_t>(every);
            const auto blocks = plain_random_block(4, gc::stack::reset_seed(5), 1);
            compare(library(gc::random_block{.ratio = 8}, gc::cser{.reset = gc::random_block{.ratio = 4}, .every = times}, ring),
                reference::cser_loop(problem.start(), every, run, problem, plain_random_block(8, 5, 1), blocks), run, {.evaluated = "own"});
            compare(library(gc::top_k{.ratio = 8}, gc::cser<gc::top_k, gc::staged>{.reset = {.ratio = 4}, .every = times}, all_gather),
                reference::cser_loop(problem.start(), every, run, problem, plain_top_k(8), plain_top_k(4)), run, {.evaluated = "own"});
            compare(library(gc::top_k{.ratio = 8}, gc::cser{.reset = gc::random_block{.ratio = 4}, .every = times}, all_gather),
                reference::cser_loop(problem.start(), every, run, problem, plain_top_k(8), blocks), run, {.evaluated = "own"});
        }
}

TEST_CASE("CSER that sends nothing of its steps and resets each time is psync")
{
    const reference::settings run = settings_of(3, 1);
    const reference::quadratics problem = problem_of(92);
    compare(run_library(problem.start(), run, problem, [&](gc::comm::in_process communicator) {
        return gc::policy_stack{.compressor = gc::nothing{}, .memory = gc::cser{.reset = gc::top_k{.ratio = 4}}, .reducer = gc::all_gather{communicator}, .local = local};
    }), reference::psync_loop(problem.start(), run, problem, plain_top_k(4)), run, {.evaluated = "own"});
}

TEST_CASE("local SGD with workers drawn for each round follows its loop: who rests walks nowhere, and the mean is over the others")
{
    for (const int period : {1, 5}) {
        CAPTURE(period);
        reference::settings run = settings_of(4, period);
        run.weight_decay = 0;
        const reference::quadratics problem = problem_of(93);
        const gc::participation draw{.workers = 4, .drawn = 3, .seed = 9};
        const reference::trace plain = reference::drawn_sgd_loop(problem.start(),
            [&](int worker, int round) { return draw.takes_part(static_cast<std::size_t>(worker), static_cast<std::uint32_t>(round)); }, run, problem);
        std::vector<double> off(4);
        gc::comm::run_ranks(4, [&](gc::comm::in_process communicator) {
            const auto rank = static_cast<std::size_t>(communicator.rank());
            vector x = problem.start();
            auto exchange = gc::policy_stack{.compressor = gc::identity{}, .reducer = gc::ring{communicator}, .local = gc::momentum{.beta = 0.9},
                .server = gc::server_momentum{.beta = 0, .rate = draw.weight()}, .period = static_cast<std::uint32_t>(period)}.attach(tensors, x);
            for (int t = 0; t < run.steps; ++t) {
                const auto at = static_cast<std::size_t>(t);
                const bool takes_part = draw.takes_part(rank, static_cast<std::uint32_t>(t / period));
                const vector point(exchange.gradient_point().begin(), exchange.gradient_point().end());
                off[rank] = std::max({off[rank], reference::distance(plain.point[at][rank], point), reference::distance(plain.x[at], x)});
                if (!takes_part) std::ranges::fill(exchange.local_state(0), 0.0);
                exchange.step(takes_part ? problem(communicator.rank(), t, point) : reference::zeros(size), run.learning_rate(t));
            }
        });
        for (const double one : off) CHECK(one <= tolerance);
        CHECK(reference::distance(plain.x.front(), plain.x.back()) > 0.1);
    }
}

TEST_CASE("EControl, with and without averaged gradients, follows its loop: models, estimates, and the sum of what they missed")
{
    for (const double beta : {0.0, 0.75}) {
        CAPTURE(beta);
        reference::settings run = settings_of(3, 1);
        run.momentum = beta;
        const reference::quadratics problem = problem_of(95);
        const auto follows = [&](auto compressor, auto memory, auto reducer_of, const reference::compressor& plain_compressor) {
            const reference::econtrol_trace plain = reference::econtrol_loop(problem.start(), memory.eta_c, run, problem, plain_compressor);
            std::vector<double> off(3), largest(3);
            const library_trace library = run_library(problem.start(), run, problem, [&](gc::comm::in_process communicator) {
                return gc::policy_stack{.compressor = compressor, .memory = memory, .reducer = reducer_of(communicator),
                    .local = gc::momentum{.beta = beta, .dampened = true}, .server = gc::estimate{}, .seed = 5};
            }, [&](auto& exchange, int t, const gc::comm::in_process& communicator) {
                const auto rank = static_cast<std::size_t>(communicator.rank());
                const auto e = exchange.memory_state(0);
                off[rank] = std::max(off[rank], reference::distance(plain.missed[static_cast<std::size_t>(t)][rank], vector(e.begin(), e.end())));
                largest[rank] = std::max(largest[rank], reference::squared_norm(vector(e.begin(), e.end())));
            });
            compare(library, plain, run, {.points = false});
            for (const double one : off) CHECK(one <= tolerance);
            for (const double one : largest) CHECK(one > 1);
        };
        follows(gc::top_k{.ratio = 4}, gc::econtrol{.eta_c = 0.05}, [](auto c) { return gc::all_gather{c}; }, plain_top_k(4));
        follows(gc::top_k{.ratio = 4}, gc::econtrol<gc::staged>{.eta_c = 0.02}, [](auto c) { return gc::gather_to_root{c, 1}; }, plain_top_k(4));
        follows(gc::random_block{.ratio = 4}, gc::econtrol{.eta_c = 0.05}, [](auto c) { return gc::ring{c}; }, plain_random_block(4, 5, 1));
    }
}

TEST_CASE("LoCo follows its loop: a moving average of errors that is forgotten now and then")
{
    reference::settings run = settings_of(3, 1);
    run.weight_decay = 0;
    const reference::quadratics problem = problem_of(96);
    const auto follows = [&](auto compressor, auto memory, auto reducer_of, const reference::compressor& plain) {
        compare(run_library(problem.start(), run, problem, [&](gc::comm::in_process communicator) {
            return gc::policy_stack{.compressor = compressor, .memory = memory, .reducer = reducer_of(communicator), .local = gc::momentum{.beta = 0.9}, .seed = 5};
        }), reference::loco_loop(problem.start(), memory.beta, static_cast<int>(memory.reset_every), run, problem, plain), run, {.gradient_units = true});
    };
    const auto all_gather = [](auto c) { return gc::all_gather{c}; };
    follows(gc::top_k{.ratio = 4}, gc::loco{}, all_gather, plain_top_k(4));
    follows(gc::top_k{.ratio = 4}, gc::loco{.beta = 0.95, .reset_every = 64}, all_gather, plain_top_k(4));
    follows(gc::top_k{.ratio = 4}, gc::loco<gc::staged>{.reset_every = 64}, [](auto c) { return gc::gather_to_root{c, 2}; }, plain_top_k(4));
    follows(gc::random_block{.ratio = 4}, gc::loco{.beta = 0.5, .reset_every = 100}, [](auto c) { return gc::ring{c}; }, plain_random_block(4, 5, 1));
}

TEST_CASE("where workers differ, EControl comes to the minimum with exact gradients, as EF21 and unlike EF, and close to it with noisy ones, unlike EF21")
{
    constexpr int workers = 4, length = 3000;
    const auto ends_at = [&](double noise, auto memory, auto server) {
        const reference::quadratics problem{.size = 32, .seed = 94, .noise = noise}, exact{.size = 32, .seed = 94, .noise = 0};
        double squares = 0;
        int counted = 0;
        gc::comm::run_ranks(workers, [&](gc::comm::in_process communicator) {
            vector x = problem.start();
            auto exchange = gc::policy_stack{.compressor = gc::top_k{.ratio = 16}, .memory = memory, .reducer = gc::all_gather{communicator}, .server = server,
                .warn = nullptr}.attach(gc::tensor_list{{"x", {32}}}, x);
            for (int t = 0; t < length; ++t) {
                exchange.step(problem(communicator.rank(), t, x), 0.05);
                if (communicator.rank() != 0 || t < length * 3 / 4 || t % 10 != 0) continue;
                vector gradient = reference::zeros(32);
                for (int worker = 0; worker < workers; ++worker) reference::add(gradient, 1.0 / workers, exact(worker, 0, x));
                squares += reference::squared_norm(gradient);
                ++counted;
            }
        });
        return squares / counted; // of the mean gradient, over the last quarter of the run
    };
    const gc::econtrol control{.eta_c = 0.05};
    CHECK(ends_at(0, gc::ef{}, gc::descent{}) > 1e-4);
    CHECK(ends_at(0, gc::ef21{}, gc::estimate{}) < 1e-10);
    CHECK(ends_at(0, control, gc::estimate{}) < 1e-10);
    CHECK(ends_at(0.5, control, gc::estimate{}) < 0.5 * ends_at(0.5, gc::ef21{}, gc::estimate{}));
}
