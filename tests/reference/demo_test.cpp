/// @file DeMo: a decaying memory, cosine coefficients averaged over those that sent them, and their signs, against its plain loop: 500 steps in double, step by step.
#include "chunked_loop.hpp"
#include "error_feedback.hpp"
#include "side_by_side.hpp"

using namespace side_by_side;

namespace {

constexpr std::size_t side = 7, sent_of_each = 3;
const gc::dct_top_k<gc::coefficient_mean::contributors> largest{.k = sent_of_each, .chunk = side};

/// Sides of the chunks: 4 x 7 of the matrix, 5 of the bias, 1 of the scale and of the last tensor, whose 13 elements have no larger divisor.
reference::compressor chunks_of(std::size_t tensor, bool back)
{
    const std::size_t height = tensor == 0 ? 4 : 1, width = tensor == 0 ? 7 : tensor == 1 ? 5 : 1;
    return [=](const vector& v, int, int) { return reference::cosine_chunks(v, height, width, back); };
}
const reference::compressor forward = per_tensor([](std::size_t t) { return chunks_of(t, false); }), back = per_tensor([](std::size_t t) { return chunks_of(t, true); });
const reference::compressor choose = per_tensor([](std::size_t t) { return reference::chunked_top_k(sent_of_each, t == 0 ? 28 : t == 1 ? 5 : 1); });

} // namespace

TEST_CASE("DeMo follows its loop")
{
    for (const int ranks : {1, 3})
        for (const double decay : {0.75, 0.999}) {
            CAPTURE(ranks);
            CAPTURE(decay);
            const reference::settings run = settings_of(ranks, 1);
            const reference::quadratics problem = problem_of(99);
            const reference::trace plain = reference::demo_loop(problem.start(), decay, run, problem, forward, choose, back);
            const auto library = [&](auto memory, auto reducer_of) {
                return run_library(problem.start(), run, problem, [&](gc::comm::in_process communicator) {
                    return gc::policy_stack{.compressor = largest, .memory = memory, .reducer = reducer_of(communicator), .server = gc::majority_vote{.weight_decay = run.weight_decay}};
                });
            };
            compare(library(gc::ef{.decay = decay}, [](auto c) { return gc::all_gather{c}; }), plain, run, {.points = false});
            compare(library(gc::ef<gc::staged>{.decay = decay}, [](auto c) { return gc::gather_to_root{c}; }), plain, run, {.points = false});
        }
}

TEST_CASE("cosine coefficients behind plain error feedback follow its loop: the sum over ranks is that of what each one sent")
{
    const reference::settings run = settings_of(3, 1);
    const reference::quadratics problem = problem_of(100);
    const reference::compressor compress = [](const vector& v, int worker, int step) { return back(choose(forward(v, worker, step), worker, step), worker, step); };
    const gc::dct_top_k<> summed{.k = sent_of_each, .chunk = side};
    compare(run_library(problem.start(), run, problem, [&](gc::comm::in_process communicator) {
        return gc::policy_stack{.compressor = summed, .memory = gc::ef{}, .reducer = gc::all_gather{communicator}, .local = local};
    }), reference::ef_loop(problem.start(), run, problem, compress), run, {});
}
