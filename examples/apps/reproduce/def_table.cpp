/// @file Table 2: every method at every ratio, at each evaluation point, beside the paper's numbers for its own model; and long runs at ratio 64.
#include "reproduce/def.hpp"

#include "cnn_training.hpp"
#include "mlp_training.hpp"
#include "report.hpp"
#include "reproduce/images.hpp"
#include "schedule.hpp"
#include "table.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace apps::reproduce {
namespace {

constexpr double none_given = std::numeric_limits<double>::quiet_NaN();

/// Iterate averaging: dense messages, so `ratio` only says delta = 1 / ratio.
const method averaging{"ia", recipe::ia, evaluation_point::parameters, "delta_scaling", "def_a", "ring", true, 1.0, false};
/// The evaluation points that no method of the tables has, for the three trainings that have an error.
const std::vector<method> elsewhere = {{"ef_mean", recipe::ef, evaluation_point::mean, "random_block", "ef", "ring", true, 0.0, false},
    {"ef_local", recipe::ef, evaluation_point::local, "random_block", "ef", "ring", true, 0.0, false},
    {"saef_mean", recipe::saef, evaluation_point::mean, "random_block", "saef", "ring", true, 1.0, false},
    {"def_local", recipe::def, evaluation_point::local, "random_block", "def", "ring", true, none_given, true}};
const std::vector<double> ratios = {16, 64, 128, 256, 512, 1024};

/// One cell of the paper's table 2 (ResNet-50 on ImageNet); NaN: diverged.
struct paper_row {
    double ratio;
    std::vector<std::pair<std::string, double>> accuracy;
};
const std::vector<paper_row>& paper()
{
    static const std::vector<paper_row> rows = {
        {1, {{"sgd", 76.04}}},
        {16, {{"ef", 75.29}, {"saef", 75.83}, {"psync", 75.63}, {"def", 75.98}, {"def_a", 76.10}}},
        {64, {{"ef", 73.05}, {"saef", 74.65}, {"psync", 74.84}, {"def", 76.16}, {"def_a", 76.37}}},
        {128, {{"ef", 63.80}, {"saef", 74.26}, {"psync", 74.12}, {"def", 76.17}, {"def_a", 76.14}}},
        {256, {{"ef", none_given}, {"saef", 73.83}, {"psync", 73.02}, {"def", 75.71}, {"def_a", 76.00}}},
        {512, {{"ef", none_given}, {"saef", 73.00}, {"psync", 72.60}, {"def", 75.52}, {"def_a", 75.77}}},
        {1024, {{"ef", none_given}, {"saef", 71.89}, {"psync", 71.82}, {"def", 75.64}, {"def_a", 75.57}}}};
    return rows;
}
double of_paper(const std::string& name, double ratio)
{
    for (const paper_row& row : paper())
        if (row.ratio == ratio)
            for (const auto& [who, accuracy] : row.accuracy)
                if (who == name) return accuracy;
    return none_given;
}

/// How a figure of this file trains.
struct plan {
    std::string figure, model;
    std::size_t epochs;
    std::vector<std::uint64_t> seeds;
    std::vector<double> at;
    std::vector<std::string> methods;
    bool with_averaging, all_points;
};

void add_jobs(experiment& to, const choices& chosen, const plan& how)
{
    std::vector<training_job> jobs = plan_jobs(how.methods, how.at, how.seeds);
    if (how.with_averaging)
        for (const double ratio : how.at)
            for (const std::uint64_t seed : how.seeds) jobs.push_back({recipe::ia, ratio, seed, {&averaging}});
    if (how.all_points)
        for (training_job& job : jobs)
            for (const method& one : elsewhere)
                if (one.trains_as == job.trains_as) job.methods.push_back(&one);
    const std::string folder = chosen.data;
    for (const training_job& job : jobs) {
        const std::string name = how.figure + "-" + job.methods.front()->name + "-" + plain(job.ratio) + "-" + std::to_string(job.seed);
        const training_settings settings{.epochs = how.epochs};
        const std::size_t steps = step_schedule(how.epochs, 60000, settings.workers, settings.batch, settings.learning_rate).steps();
        const std::string points = job.methods.size() > 1 && how.all_points ? ", all points" : "";
        to.parts.push_back({name, how.model + ", epochs " + std::to_string(how.epochs) + points, steps, [=](progress_bar& progress) {
            const data::dataset& set = images(folder);
            const training_result result = how.model == "cnn" ? train_cnn(models::cnn{}, set, settings, job, progress, name) : train_mlp(models::mlp{}, set, settings, job, progress, name);
            if (result.steps < steps) progress.add(steps - result.steps, name + " broke off");
            std::vector<record> records = to_records({.program = "reproduce", .data = set.name, .settings = settings}, {{job, result}});
            for (record& r : records) r.set("figure", how.figure).set("model", how.model);
            return records;
        }});
    }
}

/// Mean and count over seeds of a method's accuracy where it is evaluated; a run that diverged counts with what it ended at.
struct cell {
    double mean = none_given, deviation = 0;
    std::size_t seeds = 0;
    bool diverged = false;
};
cell look_up(const std::vector<record>& records, const std::string& name, double ratio, const std::string& field = "accuracy_evaluation")
{
    std::vector<double> seen;
    cell out;
    for (const record& r : where(records, "method", name)) {
        if (r.number("ratio") != ratio) continue;
        const double value = r.number(field);
        seen.push_back(std::isfinite(value) ? value : 0); // a model that is no number gets nothing right
        out.diverged |= r.number("diverged") == 1;
    }
    out.seeds = seen.size();
    if (seen.empty()) return out;
    double sum = 0, squares = 0;
    for (const double v : seen) sum += v;
    out.mean = sum / static_cast<double>(seen.size());
    for (const double v : seen) squares += (v - out.mean) * (v - out.mean);
    out.deviation = seen.size() > 1 ? std::sqrt(squares / static_cast<double>(seen.size() - 1)) : 0;
    return out;
}
std::string text_of(const cell& one)
{
    if (one.seeds == 0) return "";
    if (one.diverged) return "diverged";
    return fixed(one.mean, 2) + (one.seeds > 1 ? " +- " + fixed(one.deviation, 2) : "");
}

const std::vector<const char*> compared = {"ef", "saef", "psync", "def", "def_a"};

/// "n of 10": pairs of methods of which the same one is ahead by both, divergence (NaN) being last.
template <class Ours, class Theirs> std::string pairs_alike(const Ours& ours, const Theirs& theirs)
{
    const auto ahead = [](double a, double b) { return std::isfinite(a) && (!std::isfinite(b) || a > b); };
    std::size_t alike = 0, pairs = 0;
    for (std::size_t i = 0; i < compared.size(); ++i)
        for (std::size_t j = i + 1; j < compared.size(); ++j, ++pairs)
            if (ahead(ours(compared[i]), ours(compared[j])) == ahead(theirs(compared[i]), theirs(compared[j]))) ++alike;
    return std::to_string(alike) + " of " + std::to_string(pairs);
}

/// The names from best to worst by `accuracy`; divergence is last.
template <class Accuracy> std::string order_of(const Accuracy& accuracy)
{
    std::vector<std::pair<double, std::string>> all;
    for (const char* name : compared) {
        const double value = accuracy(name);
        all.push_back({std::isfinite(value) ? -value : 1e9, name});
    }
    std::stable_sort(all.begin(), all.end());
    std::string text;
    for (const auto& [value, name] : all) text += (text.empty() ? "" : " > ") + name;
    return text;
}

void show_table(const std::vector<record>& records, findings& found)
{
    const std::vector<std::string> names = {"none", "ef", "saef", "psync", "def", "def_a", "ia"};
    std::vector<std::vector<std::string>> rows{{"ratio", "sgd"}}, sums{{"ratio", "order here", "order in the paper", "the same", "pairs in the paper's order"}};
    rows[0].insert(rows[0].end(), names.begin(), names.end());
    rows.push_back({"1", text_of(look_up(records, "sgd", 1)) + " (" + fixed(76.04, 2) + ")"});
    rows.back().resize(names.size() + 2);
    chart picture{.title = "Accuracy against bytes sent", .x_label = "bytes sent by all workers", .y_label = "percent", .log_x = true, .compact = true, .x_format = "%.0s%c"};
    for (const std::string& name : names) picture.series.push_back({.name = name});
    for (const double ratio : ratios) {
        rows.push_back({plain(ratio), ""});
        for (std::size_t i = 0; i < names.size(); ++i) {
            const cell one = look_up(records, names[i], ratio);
            const double theirs = of_paper(names[i], ratio);
            rows.back().push_back(text_of(one) + (std::isfinite(theirs) ? " (" + fixed(theirs, 2) + ")" : ratio >= 256 && names[i] == "ef" ? " (diverged)" : ""));
            const double bytes = look_up(records, names[i], ratio, "total_bytes").mean;
            if (!one.diverged && std::isfinite(one.mean)) picture.series[i].x.push_back(bytes), picture.series[i].y.push_back(one.mean);
        }
        const auto ours = [&](const std::string& name) { const cell one = look_up(records, name, ratio); return one.diverged ? none_given : one.mean; };
        const auto theirs = [&](const std::string& name) { return of_paper(name, ratio); };
        sums.push_back({plain(ratio), order_of(ours), order_of(theirs), order_of(ours) == order_of(theirs) ? "yes" : "no", pairs_alike(ours, theirs)});
    }
    found.table("Test accuracy in percent at each method's own evaluation point; in brackets the paper's, of its own model and data. Iterate averaging (ia) sends dense messages, delta = 1/ratio.", rows);
    found.draw(picture);
    found.table("From best to worst:", sums);
}

/// The same trainings at every point: x, x - mean e, and each rank's x - e.
void show_points(const std::vector<record>& records, findings& found)
{
    struct training {
        const char *name, *x, *mean, *local;
    };
    std::vector<std::vector<std::string>> rows{{"ratio", "training", "at x", "at x - mean e", "at each rank's x - e"}};
    for (const double ratio : ratios)
        for (const training& one : {training{"EF, lambda 0", "ef", "ef_mean", "ef_local"}, {"DEF, lambda 0.3", "def_a", "def", "def_local"}, {"SAEF and PSync, lambda 1", "saef", "saef_mean", "psync"}})
            rows.push_back({plain(ratio), one.name, text_of(look_up(records, one.x, ratio)), text_of(look_up(records, one.mean, ratio)), text_of(look_up(records, one.local, ratio))});
    found.table("Each training at each evaluation point (DEF-A is DEF's training at x, PSync is SAEF's at x - e):", rows);
}

std::string loss_text(double loss) { return fixed(loss, 2); }

void judge_short(const std::vector<record>& records, const choices& chosen, findings& found)
{
    const auto loss = [&](const char* name, double ratio) { return look_up(records, "sgd", 1).mean - look_up(records, name, ratio).mean; };
    const auto judge = [&](const std::string& name, const std::string& sentence, bool holds, const std::string& numbers) {
        if (chosen.quick) found.leave_open(name, sentence, "needs the full run (12 epochs, 3 seeds); this run: " + numbers);
        else found.judge(name, sentence, holds, numbers);
    };
    judge("def-64", "at ratio 64 DEF loses less than 1.5 points to dense SGD", loss("def", 64) < 1.5, "lost " + loss_text(loss("def", 64)));
    judge("none-64", "at ratio 64 no memory loses more than 3 points", loss("none", 64) > 3, "lost " + loss_text(loss("none", 64)));
    judge("ef-64", "at ratio 64 EF loses more than 20 points", loss("ef", 64) > 20, "lost " + loss_text(loss("ef", 64)));
    judge("saef-64", "at ratio 64 SAEF ends at least 2 points below DEF", loss("saef", 64) - loss("def", 64) >= 2, "below by " + loss_text(loss("saef", 64) - loss("def", 64)));
    judge("def-256", "at ratio 256 DEF loses less than 2 points", loss("def", 256) < 2, "lost " + loss_text(loss("def", 256)));
    const double a = loss("def_a", 1024), d = loss("def", 1024), s = loss("saef", 1024);
    judge("def-a-1024", "at ratio 1024 DEF-A loses less than 6 points and ends above DEF and SAEF", a < 6 && a < d && a < s, "lost: DEF-A " + loss_text(a) + ", DEF " + loss_text(d) + ", SAEF " + loss_text(s));
}

void judge_long(const std::vector<record>& records, findings& found)
{
    const std::string first = "after 40 epochs at ratio 64 DEF ends at least 1 point above no memory and SAEF", second = "after 40 epochs at ratio 64 DEF ends within 1 point of dense SGD (the paper claims parity)";
    if (records.empty()) {
        found.leave_open("long-above", first, "needs the full run (40 epochs, 3 seeds)");
        found.leave_open("long-dense", second, "needs the full run (40 epochs, 3 seeds)");
        return;
    }
    const double dense = look_up(records, "sgd", 1).mean, def = look_up(records, "def", 64).mean, none = look_up(records, "none", 64).mean, saef = look_up(records, "saef", 64).mean;
    const std::string numbers = "dense " + fixed(dense, 2) + ", DEF " + fixed(def, 2) + ", no memory " + fixed(none, 2) + ", SAEF " + fixed(saef, 2);
    found.judge("long-above", first, def - none >= 1 && def - saef >= 1, numbers);
    found.judge("long-dense", second, dense - def < 1, numbers);
}

void show_cnn(const std::vector<record>& records, findings& found)
{
    if (records.empty()) return;
    std::vector<std::vector<std::string>> rows{{"method", "ratio 64", "ratio 1024"}};
    for (const char* name : {"none", "ef", "saef", "psync", "def", "def_a"}) rows.push_back({name, text_of(look_up(records, name, 64)), text_of(look_up(records, name, 1024))});
    found.table("The convolutional network (1,199,882 parameters), 3 epochs, one seed; dense SGD " + text_of(look_up(records, "sgd", 1)) + ":", rows);
}

} // namespace

void add_def_table(experiment& to, const choices& chosen)
{
    const std::vector<std::string> all = {"sgd", "none", "ef", "saef", "psync", "def", "def_a"};
    const std::vector<std::uint64_t> seeds = chosen.quick ? std::vector<std::uint64_t>{1} : std::vector<std::uint64_t>{1, 2, 3};
    add_jobs(to, chosen, {"table", "mlp", chosen.quick ? std::size_t{3} : std::size_t{12}, seeds, ratios, all, true, true});
    if (chosen.quick) return;
    add_jobs(to, chosen, {"long", "mlp", 40, seeds, {64}, {"sgd", "none", "saef", "def"}, false, false});
    add_jobs(to, chosen, {"cnn", "cnn", 3, {1}, {64, 1024}, all, false, false});
}

void judge_def_table(const std::vector<record>& all, const choices& chosen, findings& found)
{
    const std::vector<record> table = where(all, "figure", "table");
    if (table.empty()) return;
    found.head("Table 2: accuracy at each ratio");
    found.say("MLP 784-256-10 on " + table.front().text("data") + ", 8 workers with batches of 16, momentum 0.9, weight decay 1e-4, learning rate 0.05 (a tenth from the half, a hundredth from three "
              "quarters), lambda 0.3, " + plain(table.front().number("epochs")) + " epochs.");
    show_table(table, found);
    show_points(table, found);
    judge_short(table, chosen, found);
    judge_long(where(all, "figure", "long"), found);
    show_cnn(where(all, "figure", "cnn"), found);
}

} // namespace apps::reproduce
