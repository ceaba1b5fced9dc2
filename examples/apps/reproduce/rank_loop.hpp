/// @file One rank's steps through one exchange or several in a row, with records along the way.
#pragma once

#include "progress.hpp"
#include "records.hpp"
#include "schedule.hpp"

#include <gradcomp/gradcomp.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace apps::reproduce {

/// What a training through rank_loop needs beside task and stack.
struct loop_settings {
    std::size_t workers = 8, batch = 32, epochs = 2;
    double learning_rate = 0.05; ///< as step_schedule lowers it
    std::uint64_t seed = 1;
    std::size_t points = 10;     ///< measurements, evenly spread; as many units of progress
    std::size_t period = 1;      ///< the number of steps is a multiple of it
    std::size_t local_states = 0; ///< streams of the local rule, which a worker that rests forgets
    std::string label = {};
};

/// What the ranks of one training share; rank 0 writes the records.
struct loop_run {
    loop_settings settings;
    step_schedule schedule;
    std::size_t steps, every;
    record base;
    std::vector<record> records = {};
    double bits = 0;  ///< sent by all ranks towards the reduction, headers included; what comes back is not counted
    std::size_t given = 0;
    std::size_t living = settings.workers; ///< ranks that take part

    loop_run(const loop_settings& s, std::size_t rows, const record& facts)
        : settings(s), schedule(s.epochs, rows, s.workers, s.batch, s.learning_rate), steps(std::max(s.period, schedule.steps() / s.period * s.period)),
          every(std::max<std::size_t>(1, steps / s.points)), base(facts)
    {
        base.set("seed", static_cast<std::int64_t>(s.seed)).set("workers", static_cast<std::int64_t>(s.workers)).set("batch", static_cast<std::int64_t>(s.batch));
        base.set("epochs", static_cast<std::int64_t>(s.epochs)).set("learning_rate", s.learning_rate).set("steps", static_cast<std::int64_t>(steps));
    }
};

/// Steps of one rank. `Sampler` gives rows(step), the rows of this rank's batch; none where it takes no part in the step.
template <class Task, class Sampler> class rank_loop {
public:
    std::vector<float> x;

    rank_loop(const Task& task, loop_run& run, Sampler sampler, bool first, progress_bar& progress)
        : x(task.size()), run_(run), sampler_(std::move(sampler)), first_(first), progress_(progress), worker_(task, run.settings.batch), gradient_(task.size())
    {
        task.initialise(x, run.settings.seed);
    }

    /// Goes on from another loop's x, before step `at`.
    void resume(std::span<const float> from, std::size_t at)
    {
        std::copy(from.begin(), from.end(), x.begin());
        step_ = at;
    }
    /// Steps from where the last call ended to `until`; after(step) follows each.
    /// @return false where a gradient was no longer finite: the run has diverged, and every rank returns so.
    template <class Exchange, class After> bool go(Exchange& exchange, std::size_t until, const After& after)
    {
        try {
            for (; step_ < until; ++step_) {
                if (const auto rows = sampler_.rows(step_); rows.empty()) {
                    rest(exchange);
                } else {
                    loss_ += worker_.gradient(exchange.gradient_point(), rows, gradient_);
                    ++losses_;
                }
                exchange.step(std::span<const float>(gradient_), run_.schedule.rate_at(step_));
                after(step_);
                if (first_) note(exchange);
            }
        } catch (const gradcomp::error& error) {
            if (error.code() != gradcomp::error_code::non_finite) throw;
            if (first_) keep(true);
            return false;
        }
        return true;
    }
    template <class Exchange> bool go(Exchange& exchange, std::size_t until) { return go(exchange, until, [](std::size_t) {}); }

private:
    /// A worker that takes no part in this round walks nowhere, and forgets its momentum.
    template <class Exchange> void rest(Exchange& exchange)
    {
        std::fill(gradient_.begin(), gradient_.end(), 0.0f);
        for (std::size_t j = 0; j < run_.settings.local_states; ++j) std::ranges::fill(exchange.local_state(j), 0.0f);
    }
    template <class Exchange> void note(const Exchange& exchange)
    {
        if (exchange.exchanges() != exchanges_) run_.bits += 8.0 * static_cast<double>(exchange.wire_bytes()) * static_cast<double>(run_.living);
        exchanges_ = exchange.exchanges();
        if ((step_ + 1) % run_.every == 0 || step_ + 1 == run_.steps) keep(false);
    }
    void keep(bool diverged)
    {
        const bool last = diverged || step_ + 1 == run_.steps;
        record r = run_.base;
        r.set("step", static_cast<std::int64_t>(step_ + 1)).set("epoch", static_cast<double>(step_ + 1) / static_cast<double>(run_.schedule.steps_per_epoch));
        r.set("train_loss", loss_ / static_cast<double>(losses_)).set("accuracy_x", worker_.accuracy(x, last)).set("bits_sent", run_.bits).set("last", last).set("diverged", diverged);
        run_.records.push_back(r);
        loss_ = 0;
        losses_ = 0;
        const std::size_t units = last ? run_.settings.points - run_.given : run_.given < run_.settings.points ? 1 : 0;
        progress_.add(units, run_.settings.label);
        run_.given += units;
    }

    loop_run& run_;
    Sampler sampler_;
    bool first_;
    progress_bar& progress_;
    typename Task::worker worker_;
    std::vector<float> gradient_;
    double loss_ = 0;
    std::size_t losses_ = 0, step_ = 0;
    std::uint64_t exchanges_ = 0;
};

/// Threads of one process cannot get lost; on a machine that is overloaded or was asleep they only come late.
inline gradcomp::comm::in_process_options patient() { return {.deadline = std::chrono::hours(1), .faults = {}}; }

/// Every rank's part of a common order of all rows.
class shared_sampler {
public:
    shared_sampler(const loop_run& run, std::size_t rows, std::size_t rank)
        : sampler_(rows, run.settings.workers, run.settings.batch, rank, run.settings.seed), per_epoch_(run.schedule.steps_per_epoch)
    {
    }
    std::span<const std::uint32_t> rows(std::size_t step)
    {
        if (step % per_epoch_ == 0) sampler_.start_epoch(step / per_epoch_);
        return sampler_.batch(step % per_epoch_);
    }

private:
    epoch_sampler sampler_;
    std::size_t per_epoch_;
};

} // namespace apps::reproduce
