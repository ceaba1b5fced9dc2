/// @file The main job: trains an MLP on Fashion-MNIST with several workers, dense and compressed, and shows what compression cost and saved.

#include "chart.hpp"
#include "cuda/mlp_training.hpp"
#include "data/error.hpp"
#include "data/fashion_mnist.hpp"
#include "options.hpp"
#include "progress.hpp"
#include "report.hpp"
#include "schedule.hpp"
#include "table.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace apps {
namespace {

std::string label_of(const report_context& context, const training_job& job)
{
    std::string names;
    for (const method* one : job.methods) names += (names.empty() ? "" : "+") + one->name;
    return context.data + " data: " + names + ", ratio " + plain(job.ratio) + ", seed " + std::to_string(job.seed);
}

/// Runs the jobs, `at_a_time` of them together. A job that fails for another reason than divergence is told and left out.
/// @return what finished, in the order of the jobs.
std::vector<finished_job> run_jobs(const data::dataset& set, const report_context& context, const std::vector<training_job>& jobs, std::size_t at_a_time)
{
    const step_schedule schedule(context.settings.epochs, set.train.count, context.settings.workers, context.settings.batch, context.settings.learning_rate);
    const models::mlp model;
    const auto train = mlp_trainer(context.device != "cpu");
    progress_bar progress("training", schedule.steps() * jobs.size());
    std::vector<std::optional<training_result>> results(jobs.size());
    std::atomic<std::size_t> next = 0;
    const auto work = [&] {
        for (std::size_t at = next++; at < jobs.size(); at = next++) {
            try {
                results[at] = train(model, set, context.settings, jobs[at], progress, label_of(context, jobs[at]));
                if (const std::size_t missing = schedule.steps() - results[at]->steps; missing > 0)
                    progress.add(missing, label_of(context, jobs[at]) + " broke off");
            } catch (const std::exception& error) {
                progress.note(label_of(context, jobs[at]) + " failed: " + error.what());
            }
        }
    };
    {
        std::vector<std::jthread> others;
        for (std::size_t i = 1; i < std::min(at_a_time, jobs.size()); ++i) others.emplace_back(work);
        work();
    }
    std::vector<finished_job> finished;
    for (std::size_t at = 0; at < jobs.size(); ++at)
        if (results[at]) finished.push_back({jobs[at], *results[at]});
    return finished;
}

/// A training's workers wait for each other at every step: eight of them keep two cores busy, more cores carry more trainings.
std::size_t trainings_at_a_time(const train_options& options)
{
    if (options.threads > 0) return options.threads;
    const std::size_t cores = std::max(1u, std::thread::hardware_concurrency());
    return std::max<std::size_t>(1, cores / options.workers);
}

/// A folder that cannot be written is better known now than after the trainings.
void check_out(const std::string& folder)
{
    try {
        std::filesystem::create_directories(folder);
        const std::filesystem::path probe = std::filesystem::path(folder) / "writable";
        write_text(probe, "");
        std::filesystem::remove(probe);
    } catch (const std::exception& error) {
        throw option_error("--out = " + folder + ": " + error.what());
    }
}

data::dataset load_data(const std::string& folder)
{
    try {
        return data::load_fashion_mnist(data::fashion_request::from_environment(folder));
    } catch (const data::data_error& error) {
        throw option_error((folder.empty() ? "GRADCOMP_DATA: " : "--data = " + folder + ": ") + error.what());
    }
}

/// The GPU's name, or "cpu". A device that is not there is better known now than after the data have been read.
std::string check_device(const train_options& options)
{
    if (options.device == "cpu") return options.device;
    const cuda_device found = find_cuda_device();
    if (!found.problem.empty()) throw option_error("--device cuda: " + found.problem);
    if (options.workers > most_workers_on_device)
        throw option_error("--workers = " + std::to_string(options.workers) + ": with --device cuda at most " + std::to_string(most_workers_on_device) + " share a GPU");
    return found.name;
}

int run(const train_options& options)
{
    const std::string device = check_device(options);
    check_out(options.out);
    const data::dataset set = load_data(options.data);
    for (const std::string& note : set.notes) std::printf("%s\n", note.c_str());
    report_context context{.program = "train_fashion", .data = set.name, .settings = {}, .device = device};
    context.settings.workers = options.workers;
    context.settings.epochs = options.epochs;
    context.settings.learning_rate = options.learning_rate;
    context.settings.lambda = options.lambda;
    if (set.train.count < context.settings.workers * context.settings.batch)
        throw option_error("--workers = " + std::to_string(options.workers) + ": the training set has " + std::to_string(set.train.count) +
            " images, too few for batches of " + std::to_string(context.settings.batch));
    const std::vector<training_job> jobs = plan_jobs(options.methods, options.ratios, options.seeds);
    std::printf("%s: %zu trainings\n", describe(context).c_str(), jobs.size());
    std::fflush(stdout);
    const std::vector<finished_job> finished = run_jobs(set, context, jobs, trainings_at_a_time(options));
    std::printf("\n%s", to_summary(context, finished).c_str());
    const std::filesystem::path out = options.out, picture = out / "accuracy.svg";
    write_records(to_records(context, finished), out);
    const std::optional<std::string> problem = draw_chart(to_chart(context, finished), picture);
    std::printf("\n%s\n%s\n%s\n", (out / "results.json").c_str(), (out / "results.csv").c_str(), problem ? problem->c_str() : picture.c_str());
    return finished.size() == jobs.size() ? 0 : 1;
}

} // namespace
} // namespace apps

int main(int argc, char** argv)
{
    int exit_code = 0;
    const std::optional<apps::train_options> options = apps::parse_options(argc, argv, exit_code);
    if (!options) return exit_code;
    try {
        return apps::run(*options);
    } catch (const apps::option_error& error) {
        std::fprintf(stderr, "train_fashion: %s\n", error.what());
        return 2;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "train_fashion: %s\n", error.what());
        return 1;
    }
}
