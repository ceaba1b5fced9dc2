/// @file Accuracy and rounds of local SGD for each period and redundancy, at equal samples a step, on a split by label.
#include "reproduce/local_training.hpp"
#include "reproduce/over_seeds.hpp"
#include "table.hpp"

#include <cmath>

namespace apps::reproduce {
namespace {

const std::vector<std::size_t> periods = {1, 5, 10, 25, 50};
const std::vector<double> redundancies = {0, 0.25, 0.5};

struct relative {
    local_method method;
    const char *name, *compressor, *memory;
};
const std::vector<relative> relatives = {{local_method::outer_nesterov, "outer_nesterov", "identity", "none"}, {local_method::top_k_ef, "ri_sgd_top_k", "top_k", "ef"}};

const std::vector<std::size_t> draws = {8, 4, 2};

/// accuracy_x at the end of training.
over_seeds accuracy(const std::vector<record>& records, const std::string& method, double tau, double mu, double drawn = 8)
{
    return collect(records, "accuracy_x", [&](const record& r) {
        return r.text("method") == method && r.number("last") == 1 && r.number("tau") == tau && r.number("mu") == mu && r.number("drawn") == drawn;
    });
}

void show_periods(const std::vector<record>& records, findings& found)
{
    const double steps = records.front().number("steps"), p = records.front().number("workers");
    chart picture{.title = "Test accuracy against steps between exchanges", .x_label = "tau", .y_label = "percent", .log_x = true, .compact = true};
    std::vector<std::vector<std::string>> rows = {{"tau", "rounds", "mu 0", "mu 0.25", "mu 0.5"}};
    for (const double mu : redundancies) {
        chart_series& line = picture.series.emplace_back(chart_series{.name = "mu " + plain(mu)});
        for (const std::size_t tau : periods) add_point(line, static_cast<double>(tau), accuracy(records, "local_sgd", static_cast<double>(tau), mu));
    }
    for (const std::size_t tau : periods) {
        rows.push_back({std::to_string(tau), plain(std::floor(steps / static_cast<double>(tau)))});
        for (const double mu : redundancies) rows.back().push_back(with_deviation(accuracy(records, "local_sgd", static_cast<double>(tau), mu), 2));
    }
    found.draw(picture);
    found.table("Test accuracy in percent, mean and deviation over seeds, at equal samples:", rows);
    found.table("Rounds that the slides compare, for p = " + plain(p) + " and T = " + plain(steps) + " (their table prints T^(1/4) for Yu et al.; T / tau with their tau is T^(3/4)). Both need T above p^3 to stay below T:",
        {{"method", "rounds"}, {"SGD, T", plain(steps)}, {"Yu et al., p^(3/4) T^(3/4)", plain(std::round(std::pow(p * steps, 0.75)))},
            {"Wang and Joshi, p^(3/2) T^(1/2)", plain(std::round(std::pow(p, 1.5) * std::sqrt(steps)))}, {"here, tau = 50", plain(std::floor(steps / 50))}});
}

void show_relatives(const std::vector<record>& records, findings& found)
{
    found.table("Relatives that are the same round with another policy; test accuracy in percent, mean and deviation over seeds:",
        {{"tau 50, mu 0.25", "test accuracy"}, {"RI-SGD", with_deviation(accuracy(records, "local_sgd", 50, 0.25), 2)},
            {"with outer Nesterov momentum 0.5", with_deviation(accuracy(records, "outer_nesterov", 50, 0.25), 2)},
            {"with Top-k 1 percent and error feedback", with_deviation(accuracy(records, "ri_sgd_top_k", 50, 0.25), 2)}});
    std::vector<std::vector<std::string>> rows = {{"drawn of 8", "mu 0", "mu 0.25"}};
    for (const std::size_t drawn : draws)
        rows.push_back({std::to_string(drawn), with_deviation(accuracy(records, "drawn_workers", 10, 0, static_cast<double>(drawn)), 2),
            with_deviation(accuracy(records, "drawn_workers", 10, 0.25, static_cast<double>(drawn)), 2)});
    found.table("A random subset of the workers in each round of tau = 10 steps, as many rounds for all (so fewer samples with fewer workers), no weight decay; test accuracy:", rows);
}

} // namespace

void add_local_training(experiment& to, const choices& chosen)
{
    const std::size_t seeds = chosen.quick ? 1 : full_seeds, epochs = chosen.quick ? 2 : 10, points = 10;
    const std::string folder = chosen.data;
    const auto add = [&](const char* method, const char* compressor, const char* memory, local_method what, std::size_t tau, double mu, std::uint64_t seed, std::size_t drawn = 0) {
        local_settings settings{.loop = {.workers = 8, .batch = 32, .epochs = epochs, .learning_rate = 0.02, .seed = seed, .points = points, .period = tau}, .redundancy = mu, .drawn = drawn, .method = what};
        settings.loop.local_states = 1; // momentum
        settings.loop.label = std::string("period ") + std::to_string(tau) + ", mu " + plain(mu) + ", seed " + std::to_string(seed);
        record facts;
        facts.set("figure", "local").set("method", method).set("compressor", compressor).set("memory", memory).set("reducer", compressor[0] == 't' ? "all_gather" : "ring");
        std::string name = std::string("local-") + method + "-" + std::to_string(tau) + "-" + std::to_string(static_cast<int>(mu * 100)) + (drawn > 0 ? "-" + std::to_string(drawn) : "") + "-" + std::to_string(seed);
        std::replace(name.begin(), name.end(), '_', '-');
        to.parts.push_back({name, "epochs " + std::to_string(epochs) + ", rate 0.02", points, [=](progress_bar& progress) { return train_locally(folder, settings, facts, progress); }});
    };
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        for (const std::size_t tau : periods)
            for (const double mu : redundancies) add("local_sgd", "identity", "none", local_method::local_sgd, tau, mu, seed);
        for (const relative& one : relatives) add(one.name, one.compressor, one.memory, one.method, 50, 0.25, seed);
        for (const std::size_t drawn : draws)
            for (const double mu : {0.0, 0.25}) add("drawn_workers", "identity", "none", local_method::drawn_workers, 10, mu, seed, drawn);
    }
}

void judge_local_training(const std::vector<record>& all, const choices& chosen, findings& found)
{
    const std::vector<record> records = where(all, "figure", "local");
    if (!records.empty()) {
        found.head("Accuracy and rounds");
        found.say("MLP 784-256-10 on " + records.front().text("data") + " sorted by label and cut into 8 shards, 8 workers with batches of 32, momentum 0.9 kept by each worker, weight decay 2e-4, learning "
                  "rate 0.02 (a tenth from the half, a hundredth from three quarters), " + plain(records.front().number("epochs")) + " epochs. mu 0 is local SGD; with mu 0.25 a worker draws its 32 from "
                  "3 shards, with 0.5 from 5.");
        show_periods(records, found);
        show_relatives(records, found);
    }
    const over_seeds redundant = accuracy(records, "local_sgd", 50, 0.25), alone = accuracy(records, "local_sgd", 50, 0);
    const evidence on = evidence(chosen, "10 epochs, 3 seeds").real(records).need("tau 50, mu 0.25, seeds", redundant.count(), full_seeds).need("tau 50, mu 0, seeds", alone.count(), full_seeds);
    found.judge("redundancy", "at tau 50 on a split by label mu 0.25 is above local SGD at equal samples", on, redundant.mean() > alone.mean(),
        "mu 0.25: " + with_deviation(redundant, 2) + " percent, mu 0: " + with_deviation(alone, 2) + ", difference seed by seed " + with_deviation(redundant - alone, 2));
}

} // namespace apps::reproduce
