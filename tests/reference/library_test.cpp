/// @file The library against the plain transcriptions of the papers' loops: 500 steps in double, step by step.
#include "adaptive_loop.hpp"
#include "def_loop.hpp"
#include "error_feedback.hpp"
#include "psync_loop.hpp"
#include "relatives_loop.hpp"
#include "saef_loop.hpp"
#include "server_loop.hpp"
#include "sgd_loop.hpp"
#include "side_by_side.hpp"

using namespace side_by_side;

namespace {

/// What the transcription does for a memory.
template <class Loop> void follows(auto memory, compare_options options, Loop loop)
{
    for (const int period : {1, 3})
        for (const int ranks : {1, 3}) {
            CAPTURE(period);
            CAPTURE(ranks);
            const reference::settings run = settings_of(ranks, period);
            const reference::quadratics problem = problem_of(static_cast<std::uint64_t>(10 * ranks + period));
            const vector start = problem.start();
            {
                INFO("random_block over a ring");
                compare(run_library(start, run, problem, [&](gc::comm::in_process communicator) {
                    return gc::policy_stack{.compressor = gc::random_block{.ratio = 4}, .memory = memory, .reducer = gc::ring{communicator}, .local = local,
                        .period = static_cast<std::uint32_t>(period), .seed = 5};
                }), loop(start, run, problem, plain_random_block(4, 5, period)), run, options);
            }
            {
                INFO("top_k, gathered by all");
                compare(run_library(start, run, problem, [&](gc::comm::in_process communicator) {
                    return gc::policy_stack{.compressor = gc::top_k{.ratio = 4}, .memory = memory, .reducer = gc::all_gather{communicator}, .local = local,
                        .period = static_cast<std::uint32_t>(period), .seed = 5};
                }), loop(start, run, problem, plain_top_k(4)), run, options);
            }
        }
}

auto def_of(double lambda)
{
    return [lambda](const vector& start, const reference::settings& run, const reference::gradient_function& gradient, const reference::compressor& compress) {
        return reference::def_loop(start, lambda, run, gradient, compress);
    };
}
auto saef_of(int averaging)
{
    return [averaging](const vector& start, const reference::settings& run, const reference::gradient_function& gradient, const reference::compressor& compress) {
        return reference::saef_loop(start, averaging, run, gradient, compress);
    };
}

} // namespace

TEST_CASE("ef follows the plain loop")
{
    follows(gc::ef{}, {}, reference::ef_loop);
}
TEST_CASE("def follows the plain loop and evaluates x - mean e, for any lambda")
{
    for (const double lambda : {0.0, 0.3, 1.0}) {
        CAPTURE(lambda);
        follows(gc::def{.lambda = lambda}, {.evaluated = "mean"}, def_of(lambda));
    }
}
TEST_CASE("def_a trains as def and evaluates x")
{
    follows(gc::def_a{.lambda = 0.6}, {.evaluated = "x"}, def_of(0.6));
}
TEST_CASE("saef follows the plain loop, with and without averaged errors")
{
    for (const int averaging : {0, 4}) {
        CAPTURE(averaging);
        follows(gc::saef{.averaging_period = static_cast<std::uint32_t>(averaging)}, {}, saef_of(averaging));
    }
}
TEST_CASE("psync follows the plain loop of CSER and evaluates every rank's own model")
{
    follows(gc::psync{}, {.evaluated = "own"}, reference::psync_loop);
}
TEST_CASE("a stack without memory follows the plain loop")
{
    follows(gc::none_accepting_bias{}, {.error = false}, reference::no_memory_loop);
}

TEST_CASE("staged memory follows the same loops")
{
    for (const int period : {1, 3}) {
        CAPTURE(period);
        const reference::settings run = settings_of(2, period);
        const reference::quadratics problem = problem_of(77);
        const auto library = [&](auto memory) {
            return run_library(problem.start(), run, problem, [&](gc::comm::in_process communicator) {
                return gc::policy_stack{.compressor = gc::top_k{.ratio = 4}, .memory = memory, .reducer = gc::all_gather{communicator}, .local = local,
                    .period = static_cast<std::uint32_t>(period)};
            });
        };
        compare(library(gc::def<gc::staged>{.lambda = 0.3}), reference::def_loop(problem.start(), 0.3, run, problem, plain_top_k(4)), run, {.evaluated = "mean"});
        compare(library(gc::ef<gc::staged>{}), reference::ef_loop(problem.start(), run, problem, plain_top_k(4)), run, {});
        compare(library(gc::saef<gc::staged>{.averaging_period = 3}), reference::saef_loop(problem.start(), 3, run, problem, plain_top_k(4)), run, {});
    }
}

TEST_CASE("a root that gathers, averages and updates follows the same loops, whichever rank it is")
{
    for (const int root : {0, 3}) {
        CAPTURE(root);
        const reference::settings run = settings_of(4, 3);
        const reference::quadratics problem = problem_of(78);
        const auto library = [&](auto memory) {
            return run_library(problem.start(), run, problem, [&](gc::comm::in_process communicator) {
                return gc::policy_stack{.compressor = gc::top_k{.ratio = 4}, .memory = memory, .reducer = gc::gather_to_root{communicator, root}, .local = local, .period = 3};
            });
        };
        compare(library(gc::def{.lambda = 0.3}), reference::def_loop(problem.start(), 0.3, run, problem, plain_top_k(4)), run, {.evaluated = "mean"});
        compare(library(gc::psync{}), reference::psync_loop(problem.start(), run, problem, plain_top_k(4)), run, {.evaluated = "own"});
    }
}

TEST_CASE("plain SGD with momentum is the identity compressor without memory")
{
    for (const int ranks : {1, 4}) {
        const reference::settings run = settings_of(ranks, 1);
        const reference::quadratics problem = problem_of(79);
        // Momentum of the mean is the mean of momenta, so rounding alone tells them apart.
        compare(run_library(problem.start(), run, problem, [&](gc::comm::in_process communicator) {
            return gc::policy_stack{.compressor = gc::identity{}, .reducer = gc::ring{communicator}, .local = local};
        }), reference::sgd_loop(problem.start(), run, problem), run, {.error = false});
    }
}

TEST_CASE("local SGD is the identity compressor with a period")
{
    for (const int period : {1, 3}) {
        const reference::settings run = settings_of(4, period);
        const reference::quadratics problem = problem_of(80);
        const reference::trace plain = reference::local_sgd_loop(problem.start(), run, problem);
        compare(run_library(problem.start(), run, problem, [&](gc::comm::in_process communicator) {
            return gc::policy_stack{.compressor = gc::identity{}, .reducer = gc::ring{communicator}, .local = local, .period = static_cast<std::uint32_t>(period)};
        }), plain, run, {.error = false});
        compare(run_library(problem.start(), run, problem, [&](gc::comm::in_process communicator) {
            return gc::policy_stack{.compressor = gc::identity{}, .memory = gc::ef{}, .reducer = gc::gather_to_root{communicator}, .local = local,
                .period = static_cast<std::uint32_t>(period)};
        }), plain, run, {});
    }
}

TEST_CASE("psync is saef without averaging, bit for bit, but for the point it evaluates")
{
    const reference::settings run = settings_of(3, 3);
    const reference::quadratics problem = problem_of(81);
    const auto library = [&](auto memory) {
        return run_library(problem.start(), run, problem, [&](gc::comm::in_process communicator) {
            return gc::policy_stack{.compressor = gc::random_block{.ratio = 8}, .memory = memory, .reducer = gc::ring{communicator}, .local = local, .period = 3};
        });
    };
    const library_trace psync = library(gc::psync{}), saef = library(gc::saef{});
    CHECK(psync.x == saef.x);
    CHECK(psync.error == saef.error);
    CHECK(psync.point == saef.point);
    CHECK(psync.own == saef.own);
    CHECK(psync.evaluated == psync.own);
    CHECK(saef.evaluated[0][0] == saef.x[0]);
    CHECK(saef.evaluated[21][1] == saef.x[21]);
    CHECK(psync.evaluated[21][1] != saef.evaluated[21][1]);
}

TEST_CASE("iterate averaging is def_a with delta_scaling, lambda 1 and one rank")
{
    const reference::settings run = settings_of(1, 1);
    const reference::quadratics problem = problem_of(82);
    const reference::trace plain = reference::iterate_averaging_loop(problem.start(), 0.15, run, problem);
    const library_trace library = run_library(problem.start(), run, problem, [&](gc::comm::in_process communicator) {
        return gc::policy_stack{.compressor = gc::delta_scaling{.delta = 0.15}, .memory = gc::def_a{.lambda = 1}, .reducer = gc::ring{communicator}, .local = local};
    });
    double x = 0, point = 0;
    for (std::size_t t = 0; t < plain.x.size(); ++t) x = std::max(x, reference::distance(plain.x[t], library.x[t]));
    for (std::size_t t = 0; t < plain.point.size(); ++t) point = std::max(point, furthest(plain.point[t], library.point[t]));
    CHECK(x <= tolerance);
    CHECK(point <= tolerance);
    CHECK(library.evaluated[490][0] == library.x[490]);
}

TEST_CASE("y = x - mean e moves by eta times the mean local momentum, for any lambda and any compressor")
{
    const auto holds = [](auto memory, auto compressor, int ranks) {
        const reference::settings run = settings_of(ranks, 1);
        const reference::quadratics problem = problem_of(83);
        const library_trace library = run_library(problem.start(), run, problem, [&](gc::comm::in_process communicator) {
            return gc::policy_stack{.compressor = compressor, .memory = memory, .reducer = gc::all_gather{communicator}, .local = local};
        });
        std::vector<vector> m = reference::zeros(ranks, size);
        double off = 0;
        for (int t = 0; t < run.steps; ++t) {
            const auto at = static_cast<std::size_t>(t);
            for (int k = 0; k < ranks; ++k)
                reference::local_momentum(m[static_cast<std::size_t>(k)], run, problem, k, t, library.point[at][static_cast<std::size_t>(k)]);
            const vector now = reference::sum(library.x[at], -1, reference::mean(library.error[at]));
            const vector next = reference::sum(library.x[at + 1], -1, reference::mean(library.error[at + 1]));
            off = std::max(off, reference::distance(reference::sum(now, -run.learning_rate(t), reference::mean(m)), next));
        }
        CHECK(off <= 1e-13);
    };
    for (const double lambda : {0.0, 0.3, 0.7, 1.0}) {
        CAPTURE(lambda);
        holds(gc::def{.lambda = lambda}, gc::top_k{.ratio = 16}, 4);
        holds(gc::def{.lambda = lambda}, gc::rand_k<gc::indices::own, gc::scaling::none>{.ratio = 6}, 2);
        holds(gc::def{.lambda = lambda}, gc::by_tensor{gc::vectors(gc::identity{}), gc::otherwise(gc::random_block{.ratio = 9})}, 3);
        holds(gc::def{.lambda = lambda}, gc::delta_scaling{.delta = 0.2}, 1);
    }
}

TEST_CASE("gradient units follow the plain loop through drops of the learning rate, and equal model units while it is constant")
{
    reference::settings run = settings_of(3, 1);
    const reference::quadratics problem = problem_of(84);
    const auto library = [&](gc::units units) {
        return run_library(problem.start(), run, problem, [&](gc::comm::in_process communicator) {
            return gc::policy_stack{.compressor = gc::top_k{.ratio = 4}, .memory = gc::ef{.units = units}, .reducer = gc::all_gather{communicator}, .local = local};
        });
    };
    const auto furthest_x = [](const reference::trace& a, const reference::trace& b) {
        double off = 0;
        for (std::size_t t = 0; t < a.x.size(); ++t) off = std::max(off, reference::distance(a.x[t], b.x[t]));
        return off;
    };
    const reference::trace plain = reference::ef_gradient_units_loop(problem.start(), run, problem, plain_top_k(4));
    const library_trace dropping = library(gc::units::gradient);
    CHECK(furthest_x(plain, dropping) <= tolerance);
    for (std::size_t t = 0; t < plain.error.size(); ++t) REQUIRE(furthest(plain.error[t], dropping.error[t]) <= tolerance);
    // evaluate_at() speaks of models, so it turns e by the last learning rate.
    const vector mean = reference::sum(plain.x[497], -0.004, reference::mean(plain.error[497]));
    CHECK(reference::distance(mean, dropping.corrected[497][0]) <= tolerance);
    CHECK(furthest_x(library(gc::units::model), dropping) > 1e-6); // the drop is what tells them apart

    run.learning_rate = [](int) { return 0.02; };
    const library_trace model = library(gc::units::model), gradient = library(gc::units::gradient);
    CHECK(furthest_x(model, gradient) <= tolerance);
    const auto detached = [&](gc::units units) {
        return run_library(problem.start(), run, problem, [&](gc::comm::in_process communicator) {
            return gc::policy_stack{.compressor = gc::random_block{.ratio = 4}, .memory = gc::def{.lambda = 0.3, .units = units}, .reducer = gc::ring{communicator},
                .local = local, .period = 3};
        });
    };
    CHECK(furthest_x(detached(gc::units::model), detached(gc::units::gradient)) <= tolerance);
}

TEST_CASE("momentum after reduction follows the plain loop")
{
    for (const bool nesterov : {false, true}) {
        CAPTURE(nesterov);
        reference::settings run = settings_of(3, 1);
        run.weight_decay = 0;
        const reference::quadratics problem = problem_of(85);
        const reference::trace plain = reference::server_momentum_loop(problem.start(), nesterov, run, problem, plain_top_k(4));
        const auto library = [&](auto memory, auto reducer_of) {
            return run_library(problem.start(), run, problem, [&](gc::comm::in_process communicator) {
                return gc::policy_stack{.compressor = gc::top_k{.ratio = 4}, .memory = memory, .reducer = reducer_of(communicator),
                    .server = gc::server_momentum{.beta = 0.9, .nesterov = nesterov}};
            });
        };
        compare(library(gc::ef{}, [](auto communicator) { return gc::all_gather{communicator}; }), plain, run, {});
        compare(library(gc::ef<gc::staged>{}, [](auto communicator) { return gc::gather_to_root{communicator, 1}; }), plain, run, {});
    }
}

TEST_CASE("AMSGrad on the server follows SPARS-AMS's loop, and every way of gathering gives the same bits")
{
    for (const bool inside : {true, false}) {
        CAPTURE(inside);
        const reference::settings run = settings_of(3, 1);
        const reference::quadratics problem = problem_of(86);
        const reference::moments moments{.beta1 = 0.8, .beta2 = 0.9, .epsilon = 1e-3, .inside = inside};
        const reference::trace plain = reference::comp_ams_loop(problem.start(), moments, run, problem, plain_top_k(4));
        const auto library = [&](auto memory, auto reducer_of) {
            return run_library(problem.start(), run, problem, [&](gc::comm::in_process communicator) {
                return gc::policy_stack{.compressor = gc::top_k{.ratio = 4}, .memory = memory, .reducer = reducer_of(communicator),
                    .server = gc::amsgrad{.beta1 = 0.8, .beta2 = 0.9, .epsilon = 1e-3,
                        .place = inside ? gc::epsilon_place::inside_root : gc::epsilon_place::outside_root}};
            });
        };
        const library_trace everywhere = library(gc::ef{.units = gc::units::gradient}, [](auto communicator) { return gc::all_gather{communicator}; });
        const library_trace rooted = library(gc::ef<gc::staged>{.units = gc::units::gradient}, [](auto communicator) { return gc::gather_to_root{communicator, 1}; });
        compare(everywhere, plain, run, {.gradient_units = true});
        compare(rooted, plain, run, {.gradient_units = true});
        CHECK(everywhere.x == rooted.x);
    }
}

TEST_CASE("Adam before compression follows QAdam's loop, also where nothing is remembered of what was not sent")
{
    const reference::settings run = settings_of(3, 1);
    const reference::quadratics problem = problem_of(87);
    const reference::moments moments{.beta1 = 0.8, .beta2 = 0.9, .epsilon = 1e-3};
    const gc::adam adam_first{.beta1 = 0.8, .beta2 = 0.9, .epsilon = 1e-3};
    const auto library = [&](auto compressor, auto memory) {
        return run_library(problem.start(), run, problem, [&](gc::comm::in_process communicator) {
            return gc::policy_stack{.compressor = compressor, .memory = memory, .reducer = gc::all_gather{communicator}, .local = adam_first};
        });
    };
    compare(library(gc::top_k{.ratio = 4}, gc::ef{}), reference::q_adam_loop(problem.start(), moments, run, problem, plain_top_k(4)), run, {});
    const auto all_of_it = [](const vector& v, int, int) { return v; };
    compare(library(gc::identity{}, gc::none{}), reference::q_adam_loop(problem.start(), moments, run, problem, all_of_it), run, {.error = false});
}

TEST_CASE("1-bit Adam's loop: a warm-up, then compressed momentum with what the warm-up left")
{
    constexpr int warm_up = 50;
    const reference::settings run = settings_of(3, 1);
    const reference::quadratics problem = problem_of(89);
    const reference::moments moments{.beta1 = 0.8, .beta2 = 0.9, .epsilon = 1e-3};
    const reference::trace plain = reference::one_bit_adam_loop(problem.start(), moments, warm_up, run, problem, plain_top_k(4));
    double x_off = 0, error_off = 0;
    gc::comm::run_ranks(run.workers, [&](gc::comm::in_process communicator) {
        const auto rank = static_cast<std::size_t>(communicator.rank());
        vector x = problem.start();
        const gc::server_adam adam{.beta1 = 0.8, .beta2 = 0.9, .epsilon = 1e-3};
        gc::server_adam later = adam;
        later.frozen = true;
        auto warm = gc::policy_stack{.compressor = gc::identity{}, .reducer = gc::all_gather{communicator}, .server = adam}.attach(tensors, x);
        auto cold = gc::policy_stack{.compressor = gc::top_k{.ratio = 4}, .memory = gc::ef{.units = gc::units::gradient}, .reducer = gc::all_gather{communicator},
            .local = gc::momentum{.beta = 0.8, .dampened = true}, .server = later}.attach(tensors, x);
        const auto copy = [](std::span<const double> from, std::span<double> to) { std::copy(from.begin(), from.end(), to.begin()); };
        for (int t = 0; t < run.steps; ++t) {
            const vector g = problem(communicator.rank(), t, x);
            if (t < warm_up) warm.step(g, run.learning_rate(t));
            else cold.step(g, run.learning_rate(t));
            if (t + 1 == warm_up) {
                copy(warm.server_state(0), cold.local_state(0));
                copy(warm.server_state(1), cold.server_state(1));
            }
            if (t >= warm_up) copy(cold.server_state(0), cold.local_state(0));
            const auto at = static_cast<std::size_t>(t) + 1;
            const double error = reference::distance(plain.error[at][rank], vector(cold.error().begin(), cold.error().end()));
            communicator.barrier();
            for (int turn = 0; turn < run.workers; ++turn) {
                if (turn == communicator.rank()) {
                    x_off = std::max(x_off, reference::distance(plain.x[at], x));
                    error_off = std::max(error_off, error);
                }
                communicator.barrier();
            }
        }
    });
    CHECK(x_off <= tolerance);
    CHECK(error_off <= tolerance);
    CHECK(reference::distance(plain.x[warm_up], plain.x.back()) > 0.1);
}

TEST_CASE("EF21, with and without averaged gradients, follows its loop")
{
    for (const double beta : {0.0, 0.75}) {
        CAPTURE(beta);
        reference::settings run = settings_of(3, 1);
        run.momentum = beta;
        const reference::quadratics problem = problem_of(88);
        const auto library = [&](auto compressor, auto memory, auto reducer_of) {
            return run_library(problem.start(), run, problem, [&](gc::comm::in_process communicator) {
                return gc::policy_stack{.compressor = compressor, .memory = memory, .reducer = reducer_of(communicator),
                    .local = gc::momentum{.beta = beta, .dampened = true}, .server = gc::estimate{}, .seed = 5};
            });
        };
        const reference::trace top = reference::ef21_loop(problem.start(), run, problem, plain_top_k(4));
        compare(library(gc::top_k{.ratio = 4}, gc::ef21{}, [](auto c) { return gc::all_gather{c}; }), top, run, {.points = false});
        compare(library(gc::top_k{.ratio = 4}, gc::ef21<gc::staged>{}, [](auto c) { return gc::gather_to_root{c, 1}; }), top, run, {.points = false});
        compare(library(gc::random_block{.ratio = 4}, gc::ef21{}, [](auto c) { return gc::ring{c}; }),
            reference::ef21_loop(problem.start(), run, problem, plain_random_block(4, 5, 1)), run, {.points = false});
    }
}

TEST_CASE("momentum correction follows its loop: what was sent forgets its momentum")
{
    reference::settings run = settings_of(3, 1);
    run.weight_decay = 0;
    const reference::quadratics problem = problem_of(89);
    const auto library = [&](auto compressor, auto memory, auto reducer_of) {
        return run_library(problem.start(), run, problem, [&](gc::comm::in_process communicator) {
            return gc::policy_stack{.compressor = compressor, .memory = memory, .reducer = reducer_of(communicator), .local = gc::momentum{.beta = 0.9}, .seed = 5};
        });
    };
    const reference::trace top = reference::momentum_correction_loop(problem.start(), run, problem, plain_top_k(4));
    compare(library(gc::top_k{.ratio = 4}, gc::momentum_correction{}, [](auto c) { return gc::all_gather{c}; }), top, run, {.gradient_units = true});
    compare(library(gc::top_k{.ratio = 4}, gc::momentum_correction<gc::staged>{}, [](auto c) { return gc::gather_to_root{c, 2}; }), top, run, {.gradient_units = true});
    compare(library(gc::random_block{.ratio = 4}, gc::momentum_correction{}, [](auto c) { return gc::ring{c}; }),
        reference::momentum_correction_loop(problem.start(), run, problem, plain_random_block(4, 5, 1)), run, {.gradient_units = true});
}
