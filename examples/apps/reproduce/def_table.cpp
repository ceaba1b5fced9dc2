/// @file The trainings of table 2: every method at every ratio, at each evaluation point; and long runs at ratio 64.
#include "reproduce/def_table.hpp"

#include "cnn_training.hpp"
#include "cuda/mlp_training.hpp"
#include "report.hpp"
#include "reproduce/images.hpp"
#include "schedule.hpp"
#include "table.hpp"

#include <limits>
#include <numeric>

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
    const bool on_cuda = chosen.on_cuda && how.model == "mlp";
    for (const training_job& job : jobs) {
        const std::string name = how.figure + "-" + job.methods.front()->name + "-" + plain(job.ratio) + "-" + std::to_string(job.seed);
        const training_settings settings{.epochs = how.epochs};
        const std::size_t steps = step_schedule(how.epochs, 60000, settings.workers, settings.batch, settings.learning_rate).steps();
        const std::string points = job.methods.size() > 1 && how.all_points ? ", all points" : "", device = on_cuda ? ", cuda" : "";
        to.parts.push_back({name, how.model + ", epochs " + std::to_string(how.epochs) + points + device, steps, [=](progress_bar& progress) {
            const data::dataset& set = images(folder);
            const training_result result = how.model == "cnn" ? train_cnn(models::cnn{}, set, settings, job, progress, name) : mlp_trainer(on_cuda)(models::mlp{}, set, settings, job, progress, name);
            if (result.steps < steps) progress.add(steps - result.steps, name + " broke off");
            std::vector<record> records = to_records({.program = "reproduce", .data = set.name, .settings = settings}, {{job, result}});
            for (record& r : records) r.set("figure", how.figure).set("model", how.model).set("device", on_cuda ? "cuda" : "cpu");
            return records;
        }});
    }
}

} // namespace

void add_def_table(experiment& to, const choices& chosen)
{
    const std::vector<std::string> all = {"sgd", "none", "ef", "saef", "psync", "def", "def_a"};
    std::vector<std::uint64_t> seeds(chosen.quick ? 1 : table_seeds);
    std::iota(seeds.begin(), seeds.end(), std::uint64_t{1});
    add_jobs(to, chosen, {"table", "mlp", chosen.quick ? std::size_t{3} : std::size_t{12}, seeds, table_ratios, all, true, true});
    if (chosen.quick) return;
    add_jobs(to, chosen, {"long", "mlp", 40, seeds, {64}, {"sgd", "none", "saef", "def"}, false, false});
    add_jobs(to, chosen, {"cnn", "cnn", 3, {1}, cnn_ratios, all, false, false});
}

} // namespace apps::reproduce
