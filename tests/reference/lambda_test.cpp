/// @file lambda chosen anew between steps: the library against the plain loop of DEF, by a schedule and by what the errors themselves say.
#include "def_loop.hpp"
#include "side_by_side.hpp"

#include <gradcomp/observe/moments.hpp>

using namespace side_by_side;

namespace {

/// EF at first, then half way, then nearly SAEF, then back.
double scheduled(int step) { return step < 90 ? 0.0 : step < 210 ? 0.5 : step < 360 ? 0.95 : 0.3; }

/// lambda* of the workers' errors, plainly: s^2 = sum |e_k - mean e|^2 / (K - 1), M^2 = |mean e|^2 - s^2 / K, lambda* = (M^2 + s^2 / K) / (M^2 + s^2).
double best(const std::vector<vector>& errors)
{
    const double workers = static_cast<double>(errors.size());
    const vector middle = reference::mean(errors);
    double scatter = 0;
    for (const vector& e : errors) scatter += reference::squared_norm(reference::sum(e, -1, middle)) / (workers - 1);
    const double common = std::max(0.0, reference::squared_norm(middle) - scatter / workers), all = common + scatter;
    return all > 0 ? (common + scatter / workers) / all : 1;
}

} // namespace

TEST_CASE("lambda by a schedule: the gradients after a change are taken at x - lambda e with the new one, staged and in place")
{
    for (const int period : {1, 3}) {
        CAPTURE(period);
        const reference::settings run = settings_of(3, period);
        const reference::quadratics problem = problem_of(97);
        const auto library = [&](auto compressor, auto memory, auto reducer_of) {
            return run_library(problem.start(), run, problem, [&](gc::comm::in_process communicator) {
                return gc::policy_stack{.compressor = compressor, .memory = memory, .reducer = reducer_of(communicator), .local = local,
                    .period = static_cast<std::uint32_t>(period), .seed = 5};
            }, [&](auto& exchange, int t, gc::comm::in_process) {
                if (exchange.lambda() != scheduled(t)) exchange.set_lambda(scheduled(t)); // 90, 210 and 360 are ends of rounds
                CHECK(exchange.lambda() == scheduled(t));
            });
        };
        const auto plain = [&](const reference::compressor& compress) {
            return reference::def_loop(problem.start(), [](int t, const std::vector<vector>&) { return scheduled(t); }, run, problem, compress);
        };
        compare(library(gc::random_block{.ratio = 4}, gc::def{.lambda = 0.8}, [](auto c) { return gc::ring{c}; }), plain(plain_random_block(4, 5, period)), run, {.evaluated = "mean"});
        compare(library(gc::random_block{.ratio = 4}, gc::def<gc::staged>{.lambda = 0.8}, [](auto c) { return gc::ring{c}; }), plain(plain_random_block(4, 5, period)), run, {.evaluated = "mean"});
        compare(library(gc::top_k{.ratio = 4}, gc::def_a{}, [](auto c) { return gc::gather_to_root{c, 1}; }), plain(plain_top_k(4)), run, {.evaluated = "x"});
    }
}

TEST_CASE("lambda* of what error_moments_of measured, applied every few exchanges, follows the loop that measures its own errors")
{
    constexpr int every = 15;
    const reference::settings run = settings_of(3, 3);
    const reference::quadratics problem = problem_of(98);
    double lambda = 0.3, least = 1, most = 0;
    const reference::trace plain = reference::def_loop(problem.start(), [&](int t, const std::vector<vector>& errors) {
        if (t > 0 && t % every == 0) {
            lambda = best(errors);
            least = std::min(least, lambda);
            most = std::max(most, lambda);
        }
        return lambda;
    }, run, problem, plain_random_block(4, 5, 3));
    const auto library = [&](gc::units units) {
        return run_library(problem.start(), run, problem, [&](gc::comm::in_process communicator) {
            return gc::policy_stack{.compressor = gc::random_block{.ratio = 4}, .memory = gc::def{.lambda = 0.3, .units = units}, .reducer = gc::ring{communicator},
                .local = local, .period = 3, .seed = 5};
        }, [](auto& exchange, int t, gc::comm::in_process communicator) {
            if (t > 0 && t % every == 0) exchange.set_lambda(gc::theory::best_detachment(gc::error_moments_of(communicator, exchange.error())));
        });
    };
    compare(library(gc::units::model), plain, run, {.evaluated = "mean"});
    CHECK(least > 0.3); // it was a choice: neither an end of the range nor one value
    CHECK(most < 1);
    CHECK(most - least > 0.05);
}
