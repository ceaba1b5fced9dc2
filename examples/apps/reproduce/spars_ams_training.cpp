/// @file Trains with twenty workers: SPARS-AMS with Top-k and Block-Sign, dense AMSGrad, QAdam, 1-bit Adam and Top-k without memory.
#include "reproduce/spars_ams_tasks.hpp"

#include "models/cnn.hpp"
#include "models/mlp.hpp"
#include "reproduce/images.hpp"
#include "reproduce/rank_loop.hpp"
#include "reproduce/task.hpp"
#include "table.hpp"

#include <algorithm>
#include <chrono>

namespace apps::reproduce {
namespace {

namespace gc = gradcomp;

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

} // namespace

void add_adaptive_training(experiment& to, const choices& chosen)
{
    const std::string folder = chosen.data;
    const auto add = [&](const training_task& what, std::size_t epochs, auto measure_one) {
        for (std::uint64_t seed = 1; seed <= (chosen.quick ? 1 : what.seeds); ++seed)
            for (const row& of : rows())
                for (std::size_t i = 0; i < what.rates.size(); ++i) {
                    const loop_settings settings{.workers = 20, .batch = 32, .epochs = epochs, .learning_rate = what.rates[i], .seed = seed};
                    std::string part_name = std::string(what.name) + "-" + of.method + "-" + std::to_string(i + 1) + "-" + std::to_string(seed);
                    std::replace(part_name.begin(), part_name.end(), '_', '-');
                    to.parts.push_back({part_name, "epochs " + std::to_string(settings.epochs) + ", rate " + plain(what.rates[i]), settings.points,
                        [=](progress_bar& progress) { return measure_one(of, settings, progress); }});
                }
    };
    add(on_a9a, on_a9a.epochs, [folder](const row& of, const loop_settings& settings, progress_bar& progress) {
        return measure(adult_task(folder), of, settings, on_a9a.model, progress);
    });
    add(on_mlp, chosen.quick ? 2 : on_mlp.epochs, [folder](const row& of, const loop_settings& settings, progress_bar& progress) {
        return measure(image_task<models::mlp>{{}, &images(folder)}, of, settings, on_mlp.model, progress);
    });
    if (chosen.quick) return;
    add(on_cnn, on_cnn.epochs, [folder](const row& of, const loop_settings& settings, progress_bar& progress) {
        return measure(image_task<models::cnn>{{.channels1 = 8, .channels2 = 16, .hidden = 64}, &images(folder)}, of, settings, on_cnn.model, progress);
    });
}

} // namespace apps::reproduce
