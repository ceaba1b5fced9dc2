/// @file Instantiates the stacks of local SGD and its relatives for the perceptron.
#include "reproduce/local_training.hpp"

#include "models/mlp.hpp"
#include "reproduce/images.hpp"

namespace apps::reproduce {
namespace {

namespace gc = gradcomp;

gc::participation draw_of(const local_settings& settings) { return {.workers = settings.loop.workers, .drawn = settings.drawn, .seed = settings.loop.seed}; }

/// A worker's batches in the rounds for which it is drawn.
class drawn_sampler {
public:
    drawn_sampler(const local_settings& settings, std::size_t worker, pool_sampler from) : settings_(settings), worker_(worker), from_(std::move(from)) {}
    std::span<const std::uint32_t> rows(std::size_t step)
    {
        const auto round = static_cast<std::uint32_t>(step / settings_.loop.period);
        if (settings_.drawn > 0 && !draw_of(settings_).takes_part(worker_, round)) return {};
        return from_.rows(step);
    }

private:
    const local_settings& settings_;
    std::size_t worker_;
    pool_sampler from_;
};

/// Steps of one rank to `until`. @return false where the run diverged.
template <class Loop> bool go_on(const local_settings& settings, gc::comm::in_process communicator, const gc::tensor_list& tensors, Loop& loop, std::size_t until)
{
    const gc::exec::cpu alone{.threads = 1}; // the ranks themselves are the threads
    const gc::momentum local{.beta = 0.9, .weight_decay = 2e-4};
    const auto period = static_cast<std::uint32_t>(settings.loop.period);
    const auto run = [&](const auto& stack) {
        auto exchange = stack.attach(tensors, std::span<float>(loop.x));
        return loop.go(exchange, until);
    };
    switch (settings.method) {
    case local_method::local_sgd: return run(gc::policy_stack{.compressor = gc::identity{}, .reducer = gc::ring{communicator}, .local = local, .period = period, .executor = alone});
    case local_method::drawn_workers:
        return run(gc::policy_stack{.compressor = gc::identity{}, .reducer = gc::ring{communicator}, .local = gc::momentum{.beta = 0.9},
            .server = gc::server_momentum{.beta = 0, .rate = draw_of(settings).weight()}, .period = period, .executor = alone});
    case local_method::outer_nesterov:
        return run(gc::policy_stack{.compressor = gc::identity{}, .reducer = gc::ring{communicator}, .local = local, .server = gc::server_momentum{.beta = 0.5, .nesterov = true},
            .period = period, .executor = alone});
    case local_method::top_k_ef:
        return run(gc::policy_stack{.compressor = gc::top_k{.ratio = 100}, .memory = gc::ef{}, .reducer = gc::all_gather{communicator}, .local = local, .period = period, .executor = alone});
    }
    return false;
}

} // namespace

std::vector<record> train_locally(const std::string& folder, const local_settings& settings, const record& facts, progress_bar& progress)
{
    const image_task<models::mlp> task{{}, &images(folder)};
    const std::vector<std::uint32_t> order = by_label(task);
    const gc::redundant_placement placement{.workers = settings.loop.workers, .redundancy = settings.redundancy};
    std::vector<bool> alive(settings.loop.workers, true);
    std::fill(alive.begin(), alive.begin() + static_cast<std::ptrdiff_t>(settings.dead), false);
    record base = start_record("reproduce");
    for (const auto& [field, value] : facts.fields()) base.set(field, value);
    base.set("data", task.name()).set("model", "MLP 784-256-10").set("tau", static_cast<std::int64_t>(settings.loop.period)).set("mu", settings.redundancy);
    base.set("drawn", static_cast<std::int64_t>(settings.drawn > 0 ? settings.drawn : settings.loop.workers));
    base.set("dead", static_cast<std::int64_t>(settings.dead)).set("lost_samples", static_cast<std::int64_t>(placement.lost(alive, order.size())));
    loop_run run(settings.loop, order.size(), base);
    run.base.set("rounds", static_cast<std::int64_t>(run.steps / settings.loop.period));
    const std::size_t period = settings.loop.period;
    const std::size_t death = static_cast<std::size_t>(settings.death * static_cast<double>(run.steps)) / period * period;
    std::vector<float> x(task.size());
    bool diverged = false;
    const auto phase = [&](std::size_t from, std::size_t until, std::size_t first_worker) {
        run.living = settings.loop.workers - first_worker;
        gc::comm::run_ranks(static_cast<int>(run.living), [&](gc::comm::in_process communicator) {
            const std::size_t worker = static_cast<std::size_t>(communicator.rank()) + first_worker;
            pool_sampler own(pool_of(placement, worker, order), settings.loop.batch, settings.loop.seed, 3000 + from + worker);
            rank_loop loop(task, run, drawn_sampler(settings, worker, std::move(own)), communicator.rank() == 0, progress);
            if (from > 0) loop.resume(x, from);
            const bool good = go_on(settings, communicator, task.tensors(), loop, until);
            communicator.barrier(); // x is read by all before it is written
            if (communicator.rank() == 0) {
                x = loop.x;
                diverged = !good;
            }
        }, patient());
    };
    const auto start = std::chrono::steady_clock::now();
    phase(0, death, 0);
    if (death < run.steps && !diverged) phase(death, run.steps, settings.dead);
    run.records.back().set("seconds", std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    return run.records;
}

} // namespace apps::reproduce
