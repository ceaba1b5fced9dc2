/// @file The plain transcriptions against each other and against closed forms; nothing of the library takes part.
#include "compressors.hpp"
#include "def_loop.hpp"
#include "error_feedback.hpp"
#include "problem.hpp"
#include "psync_loop.hpp"
#include "saef_loop.hpp"
#include "sgd_loop.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

using namespace reference;

namespace {

constexpr double close = 1e-12;

/// 500 steps with momentum, weight decay, three local steps per exchange and a drop of the learning rate.
settings hard_run(int workers = 4)
{
    return {.workers = workers, .steps = 500, .period = 3, .momentum = 0.9, .weight_decay = 1e-3,
        .learning_rate = [](int step) { return step < 250 ? 0.02 : 0.002; }};
}

settings plain_run(int workers, int steps, double eta)
{
    return {.workers = workers, .steps = steps, .learning_rate = [eta](int) { return eta; }};
}

std::vector<std::pair<std::string, compressor>> all_compressors()
{
    return {{"identity", identity()}, {"delta_scaling", delta_scaling(0.25)}, {"top_k", top_k(3)}, {"random_run", random_run(4, 7)},
        {"own_random", own_random(0.3, 9)}};
}

/// The largest distance between the models, over all steps.
double apart(const std::vector<vector>& a, const std::vector<vector>& b)
{
    REQUIRE(a.size() == b.size());
    double out = 0;
    for (std::size_t t = 0; t < a.size(); ++t) out = std::max(out, distance(a[t], b[t]));
    return out;
}

double apart(const std::vector<std::vector<vector>>& a, const std::vector<std::vector<vector>>& b)
{
    REQUIRE(a.size() == b.size());
    double out = 0;
    for (std::size_t t = 0; t < a.size(); ++t) out = std::max(out, apart(a[t], b[t]));
    return out;
}

/// The mean over the last steps of the suboptimality at y = x - mean e, infinite once it is no number.
double final_suboptimality(const quadratics& problem, const trace& run)
{
    double out = 0;
    const std::size_t last = run.x.size() / 4;
    for (std::size_t t = run.x.size() - last; t < run.x.size(); ++t) out += problem.suboptimality(sum(run.x[t], -1, mean(run.error[t])));
    return std::isfinite(out) ? out / static_cast<double>(last) : HUGE_VAL;
}

} // namespace

TEST_CASE("a NaN, an Inf or a missing element is infinitely far away, wherever it stands, and no later element hides it")
{
    const double nan = std::nan("");
    const vector good{1, -2, 0.5};
    CHECK(distance(good, {1, -2, 0.25}) == 0.125); // relative to the largest element of the first
    CHECK(distance(good, good) == 0);
    for (const double bad : {nan, HUGE_VAL, -HUGE_VAL})
        for (std::size_t i = 0; i < good.size(); ++i) {
            vector spoilt = good;
            spoilt[i] = bad;
            CHECK(distance(good, spoilt) == HUGE_VAL);
            CHECK(distance(spoilt, good) == HUGE_VAL);
            CHECK(distance(spoilt, spoilt) == HUGE_VAL);
            CHECK(apart(std::vector<vector>{good, spoilt, good}, {good, good, good}) == HUGE_VAL);
            CHECK(apart(std::vector<std::vector<vector>>{{good, good}, {spoilt, good}}, {{good, good}, {good, good}}) == HUGE_VAL);
        }
    CHECK(distance(good, {1, -2}) == HUGE_VAL);
    CHECK(distance({}, {}) == 0);
    CHECK(distance({1e308, 0}, {-1e308, 0}) > 1); // the difference itself may overflow
}

TEST_CASE("every trace has a state before each step and one after the last")
{
    const quadratics problem;
    const settings run{.workers = 2, .steps = 7, .period = 3, .learning_rate = [](int) { return 0.1; }};
    for (const trace& t : {def_loop(problem.start(), 0.3, run, problem, top_k(2)), ef_loop(problem.start(), run, problem, top_k(2)),
             saef_loop(problem.start(), 2, run, problem, top_k(2)), trace(psync_loop(problem.start(), run, problem, top_k(2))),
             local_sgd_loop(problem.start(), run, problem), no_memory_loop(problem.start(), run, problem, top_k(2))}) {
        CHECK(t.x.size() == 8);
        CHECK(t.error.size() == 8);
        CHECK(t.point.size() == 7);
        CHECK(t.direction.size() == 7);
        CHECK(t.error[0].size() == 2);
        CHECK(distance(t.x[0], problem.start()) == 0);
        CHECK(distance(t.x[0], t.x[2]) == 0); // nothing is exchanged before three steps
        CHECK(distance(t.x[0], t.x[3]) > 1e-3);
    }
}

TEST_CASE("PSync is SAEF without error averaging: 500 steps with momentum, decay and period 3, every compressor")
{
    const quadratics problem;
    for (const auto& [name, compress] : all_compressors()) {
        INFO(name);
        const trace saef = saef_loop(problem.start(), 0, hard_run(), problem, compress);
        const psync_trace psync = psync_loop(problem.start(), hard_run(), problem, compress);
        CHECK(apart(saef.x, psync.x) <= close);
        CHECK(apart(saef.error, psync.error) <= close);
        CHECK(apart(saef.point, psync.point) <= close);
        // Each rank's own model is x - e_rank.
        for (std::size_t k = 0; k < psync.local.back().size(); ++k)
            CHECK(distance(psync.local[498][k], sum(saef.x[498], -1, saef.error[498][k])) <= close);
    }
}

TEST_CASE("DEF at lambda 1 is SAEF without averaging, at lambda 0 it is EF; error averaging moves neither y nor the first round")
{
    const quadratics problem;
    for (const auto& [name, compress] : all_compressors()) {
        INFO(name);
        const trace one = def_loop(problem.start(), 1, hard_run(), problem, compress), zero = def_loop(problem.start(), 0, hard_run(), problem, compress);
        const trace saef = saef_loop(problem.start(), 0, hard_run(), problem, compress), ef = ef_loop(problem.start(), hard_run(), problem, compress);
        CHECK(apart(one.x, saef.x) <= close);
        CHECK(apart(one.error, saef.error) <= close);
        CHECK(apart(zero.x, ef.x) <= close);
        CHECK(apart(zero.error, ef.error) <= close);
        const trace averaged = saef_loop(problem.start(), 1, hard_run(), problem, compress);
        CHECK(distance(sum(averaged.x[3], -1, mean(averaged.error[3])), sum(saef.x[3], -1, mean(saef.error[3]))) <= close);
        if (name == "identity") continue;
        CHECK(apart(one.x, zero.x) > 1e-3);
        if (name != "delta_scaling") CHECK(distance(averaged.error[3][0], averaged.error[3][1]) == 0);
    }
}

TEST_CASE("iterate averaging is DEF-A with delta_scaling, lambda 1 and one rank; its gradients are taken at the SGD iterate")
{
    const quadratics problem;
    for (const double delta : {0.01, 0.3, 1.0})
        for (const double momentum : {0.0, 0.9}) {
            settings run = hard_run(1);
            run.period = 1;
            run.momentum = momentum;
            const trace def_a = def_loop(problem.start(), 1, run, problem, delta_scaling(delta));
            const trace average = iterate_averaging_loop(problem.start(), delta, run, problem);
            const trace sgd = sgd_loop(problem.start(), run, problem);
            CHECK(apart(def_a.x, average.x) <= close);
            CHECK(apart(def_a.point, average.point) <= close);
            CHECK(apart(sgd.point, average.point) <= close);
        }
}

TEST_CASE("y = x - mean e obeys y' = y - eta mean m, with gradients taken at x - lambda e: period 1, any lambda, any compressor")
{
    const quadratics problem;
    settings run = hard_run();
    run.period = 1;
    for (const auto& [name, compress] : all_compressors())
        for (const double lambda : {0.0, 0.3, 0.5, 1.0, 1.4}) {
            INFO(name, " lambda = ", lambda);
            const trace t = def_loop(problem.start(), lambda, run, problem, compress);
            double off = 0;
            vector y = t.x[0];
            for (std::size_t step = 0; step < t.point.size(); ++step) {
                add(y, -run.learning_rate(static_cast<int>(step)), mean(t.direction[step]));
                off = std::max(off, distance(y, sum(t.x[step + 1], -1, mean(t.error[step + 1]))));
                for (std::size_t k = 0; k < t.point[step].size(); ++k)
                    off = std::max(off, distance(t.point[step][k], sum(t.x[step], -lambda, t.error[step][k])));
            }
            CHECK(off <= close);
        }
}

TEST_CASE("with the identity every method with local steps is local SGD, and with period 1 it is SGD")
{
    const quadratics problem;
    const trace local = local_sgd_loop(problem.start(), hard_run(), problem);
    CHECK(apart(local.x, def_loop(problem.start(), 0.3, hard_run(), problem, identity()).x) <= close);
    CHECK(apart(local.x, no_memory_loop(problem.start(), hard_run(), problem, identity()).x) <= close);
    settings run = hard_run();
    run.period = 1;
    const trace sgd = sgd_loop(problem.start(), run, problem);
    CHECK(apart(sgd.x, local_sgd_loop(problem.start(), run, problem).x) <= close);
    CHECK(apart(sgd.x, def_loop(problem.start(), 0.3, run, problem, identity()).x) <= close);
    CHECK(apart(sgd.x, ef_gradient_units_loop(problem.start(), run, problem, identity()).x) <= close);
    CHECK(apart(sgd.x, sgd_loop(problem.start(), run, problem, identity()).x) <= close);
}

TEST_CASE("model and gradient units agree while the learning rate is constant, and part when it drops")
{
    const quadratics problem;
    settings run = hard_run();
    run.period = 1;
    run.learning_rate = [](int) { return 0.015625; }; // a power of two: scaling by it is exact, so top_k sees the same order
    for (const auto& [name, compress] : all_compressors()) {
        INFO(name);
        const trace model = ef_loop(problem.start(), run, problem, compress), units = ef_gradient_units_loop(problem.start(), run, problem, compress);
        CHECK(apart(model.x, units.x) <= close);
        CHECK(distance(model.error[300][2], sum(zeros(problem.size), 0.015625, units.error[300][2])) <= close);
        if (name == "identity") continue; // owes nothing
        settings drop = run;
        drop.learning_rate = [](int step) { return step < 250 ? 0.015625 : 0.0015625; };
        CHECK(apart(ef_loop(problem.start(), drop, problem, compress).x, ef_gradient_units_loop(problem.start(), drop, problem, compress).x) > 1e-4);
    }
}

TEST_CASE("the server form of error feedback is EF, and its misprint with a second eta is EF at eta squared")
{
    const quadratics problem{.noise = 0};
    const settings run = plain_run(4, 500, 0.25), squared = plain_run(4, 500, 0.0625);
    for (const auto& [name, compress] : all_compressors()) {
        INFO(name);
        CHECK(apart(biased_sgd_loop(problem.start(), run, problem, compress).x, ef_loop(problem.start(), run, problem, compress).x) <= close);
        CHECK(apart(biased_sgd_loop(problem.start(), run, problem, compress, true).x, ef_loop(problem.start(), squared, problem, compress).x) <= close);
    }
}

TEST_CASE("top-1 without memory on three strongly convex functions grows by exactly 1 + 11 eta / 6 a step")
{
    for (const double eta : {1e-3, 1e-2, 0.1, 1.0}) {
        const settings run = plain_run(3, 20, eta);
        for (const trace& t : {sgd_loop({1, 1, 1}, run, divergent_gradient, top_k(1)), no_memory_loop({1, 1, 1}, run, divergent_gradient, top_k(1))}) {
            double expected = 1;
            for (const vector& x : t.x) {
                for (const double value : x) CHECK(std::abs(value / expected - 1) <= close);
                expected *= 1 + 11 * eta / 6;
            }
        }
    }
    // A start beside the diagonal diverges as well.
    const trace beside = sgd_loop({1, 1.02, 0.97}, plain_run(3, 2000, 0.01), divergent_gradient, top_k(1));
    CHECK(squared_norm(beside.x.back()) > 1e10);
}

TEST_CASE("error feedback cures the example of divergence, as plain descent would")
{
    for (const double eta : {0.01, 0.05, 0.1}) {
        const trace ef = ef_loop({1, 1, 1}, plain_run(3, 4000, eta), divergent_gradient, top_k(1));
        CHECK(squared_norm(ef.x.back()) < 1e-30);
    }
    const trace dense = sgd_loop({1, 1, 1}, plain_run(3, 1, 0.01), divergent_gradient);
    CHECK(dense.x[1][0] == doctest::Approx(1 - 7 * 0.01 / 6)); // the mean gradient is 7/6 along the diagonal
    const trace mild = def_loop({1, 1, 1}, 0.3, plain_run(3, 4000, 0.05), divergent_gradient, top_k(1));
    CHECK(squared_norm(mild.x.back()) < 1e-30);
}

TEST_CASE("at ratio 64 error feedback is stable at eta 0.02 and blows up at 0.05, where DEF with lambda 0.3 stays small")
{
    const quadratics problem{.size = 64, .noise = 1, .smallest = 0.1, .largest = 1, .spread = 0, .coupling = 0};
    const auto at = [&](double lambda, double eta) {
        return final_suboptimality(problem, def_loop(problem.start(), lambda, plain_run(8, 6000, eta), problem, random_run(1, 3)));
    };
    const double ef_small = at(0, 0.02), ef_large = at(0, 0.05), def_small = at(0.3, 0.02), def_large = at(0.3, 0.05), saef_large = at(1, 0.05);
    MESSAGE("suboptimality: EF ", ef_small, " and ", ef_large, ", DEF ", def_small, " and ", def_large, ", SAEF ", saef_large);
    CHECK(ef_small < 10);
    CHECK(ef_large > 1e6);
    CHECK(def_small < ef_small);
    CHECK(def_large < 10);
    CHECK(saef_large < def_large);
}
