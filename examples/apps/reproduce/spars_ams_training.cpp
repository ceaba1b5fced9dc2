/// @file Twenty workers: SPARS-AMS with Top-k and Block-Sign against dense AMSGrad, QAdam, 1-bit Adam and Top-k without memory.
#include "reproduce/spars_ams.hpp"

#include "models/cnn.hpp"
#include "models/mlp.hpp"
#include "reproduce/images.hpp"
#include "reproduce/rank_loop.hpp"
#include "reproduce/task.hpp"
#include "table.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>

namespace apps::reproduce {
namespace {

namespace gc = gradcomp;

struct row {
    const char *method, *name, *compressor, *memory, *reducer;
};
/// In the order of the tables.
const std::vector<row>& rows()
{
    static const std::vector<row> all = {
        {"amsgrad", "dense AMSGrad", "identity", "none", "ring"},
        {"spars_ams_top_k", "SPARS-AMS, Top-k 1 percent", "top_k", "ef", "gather_to_root"},
        {"spars_ams_block_sign", "SPARS-AMS, Block-Sign", "block_sign", "ef", "gather_to_root"},
        {"top_k_without_memory", "AMSGrad, Top-k 1 percent, no memory", "top_k", "none_accepting_bias", "gather_to_root"},
        {"q_adam", "QAdam, Top-k 1 percent", "top_k", "ef", "all_gather"},
        {"one_bit_adam", "1-bit Adam, Block-Sign", "block_sign", "ef", "gather_to_root"},
    };
    return all;
}

/// Trains x of the loop with that method, from the first step to the last.
template <class Loop> void train(const std::string& method, gc::comm::in_process communicator, const gc::tensor_list& tensors, Loop& loop, std::size_t steps)
{
    const gc::exec::cpu alone{.threads = 1}; // the ranks themselves are the threads
    const gc::ef<> feedback{.units = gc::units::gradient};
    const auto run = [&](const auto& stack) {
        auto exchange = stack.attach(tensors, std::span<float>(loop.x));
        loop.go(exchange, steps);
    };
    const auto on_server = [&](auto compressor, auto memory) {
        run(gc::policy_stack{.compressor = compressor, .memory = memory, .reducer = gc::gather_to_root{communicator}, .server = gc::amsgrad{}, .executor = alone});
    };
    if (method == "amsgrad") return run(gc::policy_stack{.compressor = gc::identity{}, .reducer = gc::ring{communicator}, .server = gc::amsgrad{}, .executor = alone});
    if (method == "spars_ams_top_k") return on_server(gc::top_k{.ratio = 100}, feedback);
    if (method == "spars_ams_block_sign") return on_server(gc::block_sign{}, feedback);
    if (method == "top_k_without_memory") return on_server(gc::top_k{.ratio = 100}, gc::none_accepting_bias{});
    if (method == "q_adam")
        return run(gc::policy_stack{.compressor = gc::top_k{.ratio = 100}, .memory = gc::ef{}, .reducer = gc::all_gather{communicator}, .local = gc::adam{}, .executor = alone});
    // 1-bit Adam: a twentieth of the steps as dense Adam, then compressed momentum with the variance as it is. The root tells all what m has become.
    const std::size_t warm_up = std::max<std::size_t>(1, steps / 20);
    auto dense = gc::policy_stack{.compressor = gc::identity{}, .reducer = gc::ring{communicator}, .server = gc::server_adam{}, .executor = alone}.attach(
        tensors, std::span<float>(loop.x));
    auto frozen = gc::policy_stack{.compressor = gc::block_sign{}, .memory = feedback, .reducer = gc::gather_to_root{communicator}, .local = gc::momentum{.dampened = true},
        .server = gc::server_adam{.frozen = true}, .executor = alone}.attach(tensors, std::span<float>(loop.x));
    if (!loop.go(dense, warm_up)) return;
    const std::span<float> momentum = frozen.local_state(0);
    std::ranges::copy(dense.server_state(0), momentum.begin());
    if (communicator.rank() == 0) std::ranges::copy(dense.server_state(1), frozen.server_state(1).begin());
    loop.go(frozen, steps, [&](std::size_t) {
        std::ranges::copy(frozen.server_state(0), momentum.begin()); // empty but on the root
        communicator.broadcast(gc::host_view<std::byte>(reinterpret_cast<std::byte*>(momentum.data()), momentum.size_bytes()), 0);
    });
}

template <class Task> std::vector<record> measure(const Task& task, const row& of, loop_settings settings, const char* model, progress_bar& progress)
{
    record base = start_record("reproduce");
    base.set("figure", "training").set("data", task.name()).set("model", model).set("method", of.method).set("name", of.name).set("compressor", of.compressor);
    base.set("memory", of.memory).set("reducer", of.reducer);
    settings.label = task.name() + " " + model + ", " + of.name + ", rate " + plain(settings.learning_rate) + ", seed " + std::to_string(settings.seed);
    loop_run run(settings, task.rows(), base);
    const auto start = std::chrono::steady_clock::now();
    gc::comm::run_ranks(static_cast<int>(settings.workers), [&](gc::comm::in_process communicator) {
        const auto rank = static_cast<std::size_t>(communicator.rank());
        rank_loop loop(task, run, shared_sampler(run, task.rows(), rank), rank == 0, progress);
        train(of.method, communicator, task.tensors(), loop, run.steps);
    }, patient());
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    run.records.back().set("seconds", seconds);
    return run.records;
}

/// Percent at the end, mean and deviation over seeds, and bits of one seed.
struct outcome {
    std::vector<double> accuracy;
    double loss = 0, bits = 0, rate = 0; ///< loss: the sum over seeds
    double mean() const
    {
        double sum = 0;
        for (const double one : accuracy) sum += one;
        return accuracy.empty() ? std::nan("") : sum / static_cast<double>(accuracy.size());
    }
    double deviation() const
    {
        double sum = 0;
        for (const double one : accuracy) sum += (one - mean()) * (one - mean());
        return accuracy.size() < 2 ? std::nan("") : std::sqrt(sum / static_cast<double>(accuracy.size() - 1));
    }
};

using outcomes = std::map<std::string, outcome>;

/// By method, the runs with the learning rate that ends with the lowest training loss, mean over seeds; the test images have no say in it.
outcomes tuned(const std::vector<record>& records)
{
    std::map<std::string, std::map<double, outcome>> by_rate;
    for (const record& r : records) {
        if (r.number("last") != 1) continue;
        outcome& of = by_rate[r.text("method")][r.number("learning_rate")];
        of.accuracy.push_back(r.number("accuracy_x"));
        of.loss += r.number("diverged") == 1 ? std::numeric_limits<double>::infinity() : r.number("train_loss");
        of.bits = r.number("bits_sent"), of.rate = r.number("learning_rate");
    }
    outcomes best;
    for (const auto& [method, rates] : by_rate)
        for (const auto& [rate, of] : rates)
            if (!best.contains(method) || of.loss / static_cast<double>(of.accuracy.size()) < best[method].loss / static_cast<double>(best[method].accuracy.size())) best[method] = of;
    return best;
}

chart draw(const std::vector<record>& records, outcomes& best, const std::string& title)
{
    chart picture{.title = title, .x_label = "bits sent by all workers", .y_label = "test accuracy, percent", .log_x = true, .compact = true, .x_format = "%.0s%c"};
    for (const row& of : rows()) {
        chart_series line{.name = of.name, .marks = false};
        for (const record& r : where(records, "method", of.method))
            if (r.number("seed") == 1 && r.number("learning_rate") == best[of.method].rate) line.x.push_back(r.number("bits_sent")), line.y.push_back(r.number("accuracy_x"));
        picture.series.push_back(line);
    }
    return picture;
}

/// The chart and the table of one task.
void tabulate(const std::vector<record>& records, outcomes& best, const std::string& title, findings& found)
{
    std::vector<std::vector<std::string>> table = {{"method", "learning rate", "seeds", "test accuracy", "deviation", "last training loss", "bits sent", "of dense"}};
    for (const row& of : rows()) {
        if (!best.contains(of.method)) continue;
        const outcome& o = best[of.method];
        table.push_back({of.name, plain(o.rate), std::to_string(o.accuracy.size()), fixed(o.mean(), 2), fixed(o.deviation(), 2), fixed(o.loss / static_cast<double>(o.accuracy.size()), 4),
            plain(o.bits), plain(o.bits / best["amsgrad"].bits)});
    }
    found.draw(draw(records, best, title));
    found.table(title + ", at the end of training:", table);
}

std::string numbers_of(outcomes& best)
{
    return "dense " + fixed(best["amsgrad"].mean(), 2) + ", Top-k 1 percent " + fixed(best["spars_ams_top_k"].mean(), 2) + ", without memory " + fixed(best["top_k_without_memory"].mean(), 2) +
        " percent right";
}

} // namespace

void add_adaptive_training(experiment& to, const choices& chosen)
{
    const std::string folder = chosen.data;
    const std::size_t seeds = chosen.quick ? 1 : 3;
    const auto add = [&](const std::string& what, std::size_t most_seeds, loop_settings settings, const std::vector<double>& rates, auto measure_one) {
        for (std::uint64_t seed = 1; seed <= most_seeds; ++seed)
            for (const row& of : rows())
                for (std::size_t i = 0; i < rates.size(); ++i) {
                    settings.seed = seed;
                    settings.learning_rate = rates[i];
                    std::string part_name = what + "-" + of.method + "-" + std::to_string(i + 1) + "-" + std::to_string(seed);
                    std::replace(part_name.begin(), part_name.end(), '_', '-');
                    to.parts.push_back({part_name, "epochs " + std::to_string(settings.epochs) + ", rate " + plain(rates[i]), settings.points,
                        [=](progress_bar& progress) { return measure_one(of, settings, progress); }});
                }
    };
    add("a9a", seeds, {.workers = 20, .batch = 32, .epochs = 20}, {3e-3, 1e-2, 3e-2}, [folder](const row& of, const loop_settings& settings, progress_bar& progress) {
        return measure(adult_task(folder), of, settings, "logistic regression", progress);
    });
    add("mlp", seeds, {.workers = 20, .batch = 32, .epochs = chosen.quick ? 2u : 20u}, {3e-4, 1e-3, 3e-3}, [folder](const row& of, const loop_settings& settings, progress_bar& progress) {
        return measure(image_task<models::mlp>{{}, &images(folder)}, of, settings, "MLP 784-256-10", progress);
    });
    if (chosen.quick) return;
    add("cnn", 1, {.workers = 20, .batch = 32, .epochs = 8}, {3e-4, 1e-3, 3e-3}, [folder](const row& of, const loop_settings& settings, progress_bar& progress) {
        return measure(image_task<models::cnn>{{.channels1 = 8, .channels2 = 16, .hidden = 64}, &images(folder)}, of, settings, "CNN 8-16-64", progress);
    });
}

void judge_adaptive_training(const std::vector<record>& all, const choices& chosen, findings& found)
{
    const std::vector<record> records = where(all, "figure", "training");
    if (records.empty()) return;
    found.head("Figure 1: test accuracy at 20 workers");
    found.say("20 workers, batches of 32 each, images and rows dealt out at random. The learning rate of each method is the one of three that ends with the lowest training loss (0.0003, 0.001, 0.003; "
              "for a9a ten times that), a tenth of it from the half, a hundredth from three quarters; beta1 0.9, beta2 0.999, epsilon 1e-8 inside the root. Block-Sign has one scale for 512 elements, "
              "not one a layer. QAdam sends each worker's m / sqrt(v); 1-bit Adam is dense for a twentieth of the steps. Bits are those that workers send, headers included; the parameters that "
              "come back dense from a root are not counted. The curves look at 2000 test images, their last point and the tables at all 10000.");
    for (const char* model : {"MLP 784-256-10", "CNN 8-16-64", "logistic regression"}) {
        const std::vector<record> of_model = where(records, "model", model);
        if (of_model.empty()) continue;
        const std::string title = of_model.front().text("data") + ", " + model;
        outcomes best = tuned(of_model);
        tabulate(of_model, best, title, found);
        const double dense = best["amsgrad"].mean(), top = best["spars_ams_top_k"].mean(), bare = best["top_k_without_memory"].mean();
        const std::string near = "Top-k 1 percent with error feedback is within 1.0 point of dense AMSGrad at 20 workers (" + title + ")";
        const std::string worse = "without memory Top-k is clearly worse, by more than 1.0 point (" + title + ")", numbers = numbers_of(best);
        if (chosen.quick || std::isnan(dense + top + bare)) {
            found.leave_open("top-k", near, "needs the full run (all epochs, all seeds); this run: " + numbers);
            found.leave_open("memory", worse, "needs the full run; this run: " + numbers);
        } else {
            found.judge("top-k", near, top > dense - 1, numbers);
            found.judge("memory", worse, bare < top - 1, numbers);
        }
    }
}

} // namespace apps::reproduce
