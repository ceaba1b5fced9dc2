/// @file Workers whose batches differ: bias and variance of the mean gradient, with weights by batch and without.
#include "reproduce/ri_sgd.hpp"

#include "reproduce/rank_loop.hpp"
#include "reproduce/task.hpp"
#include "table.hpp"

#include <cmath>

namespace apps::reproduce {
namespace {

namespace gc = gradcomp;

const std::vector<std::size_t> batches = {4, 8, 12, 16, 20, 24, 28, 32};

/// Draws of the mean gradient at x = 0: a step of rate 1 with the library's stack leaves its negative in x.
record measure(const logistic_task& task, bool weighted, std::size_t draws)
{
    const std::vector<std::uint32_t> order = by_label(task);
    std::size_t all = 0, dealt = 0;
    for (const std::size_t one : batches) all += one;
    std::vector<std::vector<std::uint32_t>> pools;
    for (const std::size_t one : batches) {
        const std::size_t begin = order.size() * dealt / all, end = order.size() * (dealt + one) / all;
        pools.emplace_back(order.begin() + static_cast<std::ptrdiff_t>(begin), order.begin() + static_cast<std::ptrdiff_t>(end));
        dealt += one;
    }
    std::vector<double> truth(task.size()), mean(task.size()), zero(task.size());
    task.model.gradient<double>(zero, *task.train, order, truth);
    double square = 0;
    gc::comm::run_ranks(static_cast<int>(batches.size()), [&](gc::comm::in_process communicator) {
        const auto rank = static_cast<std::size_t>(communicator.rank());
        std::vector<double> x(task.size()), gradient(task.size());
        auto exchange = gc::policy_stack{.compressor = gc::identity{}, .reducer = gc::ring{communicator}, .executor = gc::exec::cpu{.threads = 1}}.attach(task.tensors(), x);
        const double weight = weighted ? gc::batch_weight(batches, rank) : 1;
        generator random(7, 800 + rank);
        std::vector<std::uint32_t> rows(batches[rank]);
        for (std::size_t draw = 0; draw < draws; ++draw) {
            for (std::uint32_t& row : rows) row = pools[rank][random.below(pools[rank].size())];
            task.model.gradient<double>(x, *task.train, rows, gradient);
            for (double& value : gradient) value *= weight;
            exchange.step(std::span<const double>(gradient), 1);
            for (std::size_t i = 0; i < x.size(); ++i) {
                if (rank == 0) {
                    mean[i] -= x[i] / static_cast<double>(draws);
                    square += x[i] * x[i] / static_cast<double>(draws);
                }
                x[i] = 0;
            }
        }
    }, patient());
    double bias = 0, of_mean = 0, of_truth = 0;
    for (std::size_t i = 0; i < mean.size(); ++i) {
        bias += (mean[i] - truth[i]) * (mean[i] - truth[i]);
        of_mean += mean[i] * mean[i];
        of_truth += truth[i] * truth[i];
    }
    record r = start_record("reproduce");
    r.set("figure", "batches").set("data", task.name()).set("weighted", weighted).set("draws", static_cast<std::int64_t>(draws)).set("gradient_square", of_truth);
    return r.set("bias_square", bias).set("variance", square - of_mean).set("bias_over_chance", bias / ((square - of_mean) / static_cast<double>(draws)));
}

} // namespace

void add_batches(experiment& to, const choices& chosen)
{
    const std::string folder = chosen.data;
    to.parts.push_back({"batches", "draws 4000", 2, [=](progress_bar& progress) {
        std::vector<record> records;
        for (const bool weighted : {true, false}) {
            records.push_back(measure(adult_task(folder), weighted, 4000));
            progress.add(1, "batches that differ");
        }
        return records;
    }});
}

void judge_batches(const std::vector<record>& all, const choices& chosen, findings& found)
{
    const std::vector<record> records = where(all, "figure", "batches");
    double with = std::nan(""), without = std::nan("");
    std::vector<std::vector<std::string>> rows = {{"weights", "squared bias over ||gradient||^2", "squared bias over chance", "variance over ||gradient||^2"}};
    for (const record& r : records) {
        (r.number("weighted") == 1 ? with : without) = r.number("bias_over_chance");
        rows.push_back({r.number("weighted") == 1 ? "batch over mean batch" : "equal", plain(r.number("bias_square") / r.number("gradient_square")), plain(r.number("bias_over_chance")),
            plain(r.number("variance") / r.number("gradient_square"))});
    }
    if (!records.empty()) {
        found.head("Workers with different batches");
        found.say("a9a sorted by label; worker j of 8 holds rows in proportion to its batch of 4 j and draws with replacement. The mean over workers of their gradients, at x = 0, against the gradient over "
                  "all rows: squared bias of 4000 draws, and how often that is what chance alone leaves (variance over draws; about 1 where there is no bias).");
        found.table("Mean gradient:", rows);
    }
    found.judge("batches", "weights by batch size leave no bias that chance would not, and equal weights do", evidence(chosen, "").need("kinds of weights", records.size(), 2),
        with < 3 && without > 10,
        "squared bias over chance: weighted " + plain(with) + ", equal " + plain(without));
}

} // namespace apps::reproduce
