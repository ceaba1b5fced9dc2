/// @file Training with eta = c / (t + 1), as Theorem 4.6 has it: how unstable it is towards one sample, which bounds the generalisation gap, and how the
/// training loss falls.
#include "reproduce/def_excess.hpp"

#include "models/logistic_facts.hpp"
#include "random.hpp"
#include "reproduce/rank_loop.hpp"
#include "reproduce/task.hpp"

#include <gradcomp/theory/detachment.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <utility>

namespace apps::reproduce {
namespace {

namespace gc = gradcomp;
using excess::decay, excess::ratio, excess::samples, excess::workers;

/// `samples` rows of a9a, and the same with row 0 replaced.
struct small_problem {
    const data::sparse_set &train, &test;
    models::logistic model;
    std::vector<std::uint32_t> rows, twin_rows;
    gc::theory::risk_setting setting;
    double lowest;

    small_problem(const std::string& folder, std::uint64_t seed) : train(adult(folder).train), test(adult(folder).test), model{.columns = 123, .decay = decay}, rows(train.rows())
    {
        std::iota(rows.begin(), rows.end(), 0u);
        generator random(seed, 4600);
        shuffle(rows, random);
        twin_rows.assign(rows.begin(), rows.begin() + samples);
        twin_rows[0] = rows[samples];
        rows.resize(samples);
        double longest = 0; // a sample's loss is (|a|^2 / 4 + decay)-smooth, a = (row, 1)
        for (const std::uint32_t row : rows) {
            double square = 1;
            for (std::size_t k = train.start[row]; k < train.start[row + 1]; ++k) square += static_cast<double>(train.value[k]) * static_cast<double>(train.value[k]);
            longest = std::max(longest, square);
        }
        const double smooth = longest / 4 + decay;
        setting = {.smoothness = smooth, .strong_convexity = decay, .c = 1 / smooth, .sampled = static_cast<double>(workers) / samples};
        lowest = loss_at(models::minimiser(model, train, rows));
    }
    double loss_at(std::span<const double> x) const
    {
        std::vector<double> ignored(x.size());
        return model.gradient<double>(x, train, rows, ignored);
    }
    /// Mean over the test rows of |loss at x - loss at y|.
    double apart(std::span<const double> x, std::span<const double> y) const
    {
        const auto loss = [&](std::span<const double> at, std::size_t row) { return std::log1p(std::exp((test.label[row] != 0 ? -1 : 1) * model.score(at, test, row))); };
        double sum = 0;
        for (std::size_t row = 0; row < test.rows(); ++row) sum += std::abs(loss(x, row) - loss(y, row));
        return sum / static_cast<double>(test.rows());
    }
};

/// Draws `batch` of the rows for each step: all ranks the same stream, each its own part.
template <class Stack, class Note>
void train(const small_problem& of, const std::vector<std::uint32_t>& rows, const Stack& stack, int rank, std::size_t ranks, std::uint64_t seed, std::size_t steps, const Note& note)
{
    std::vector<double> x(of.model.size()), gradient(x.size());
    auto exchange = stack.attach(of.model.tensors(), x);
    generator random(seed, 4601);
    std::array<std::uint32_t, workers> drawn{};
    const std::size_t share = workers / ranks;
    double next = 10;
    for (std::size_t step = 0; step < steps; ++step) {
        for (std::uint32_t& row : drawn) row = rows[random.below(rows.size())];
        of.model.gradient<double>(exchange.gradient_point(), of.train, std::span(drawn).subspan(static_cast<std::size_t>(rank) * share, share), std::span(gradient));
        exchange.step(std::span<const double>(gradient), of.setting.c / static_cast<double>(step + 1));
        if (static_cast<double>(step + 1) < next && step + 1 < steps) continue;
        next *= std::sqrt(10.0);
        note(exchange, step + 1);
    }
}

/// Where each method is after each noted step.
using path = std::map<std::string, std::vector<std::pair<std::size_t, std::vector<double>>>>;

/// All methods on these rows; the same draws for the same seed.
path train_all(const small_problem& of, const std::vector<std::uint32_t>& rows, std::uint64_t seed, std::size_t steps)
{
    path out;
    const gc::exec::cpu one_thread{.threads = 1};
    const auto keep = [&](const char* method, std::size_t step, std::span<const double> x) { out[method].push_back({step, std::vector<double>(x.begin(), x.end())}); };
    const auto alone = [&](const char* method, auto compressor, auto memory) {
        gc::comm::run_ranks(1, [&](gc::comm::in_process communicator) {
            const gc::policy_stack stack{.compressor = compressor, .memory = memory, .reducer = gc::ring{communicator}, .executor = one_thread, .warn = nullptr};
            train(of, rows, stack, 0, 1, seed, steps, [&](auto& exchange, std::size_t step) { keep(method, step, exchange.parameters()); });
        }, patient());
    };
    alone("sgd", gc::identity{}, gc::none{});
    alone("ia", gc::delta_scaling{.delta = 1 / ratio}, gc::def_a{.lambda = 1});
    gc::comm::run_ranks(static_cast<int>(workers), [&](gc::comm::in_process communicator) { // one training for DEF and DEF-A, which differ in the point
        const gc::policy_stack stack{.compressor = gc::random_block{.ratio = ratio, .scope = gc::scope::whole_model}, .memory = gc::def{.lambda = 0.3}, .reducer = gc::ring{communicator}, .seed = seed,
            .executor = one_thread, .warn = nullptr};
        std::vector<double> point(of.model.size());
        train(of, rows, stack, communicator.rank(), workers, seed, steps, [&](auto& exchange, std::size_t step) {
            exchange.evaluate_at(std::span<double>(point));
            if (communicator.rank() != 0) return;
            keep("def", step, point);
            keep("def_a", step, exchange.parameters());
        });
    }, patient());
    return out;
}

std::vector<record> measure(const std::string& folder, std::uint64_t seed, std::size_t steps)
{
    const small_problem of(folder, seed);
    const path mine = train_all(of, of.rows, seed, steps), twin = train_all(of, of.twin_rows, seed, steps);
    std::vector<record> records;
    for (const auto& [method, points] : mine)
        for (std::size_t i = 0; i < points.size(); ++i) {
            record r = start_record("reproduce");
            r.set("figure", "excess").set("data", "a9a").set("method", method).set("seed", static_cast<std::int64_t>(seed)).set("step", static_cast<std::int64_t>(points[i].first));
            r.set("stability", of.apart(points[i].second, twin.at(method)[i].second)).set("suboptimality", of.loss_at(points[i].second) - of.lowest);
            r.set("smoothness", of.setting.smoothness).set("c", of.setting.c);
            records.push_back(r);
        }
    return records;
}

} // namespace

void add_def_excess(experiment& to, const choices& chosen)
{
    const std::string folder = chosen.data;
    const std::size_t steps = excess::steps(chosen), seeds = chosen.quick ? 5 : excess::seeds;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed)
        to.parts.push_back({"excess-" + std::to_string(seed), "steps " + std::to_string(steps) + ", stability", 1, [=](progress_bar& progress) {
            std::vector<record> records = measure(folder, seed, steps);
            progress.add(1, "eta = c / (t + 1), seed " + std::to_string(seed));
            return records;
        }});
}

} // namespace apps::reproduce
