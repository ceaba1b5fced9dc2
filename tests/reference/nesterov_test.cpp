/// @file Nesterov's local momentum: CSER as its paper has it, against its plain loop.
#include "psync_loop.hpp"
#include "side_by_side.hpp"

#include <gradcomp/stack/error_reset.hpp>

using namespace side_by_side;

TEST_CASE("CSER with Nesterov's momentum follows its loop, staged and in place")
{
    for (const int ranks : {1, 3})
        for (const int every : {1, 4}) {
            CAPTURE(ranks);
            CAPTURE(every);
            reference::settings run = settings_of(ranks, 1);
            run.nesterov = true;
            const reference::quadratics problem = problem_of(99);
            const auto library = [&](auto memory, auto reducer_of) {
                return run_library(problem.start(), run, problem, [&](gc::comm::in_process communicator) {
                    return gc::policy_stack{.compressor = gc::random_block{.ratio = 8}, .memory = memory, .reducer = reducer_of(communicator),
                        .local = gc::nesterov_momentum{.beta = 0.9, .weight_decay = 1e-3}, .seed = 5};
                });
            };
            const auto times = static_cast<std::uint32_t>(every);
            const auto blocks = plain_random_block(4, gc::stack::reset_seed(5), 1);
            const reference::trace plain = reference::cser_loop(problem.start(), every, run, problem, plain_random_block(8, 5, 1), blocks);
            compare(library(gc::cser{.reset = gc::random_block{.ratio = 4}, .every = times}, [](auto c) { return gc::ring{c}; }), plain, run, {.evaluated = "own"});
            compare(library(gc::cser<gc::random_block, gc::staged>{.reset = {.ratio = 4}, .every = times}, [](auto c) { return gc::all_gather{c}; }), plain, run, {.evaluated = "own"});
            run.nesterov = false; // the look ahead is what the comparison sees
            const reference::trace heavy = reference::cser_loop(problem.start(), every, run, problem, plain_random_block(8, 5, 1), blocks);
            CHECK(reference::distance(plain.x.back(), heavy.x.back()) > 1e-4);
        }
}
