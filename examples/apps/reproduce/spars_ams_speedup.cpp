/// @file Linear speed-up: steps to a target loss for 1 to 16 workers.
#include "reproduce/spars_ams.hpp"

#include "reproduce/over_seeds.hpp"
#include "reproduce/rank_loop.hpp"
#include "reproduce/task.hpp"
#include "table.hpp"

#include <atomic>
#include <cmath>
#include <limits>

namespace apps::reproduce {
namespace {

namespace gc = gradcomp;

constexpr double target = 0.335;
constexpr std::size_t most_steps = 40000, batch = 32;
constexpr std::uint64_t seeds = 3;
const std::vector<std::size_t> crowds = {1, 2, 4, 8, 16};

/// The first multiple of 10 steps after which the loss over all rows is at most the target; -1 where none is.
template <class Compressor> double steps_to_target(const logistic_task& task, const Compressor& compressor, std::size_t workers, double rate, std::uint64_t seed)
{
    std::atomic<bool> reached = false;
    std::size_t steps = 0;
    gc::comm::run_ranks(static_cast<int>(workers), [&](gc::comm::in_process communicator) {
        const auto rank = static_cast<std::size_t>(communicator.rank());
        std::vector<float> x(task.size()), gradient(task.size());
        std::vector<std::uint32_t> rows(batch);
        generator random(seed, 500 + rank);
        gc::policy_stack stack{.compressor = compressor, .memory = gc::ef{.units = gc::units::gradient}, .reducer = gc::gather_to_root{communicator}, .server = gc::amsgrad{},
            .seed = seed, .executor = gc::exec::cpu{.threads = 1}};
        auto exchange = stack.attach(task.tensors(), std::span<float>(x));
        for (std::size_t step = 1; step <= most_steps && !reached; ++step) {
            for (std::uint32_t& row : rows) row = static_cast<std::uint32_t>(random.below(task.rows()));
            task.model.gradient<float>(x, *task.train, rows, gradient);
            exchange.step(std::span<const float>(gradient), rate);
            if (step % 10 != 0) continue;
            if (rank == 0 && task.model.loss<float>(x, *task.train) <= target) {
                steps = step;
                reached = true;
            }
            communicator.barrier(); // nobody looks before rank 0 has
        }
    }, patient());
    return reached ? static_cast<double>(steps) : -1;
}

std::vector<record> measure(const std::string& folder, std::size_t workers, progress_bar& progress)
{
    std::vector<record> records;
    const logistic_task task = adult_task(folder);
    for (const bool scaled : {true, false})
        for (const char* compressor : {"block_sign", "top_k"})
            for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
                const double rate = scaled ? 5e-4 * std::sqrt(static_cast<double>(workers)) : 5e-4 * 4;
                const double steps = compressor[0] == 'b' ? steps_to_target(task, gc::block_sign{}, workers, rate, seed) : steps_to_target(task, gc::top_k{.ratio = 100}, workers, rate, seed);
                record r = start_record("reproduce");
                r.set("figure", "speed_up").set("data", task.name()).set("compressor", compressor).set("memory", "ef").set("method", "spars_ams").set("rate", scaled ? "5e-4 sqrt(n)" : "2e-3");
                r.set("workers", static_cast<std::int64_t>(workers)).set("seed", static_cast<std::int64_t>(seed)).set("learning_rate", rate).set("target", target).set("steps", steps);
                records.push_back(r);
                progress.add(1, "speed-up, " + std::to_string(workers) + " workers, " + compressor);
            }
    return records;
}

/// Line, row and claim of one compressor with one rate: `seeds` runs for each number of workers, of which some may not have come to the target.
struct speed {
    chart_series line;
    std::vector<std::string> cells;
    std::string numbers;
    bool falls = true;
};
speed speed_of(const std::vector<record>& records, const std::string& compressor, const std::string& rate, evidence& on)
{
    const std::string name = compressor == "top_k" ? "Top-k 1 percent" : "Block-Sign";
    speed out{.line = {.name = name + ", " + rate, .dashed = rate == "2e-3"}, .cells = {name, rate}, .numbers = ""};
    double before = std::numeric_limits<double>::infinity();
    for (const std::size_t n : crowds) {
        over_seeds steps = collect(records, "steps", [&](const record& r) { return r.text("compressor") == compressor && r.text("rate") == rate && r.number("workers") == static_cast<double>(n); });
        std::size_t late = 0;
        for (auto& [seed, value] : steps.by_seed)
            if (!(value > 0)) value = std::numeric_limits<double>::quiet_NaN(), ++late;
        on.need(name + " with " + std::to_string(n) + " workers, seeds", steps.count(), seeds);
        out.falls = out.falls && steps.mean() < before;
        before = steps.mean();
        out.cells.push_back(late > 0 ? std::to_string(late) + " of " + std::to_string(steps.count()) + " not in " + std::to_string(most_steps) : with_deviation(steps, 0));
        out.numbers += (out.numbers.empty() ? "" : ", ") + std::to_string(n) + ": " + out.cells.back();
        add_point(out.line, static_cast<double>(n), steps);
    }
    return out;
}

} // namespace

void add_speed_up(experiment& to, const choices& chosen)
{
    const std::string folder = chosen.data;
    for (const std::size_t workers : crowds)
        to.parts.push_back({"speedup-" + std::to_string(workers), "target " + plain(target) + ", steps " + std::to_string(most_steps) + ", seeds " + std::to_string(seeds), 4 * seeds, [=](progress_bar& p) { return measure(folder, workers, p); }});
}

void judge_speed_up(const std::vector<record>& all, const choices& chosen, findings& found)
{
    const std::vector<record> records = where(all, "figure", "speed_up");
    if (!records.empty()) {
        found.head("Linear speed-up: steps to a target loss");
        found.say("Logistic regression on a9a until the loss over all rows is " + plain(target) + " (looked at every 10 steps), batches of 32 rows a worker, mean and deviation of " + std::to_string(seeds) +
            " seeds. The paper's learning rate is 5e-4 sqrt(n); a larger rate alone already takes fewer steps, so the same runs with one rate for all n stand beside it.");
    }
    chart picture{.title = "Steps to loss " + plain(target), .x_label = "workers", .y_label = "steps", .log_x = true, .log_y = true, .compact = true};
    std::vector<std::vector<std::string>> rows = {{"compressor", "learning rate", "1", "2", "4", "8", "16"}};
    for (const std::string rate : {"5e-4 sqrt(n)", "2e-3"})
        for (const std::string compressor : {"block_sign", "top_k"}) {
            evidence on(chosen, ""); // a quick run does the same
            const speed one = speed_of(records, compressor, rate, on);
            rows.push_back(one.cells);
            picture.series.push_back(one.line);
            if (rate == "2e-3") continue;
            found.judge("speed-up-" + std::string(compressor == "top_k" ? "top-k" : "block-sign"), "steps to the target fall each time n doubles, " + one.cells.front(), on, one.falls,
                "steps by workers, mean and deviation over seeds: " + one.numbers);
        }
    if (records.empty()) return;
    found.draw(picture);
    found.table("Steps, by number of workers:", rows);
}

} // namespace apps::reproduce
