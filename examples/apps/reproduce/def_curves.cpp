/// @file Over training: the gap between training and test accuracy, and the lambda that the ranks' errors call for; and accuracy for lambda from 0 to 1.
#include "reproduce/def.hpp"

#include "cuda/mlp_training.hpp"
#include "report.hpp"
#include "reproduce/curve.hpp"
#include "reproduce/images.hpp"
#include "reproduce/over_seeds.hpp"
#include "table.hpp"

#include <gradcomp/gradcomp.hpp>
#include <gradcomp/observe/moments.hpp>

#include <algorithm>
#include <cmath>

namespace apps::reproduce {
namespace {

namespace gc = gradcomp;

constexpr std::size_t points = 24;
constexpr double ratio = 64;

/// Adds what the ranks' errors have in common to a curve's records; every rank calls it. `Follows`: DEF goes on with the lambda* of that moment.
template <bool Follows> struct look_at_errors {
    template <class Exchange> void operator()(Exchange& exchange, gc::comm::in_process communicator, record& to) const
    {
        if (exchange.error().empty()) return;
        const gc::theory::error_moments m = gc::error_moments_of(communicator, exchange.error());
        to.set("error_common", m.common).set("error_variance", m.variance).set("lambda_best", gc::theory::best_detachment(m));
        if constexpr (Follows) exchange.set_lambda(gc::theory::best_detachment(m)); // the same on all ranks, as the moments are
    }
};

template <bool Follows = false, class StackOf> void add_curve(experiment& to, const choices& chosen, const std::string& name, const StackOf& stack_of)
{
    const std::size_t epochs = chosen.quick ? 3 : 12;
    const std::string folder = chosen.data;
    to.parts.push_back({"curve-" + name, "epochs " + std::to_string(epochs), points, [=](progress_bar& progress) {
        const curve_settings settings{.workers = 8, .batch = 16, .epochs = epochs, .learning_rate = 0.05, .seed = 1, .points = points, .label = "over training, " + name};
        record base = start_record("reproduce");
        base.set("figure", "curve").set("method", name).set("ratio", name == "sgd" ? 1.0 : ratio).set("data", images(folder).name);
        return train_curve(models::mlp{}, images(folder), settings, base, stack_of, progress, look_at_errors<Follows>{});
    }});
}

const gc::momentum local{.beta = 0.9, .weight_decay = 1e-4};
template <class Memory> auto blocks(Memory memory)
{
    return [memory](auto communicator) { return gc::policy_stack{.compressor = gc::random_block{.ratio = ratio}, .memory = memory, .reducer = gc::ring{communicator}, .local = local}; };
}

void add_lambdas(experiment& to, const choices& chosen)
{
    const std::size_t epochs = chosen.quick ? 3 : 12;
    const std::vector<double> lambdas = chosen.quick ? std::vector<double>{0.1, 0.3, 0.6, 1} : std::vector<double>{0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1};
    const std::string folder = chosen.data;
    const bool on_cuda = chosen.on_cuda;
    for (std::uint64_t seed = 1; seed <= (chosen.quick ? 1u : 3u); ++seed)
        for (const double lambda : lambdas) {
            const std::string name = "lambda-" + plain(lambda) + "-" + std::to_string(seed);
            const training_settings settings{.epochs = epochs, .lambda = lambda};
            const std::size_t steps = step_schedule(epochs, 60000, settings.workers, settings.batch, settings.learning_rate).steps();
            to.parts.push_back({name, "epochs " + std::to_string(epochs) + (on_cuda ? ", cuda" : ""), steps, [=](progress_bar& progress) {
                const training_job job{recipe::def, ratio, seed, {find_method("def"), find_method("def_a")}};
                const training_result result = mlp_trainer(on_cuda)(models::mlp{}, images(folder), settings, job, progress, name);
                if (result.steps < steps) progress.add(steps - result.steps, name + " broke off");
                std::vector<record> records = to_records({.program = "reproduce", .data = images(folder).name, .settings = settings}, {{job, result}});
                for (record& r : records) r.set("figure", "lambda").set("device", on_cuda ? "cuda" : "cpu");
                return records;
            }});
        }
}

void show_lambdas(const std::vector<record>& records, findings& found)
{
    if (records.empty()) return;
    found.head("lambda from 0 (EF) to 1 (SAEF), ratio 64");
    chart picture{.title = "Accuracy against lambda, mean and deviation", .x_label = "lambda", .y_label = "percent", .compact = true};
    std::vector<std::vector<std::string>> rows = {{"lambda", "seeds", "DEF", "DEF-A"}};
    std::vector<double> lambdas;
    for (const record& r : records)
        if (std::find(lambdas.begin(), lambdas.end(), r.number("lambda")) == lambdas.end()) lambdas.push_back(r.number("lambda"));
    std::ranges::sort(lambdas);
    for (const char* name : {"def", "def_a"}) {
        chart_series& line = picture.series.emplace_back(chart_series{.name = name});
        for (std::size_t i = 0; i < lambdas.size(); ++i) {
            over_seeds right = collect(records, "accuracy_evaluation", [&](const record& r) { return r.text("method") == name && r.number("lambda") == lambdas[i]; });
            for (auto& [seed, value] : right.by_seed)
                if (!std::isfinite(value)) value = 0; // a model that is no number gets nothing right
            add_point(line, lambdas[i], right);
            if (rows.size() == i + 1) rows.push_back({plain(lambdas[i]), std::to_string(right.count())});
            rows[i + 1].push_back(with_deviation(right, 2));
        }
    }
    found.draw(picture);
    found.table("Test accuracy in percent, mean and deviation over seeds:", rows);
}

/// Charts of the curves, and what the errors call for at their end.
void show_curves(const std::vector<record>& records, findings& found)
{
    if (records.empty()) return;
    found.head("Over training, ratio 64");
    chart gap{.title = "Training minus test accuracy at x", .x_label = "epoch", .y_label = "points", .compact = true};
    chart lambda{.title = "lambda* that the errors call for", .x_label = "epoch", .y_label = "lambda*", .compact = true};
    std::string numbers, diverged, ends;
    for (const char* name : {"sgd", "none", "saef", "def", "def_measured"}) {
        chart_series a{.name = name, .marks = false}, b{.name = name, .marks = false};
        double last = 0;
        for (const record& r : where(records, "method", name)) {
            a.x.push_back(r.number("epoch")), a.y.push_back(r.number("train_accuracy") - r.number("accuracy_x"));
            if (std::isfinite(r.number("lambda_best"))) b.x.push_back(r.number("epoch")), b.y.push_back(last = r.number("lambda_best"));
            if (r.number("diverged") == 1) diverged += " The run of " + std::string(name) + " diverged in epoch " + fixed(r.number("epoch"), 1) + ".";
        }
        gap.series.push_back(a);
        for (const record& r : where(records, "method", name))
            if (r.number("last") == 1) ends += (ends.empty() ? "" : ", ") + std::string(name) + " " + fixed(r.number("accuracy_x"), 2);
        if (!b.x.empty()) lambda.series.push_back(b), numbers += (numbers.empty() ? "" : ", ") + std::string(name) + " " + fixed(last, 3);
    }
    found.say("One seed. The gap is taken at x, whatever point the method is evaluated at, on the first " + std::to_string(curve_settings{}.test_images) +
        " images of each set; the last point takes all 10000 test images and as many training images." + diverged);
    found.say("lambda* = (M^2 + sigma^2/K) / (M^2 + sigma^2), from what the 8 ranks' errors have in common (M^2) and how they scatter (sigma^2). At the end: " + numbers + "; the runs use 0.3 (def), 1 (saef) and, in def_measured, the lambda* of each point of the "
        "chart until the next one. Test accuracy at x at the end: " + ends + ".");
    found.draw(gap);
    found.draw(lambda);
}

} // namespace

void add_def_curves(experiment& to, const choices& chosen)
{
    add_curve(to, chosen, "sgd", [](auto communicator) { return gc::policy_stack{.compressor = gc::identity{}, .reducer = gc::ring{communicator}, .local = local}; });
    add_curve(to, chosen, "none", blocks(gc::none_accepting_bias{}));
    add_curve(to, chosen, "saef", blocks(gc::saef{}));
    add_curve(to, chosen, "def", blocks(gc::def_a{.lambda = 0.3}));
    add_curve<true>(to, chosen, "def_measured", blocks(gc::def_a{.lambda = 0.3}));
    add_lambdas(to, chosen);
}

void judge_def_curves(const std::vector<record>& all, const choices&, findings& found)
{
    show_curves(where(all, "figure", "curve"), found);
    show_lambdas(where(all, "figure", "lambda"), found);
}

} // namespace apps::reproduce
