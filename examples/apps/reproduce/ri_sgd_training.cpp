/// @file Accuracy and rounds of local SGD for each period and redundancy, at equal samples a step, on a split by label.
#include "reproduce/local_training.hpp"
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

/// Mean over seeds of accuracy_x at the end; NaN without a record.
double mean_accuracy(const std::vector<record>& records, const std::string& method, double tau, double mu, double drawn = 8)
{
    double sum = 0, count = 0;
    for (const record& r : where(records, "method", method))
        if (r.number("last") == 1 && r.number("tau") == tau && r.number("mu") == mu && r.number("drawn") == drawn) sum += r.number("accuracy_x"), ++count;
    return sum / count;
}

void show_draws(const std::vector<record>& records, findings& found)
{
    std::vector<std::vector<std::string>> rows = {{"drawn of 8", "mu 0", "mu 0.25"}};
    for (const std::size_t drawn : draws)
        rows.push_back({std::to_string(drawn), fixed(mean_accuracy(records, "drawn_workers", 10, 0, static_cast<double>(drawn)), 2),
            fixed(mean_accuracy(records, "drawn_workers", 10, 0.25, static_cast<double>(drawn)), 2)});
    found.table("A random subset of the workers in each round of tau = 10 steps, as many rounds for all (so fewer samples with fewer workers), no weight decay; test accuracy:", rows);
}

} // namespace

void add_local_training(experiment& to, const choices& chosen)
{
    const std::size_t seeds = chosen.quick ? 1 : 3, epochs = chosen.quick ? 2 : 10, points = 10;
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
    if (records.empty()) return;
    const record& first = records.front();
    const double steps = first.number("steps"), p = first.number("workers");
    found.head("Accuracy and rounds");
    found.say("MLP 784-256-10 on Fashion-MNIST sorted by label and cut into 8 shards, 8 workers with batches of 32, momentum 0.9 kept by each worker, weight decay 2e-4, learning rate 0.02 (a tenth "
              "from the half, a hundredth from three quarters), " + plain(first.number("epochs")) + " epochs. mu 0 is local SGD; with mu 0.25 a worker draws its 32 from 3 shards, with 0.5 from 5.");
    chart picture{.title = "Test accuracy against steps between exchanges", .x_label = "tau", .y_label = "percent", .log_x = true, .compact = true};
    std::vector<std::vector<std::string>> rows = {{"tau", "rounds", "mu 0", "mu 0.25", "mu 0.5"}};
    for (const double mu : redundancies) {
        chart_series line{.name = "mu " + plain(mu)};
        for (const std::size_t tau : periods) line.x.push_back(static_cast<double>(tau)), line.y.push_back(mean_accuracy(records, "local_sgd", static_cast<double>(tau), mu));
        picture.series.push_back(line);
    }
    for (const std::size_t tau : periods) {
        rows.push_back({std::to_string(tau), plain(std::floor(steps / static_cast<double>(tau)))});
        for (const double mu : redundancies) rows.back().push_back(fixed(mean_accuracy(records, "local_sgd", static_cast<double>(tau), mu), 2));
    }
    found.draw(picture);
    found.table("Test accuracy in percent, mean over seeds, at equal samples:", rows);
    found.table("Rounds that the slides compare, for p = " + plain(p) + " and T = " + plain(steps) + " (their table prints T^(1/4) for Yu et al.; T / tau with their tau is T^(3/4)). Both need T above p^3 to stay below T:",
        {{"method", "rounds"}, {"SGD, T", plain(steps)}, {"Yu et al., p^(3/4) T^(3/4)", plain(std::round(std::pow(p * steps, 0.75)))},
            {"Wang and Joshi, p^(3/2) T^(1/2)", plain(std::round(std::pow(p, 1.5) * std::sqrt(steps)))}, {"here, tau = 50", plain(std::floor(steps / 50))}});
    std::vector<std::vector<std::string>> others = {{"tau 50, mu 0.25", "test accuracy"}, {"RI-SGD", fixed(mean_accuracy(records, "local_sgd", 50, 0.25), 2)}};
    others.push_back({"with outer Nesterov momentum 0.5", fixed(mean_accuracy(records, "outer_nesterov", 50, 0.25), 2)});
    others.push_back({"with Top-k 1 percent and error feedback", fixed(mean_accuracy(records, "ri_sgd_top_k", 50, 0.25), 2)});
    found.table("Relatives that are the same round with another policy:", others);
    show_draws(records, found);
    const double redundant = mean_accuracy(records, "local_sgd", 50, 0.25), plain_local = mean_accuracy(records, "local_sgd", 50, 0);
    const std::string sentence = "at tau 50 on a split by label mu 0.25 is above local SGD at equal samples";
    const std::string numbers = "mu 0.25: " + fixed(redundant, 2) + " percent, mu 0: " + fixed(plain_local, 2);
    if (chosen.quick || std::isnan(redundant + plain_local)) found.leave_open("redundancy", sentence, "needs the full run (10 epochs, 3 seeds); this run: " + numbers);
    else found.judge("redundancy", sentence, redundant > plain_local, numbers);
}

} // namespace apps::reproduce
