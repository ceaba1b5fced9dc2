/// @file One to three of eight workers die during training, with and without redundancy.
#include "reproduce/local_training.hpp"
#include "reproduce/over_seeds.hpp"
#include "table.hpp"

namespace apps::reproduce {
namespace {

constexpr std::size_t most_dead = 3;
const std::vector<double> redundancies = {0, 0.25};

over_seeds at_end(const std::vector<record>& records, double mu, std::size_t dead, const std::string& field)
{
    return collect(records, field, [&](const record& r) { return r.number("last") == 1 && r.number("mu") == mu && r.number("dead") == static_cast<double>(dead); });
}

void show_deaths(const std::vector<record>& records, findings& found)
{
    chart picture{.title = "Test accuracy against dead workers", .x_label = "dead of 8", .y_label = "percent", .compact = true};
    std::vector<std::vector<std::string>> rows = {{"dead", "mu 0", "samples lost", "mu 0.25", "samples lost"}};
    for (const double mu : redundancies) picture.series.push_back({.name = "mu " + plain(mu)});
    for (std::size_t dead = 0; dead <= most_dead; ++dead) {
        rows.push_back({std::to_string(dead)});
        for (std::size_t m = 0; m < redundancies.size(); ++m) {
            const over_seeds accuracy = at_end(records, redundancies[m], dead, "accuracy_x");
            add_point(picture.series[m], static_cast<double>(dead), accuracy);
            rows.back().push_back(with_deviation(accuracy, 2));
            rows.back().push_back(fixed(at_end(records, redundancies[m], dead, "lost_samples").mean(), 0));
        }
    }
    found.draw(picture);
    found.table("Test accuracy in percent, mean and deviation over seeds:", rows);
}

} // namespace

void add_deaths(experiment& to, const choices& chosen)
{
    const std::size_t seeds = chosen.quick ? 1 : full_seeds, epochs = chosen.quick ? 2 : 10, points = 10;
    const std::string folder = chosen.data;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed)
        for (const double mu : redundancies)
            for (std::size_t dead = 0; dead <= most_dead; ++dead) {
                local_settings settings{.loop = {.workers = 8, .batch = 32, .epochs = epochs, .learning_rate = 0.02, .seed = seed, .points = points, .period = 50}, .redundancy = mu, .dead = dead, .death = 0.25};
                settings.loop.label = std::to_string(dead) + " dead, mu " + plain(mu) + ", seed " + std::to_string(seed);
                record facts;
                facts.set("figure", "deaths").set("method", "local_sgd").set("compressor", "identity").set("memory", "none").set("reducer", "ring");
                to.parts.push_back({"deaths-" + std::to_string(dead) + "-" + std::to_string(static_cast<int>(mu * 100)) + "-" + std::to_string(seed),
                    "epochs " + std::to_string(epochs) + ", rate 0.02", points, [=](progress_bar& progress) { return train_locally(folder, settings, facts, progress); }});
            }
}

void judge_deaths(const std::vector<record>& all, const choices& chosen, findings& found)
{
    const std::vector<record> records = where(all, "figure", "deaths");
    if (!records.empty()) {
        found.head("Dead workers");
        found.say("The same training with tau 50. After a quarter of the steps workers 0, 1, ... are gone, whose shards lie beside each other: the worst choice. The others go on from the last mean with "
                  "fresh momentum, and so does the run in which nobody dies.");
        show_deaths(records, found);
    }
    evidence on(chosen, "10 epochs, 3 seeds");
    on.real(records);
    for (const double mu : redundancies)
        for (const std::size_t dead : {0u, 2u}) on.need("mu " + plain(mu) + ", " + std::to_string(dead) + " dead, seeds", at_end(records, mu, dead, "accuracy_x").count(), full_seeds);
    const auto hurt = [&](double mu) { return at_end(records, mu, 0, "accuracy_x") - at_end(records, mu, 2, "accuracy_x"); };
    const over_seeds alone = hurt(0), redundant = hurt(0.25);
    found.judge("faults", "two dead workers hurt mu 0.25 at least 1 point less than local SGD", on, redundant.mean() <= alone.mean() - 1,
        "points lost, seed by seed: mu 0.25 " + with_deviation(redundant, 2) + ", mu 0 " + with_deviation(alone, 2));
}

} // namespace apps::reproduce
