/// @file SparseLoCo: local steps, a decaying memory and a chunk-wise top-k in two bits, against its plain loop: 500 steps in double, step by step.
#include "chunked_loop.hpp"
#include "side_by_side.hpp"

using namespace side_by_side;

namespace {

constexpr double decay = 0.95, outer_rate = 0.8;

} // namespace

TEST_CASE("SparseLoCo follows its loop: chunks of 8, 2 of each in two bits, errors that decay once an exchange, an outer rate")
{
    const gc::chunked_top_k largest{.k = 2, .chunk = 8};
    const auto plain_chunks = per_tensor([](std::size_t) { return reference::chunked_top_k(2, 8); });
    const auto plain_codes = per_tensor([](std::size_t) -> reference::compressor {
        return [](const vector& v, int worker, int step) { return reference::two_bits(reference::chunked_top_k(2, 8)(v, worker, step), 8); };
    });
    for (const int ranks : {1, 3})
        for (const int period : {1, 5}) {
            CAPTURE(ranks);
            CAPTURE(period);
            const reference::settings run = settings_of(ranks, period);
            const reference::quadratics problem = problem_of(97);
            const auto library = [&](auto compressor, auto memory) {
                return run_library(problem.start(), run, problem, [&](gc::comm::in_process communicator) {
                    return gc::policy_stack{.compressor = compressor, .memory = memory, .reducer = gc::all_gather{communicator}, .local = local,
                        .server = gc::server_momentum{.beta = 0, .rate = outer_rate, .units = gc::units::model}, .period = static_cast<std::uint32_t>(period)};
                });
            };
            compare(library(largest, gc::ef{.decay = decay}), reference::sparse_loco_loop(problem.start(), decay, outer_rate, run, problem, plain_chunks), run, {.points = false});
            compare(library(gc::chain{largest, gc::min_max<gc::rounding::nearest>{.bits = 2, .bucket = 8}}, gc::ef<gc::staged>{.decay = decay}),
                reference::sparse_loco_loop(problem.start(), decay, outer_rate, run, problem, plain_codes), run, {.points = false});
        }
}

TEST_CASE("without decay and with an outer rate of 1 it is error feedback behind local steps")
{
    const reference::settings run = settings_of(2, 3);
    const reference::quadratics problem = problem_of(98);
    const reference::trace plain = reference::sparse_loco_loop(problem.start(), 1, 1, run, problem, plain_top_k(4));
    compare(run_library(problem.start(), run, problem, [&](gc::comm::in_process communicator) {
        return gc::policy_stack{.compressor = gc::top_k{.ratio = 4}, .memory = gc::ef{}, .reducer = gc::all_gather{communicator}, .local = local, .period = 3};
    }), plain, run, {.points = false});
}
