/// @file One to three of eight workers die during training, with and without redundancy.
#include "reproduce/local_training.hpp"
#include "table.hpp"

#include <cmath>

namespace apps::reproduce {
namespace {

constexpr std::size_t most_dead = 3;
const std::vector<double> redundancies = {0, 0.25};

double at_end(const std::vector<record>& records, double mu, double dead, const std::string& field)
{
    double sum = 0, count = 0;
    for (const record& r : records)
        if (r.number("last") == 1 && r.number("mu") == mu && r.number("dead") == dead) sum += r.number(field), ++count;
    return sum / count;
}

} // namespace

void add_deaths(experiment& to, const choices& chosen)
{
    const std::size_t seeds = chosen.quick ? 1 : 3, epochs = chosen.quick ? 2 : 10, points = 10;
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
    if (records.empty()) return;
    found.head("Dead workers");
    found.say("The same training with tau 50. After a quarter of the steps workers 0, 1, ... are gone, whose shards lie beside each other: the worst choice. The others go on from the last mean with "
              "fresh momentum, and so does the run in which nobody dies.");
    chart picture{.title = "Test accuracy against dead workers", .x_label = "dead of 8", .y_label = "percent", .compact = true};
    std::vector<std::vector<std::string>> rows = {{"dead", "mu 0", "samples lost", "mu 0.25", "samples lost"}};
    for (const double mu : redundancies) picture.series.push_back({.name = "mu " + plain(mu)});
    for (std::size_t dead = 0; dead <= most_dead; ++dead) {
        rows.push_back({std::to_string(dead)});
        for (std::size_t m = 0; m < redundancies.size(); ++m) {
            const double accuracy = at_end(records, redundancies[m], static_cast<double>(dead), "accuracy_x");
            picture.series[m].x.push_back(static_cast<double>(dead)), picture.series[m].y.push_back(accuracy);
            rows.back().push_back(fixed(accuracy, 2));
            rows.back().push_back(fixed(at_end(records, redundancies[m], static_cast<double>(dead), "lost_samples"), 0));
        }
    }
    found.draw(picture);
    found.table("Test accuracy in percent, mean over seeds:", rows);
    const auto hurt = [&](double mu) { return at_end(records, mu, 0, "accuracy_x") - at_end(records, mu, 2, "accuracy_x"); };
    const double plain_hurt = hurt(0), redundant_hurt = hurt(0.25);
    const std::string sentence = "two dead workers hurt mu 0.25 at least 1 point less than local SGD";
    const std::string numbers = "points lost: mu 0.25 " + fixed(redundant_hurt, 2) + ", mu 0 " + fixed(plain_hurt, 2);
    if (chosen.quick || std::isnan(plain_hurt + redundant_hurt)) found.leave_open("faults", sentence, "needs the full run (10 epochs, 3 seeds); this run: " + numbers);
    else found.judge("faults", sentence, redundant_hurt <= plain_hurt - 1, numbers);
}

} // namespace apps::reproduce
