/// @file Trains a model on several ranks and keeps loss and accuracy along the way, against the bits that were sent.
#pragma once

#include "data/images.hpp"
#include "progress.hpp"
#include "records.hpp"
#include "schedule.hpp"

#include <gradcomp/gradcomp.hpp>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <numeric>
#include <string>
#include <vector>

namespace apps::reproduce {

/// What a curve's training needs beside model, data and stack.
struct curve_settings {
    std::size_t workers = 4, batch = 32, epochs = 3;
    double learning_rate = 0.05;
    std::uint64_t seed = 1;
    std::size_t points = 24;       ///< measurements, evenly spread
    std::size_t test_images = 2000; ///< looked at in each but the last, which takes all
    std::string label;             ///< for the progress bar, which gets one unit per point
};

/// The default of train_curve's `look`: nothing more than every curve has.
struct look_no_further {
    template <class Exchange> void operator()(Exchange&, gradcomp::comm::in_process, record&) const {}
};

/// Percent of the first `count` of these images that get their label at `point`.
template <class Model>
double percent_right(const Model& model, const data::dataset& set, const data::labelled_images& of, std::span<const float> point, std::size_t count, typename Model::workspace& work, std::size_t batch)
{
    std::vector<float> pixels(batch * of.pixels);
    std::vector<std::uint8_t> labels(batch);
    std::vector<std::uint32_t> which(batch);
    std::size_t right = 0;
    for (std::size_t at = 0; at < count; at += batch) {
        const std::size_t n = std::min(batch, count - at);
        std::iota(which.begin(), which.end(), static_cast<std::uint32_t>(at));
        data::gather(set, of, std::span(which).first(n), std::span(pixels).first(n * of.pixels), std::span(labels).first(n));
        right += model.correct(point, std::span(pixels).first(n * of.pixels), std::span(labels).first(n), work);
    }
    return 100.0 * static_cast<double>(right) / static_cast<double>(count);
}

/// One rank's training along a curve; rank 0 writes the records.
template <class Model> class curve_rank {
public:
    std::vector<float> x;

    curve_rank(const Model& model, const data::dataset& set, const curve_settings& settings, const record& base, std::size_t rank, progress_bar& progress, std::vector<record>& records)
        : x(model.size()), model_(model), set_(set), settings_(settings), base_(base), first_(rank == 0), progress_(progress), records_(records),
          schedule_(settings.epochs, set.train.count, settings.workers, settings.batch, settings.learning_rate), sampler_(set.train.count, settings.workers, settings.batch, rank, settings.seed),
          gradient_(model.size()), pixels_(settings.batch * set.train.pixels), labels_(settings.batch), work_(model, settings.batch)
    {
        model.initialise(x, settings.seed);
    }

    /// All steps, or those before a gradient was no longer finite: the last record then says that the run has diverged.
    template <class Exchange, class Look> void go(Exchange& exchange, gradcomp::comm::in_process communicator, const Look& look)
    {
        const std::size_t every = std::max<std::size_t>(1, schedule_.steps() / settings_.points);
        try {
            for (; step_ < schedule_.steps(); ++step_) {
                take(exchange);
                if (!((step_ + 1) % every == 0 || step_ + 1 == schedule_.steps())) continue;
                record r = base_;
                look(exchange, communicator, r);
                if (first_) keep(exchange, r, step_ + 1, exchange.health().diverging);
            }
        } catch (const gradcomp::error& error) {
            if (error.code() != gradcomp::error_code::non_finite) throw;
            if (first_) keep(exchange, base_, step_, true);
        }
        if (first_ && given_ < settings_.points) progress_.add(settings_.points - given_, settings_.label);
    }

private:
    template <class Exchange> void take(Exchange& exchange)
    {
        if (step_ % schedule_.steps_per_epoch == 0) sampler_.start_epoch(step_ / schedule_.steps_per_epoch);
        data::gather(set_, set_.train, sampler_.batch(step_ % schedule_.steps_per_epoch), pixels_, labels_);
        loss_ += model_.gradient(exchange.gradient_point(), pixels_, labels_, gradient_, work_);
        ++losses_;
        exchange.step(std::span<const float>(gradient_), schedule_.rate_at(step_));
    }
    /// @param done steps that were taken; where they are not all of them the run broke off
    template <class Exchange> void keep(const Exchange& exchange, record r, std::size_t done, bool diverged)
    {
        const bool last = done == schedule_.steps() || step_ == done;
        const double bits = 8.0 * static_cast<double>(exchange.wire_bytes()) * static_cast<double>(settings_.workers) * static_cast<double>(done);
        const std::size_t count = last ? set_.test.count : std::min(settings_.test_images, set_.test.count);
        r.set("seed", static_cast<std::int64_t>(settings_.seed)).set("workers", static_cast<std::int64_t>(settings_.workers)).set("step", static_cast<std::int64_t>(done));
        r.set("epoch", static_cast<double>(done) / static_cast<double>(schedule_.steps_per_epoch)).set("train_loss", loss_ / static_cast<double>(losses_));
        r.set("accuracy_x", percent_right(model_, set_, set_.test, x, count, work_, settings_.batch));
        r.set("train_accuracy", percent_right(model_, set_, set_.train, x, count, work_, settings_.batch)).set("bits_sent", bits).set("last", last);
        if (last) {
            r.set("epochs", static_cast<std::int64_t>(settings_.epochs)).set("learning_rate", settings_.learning_rate).set("accuracy_evaluation", r.number("accuracy_x"));
            r.set("message_bytes", static_cast<std::int64_t>(exchange.message_bytes())).set("wire_bytes", static_cast<std::int64_t>(exchange.wire_bytes()));
            r.set("total_bytes", static_cast<std::int64_t>(bits / 8)).set("diverged", diverged);
            r.set("seconds", std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count());
        }
        records_.push_back(r);
        loss_ = 0;
        losses_ = 0;
        if (given_ < settings_.points) progress_.add(1, settings_.label), ++given_;
    }

    const Model& model_;
    const data::dataset& set_;
    const curve_settings& settings_;
    const record& base_;
    bool first_;
    progress_bar& progress_;
    std::vector<record>& records_;
    step_schedule schedule_;
    epoch_sampler sampler_;
    std::vector<float> gradient_, pixels_;
    std::vector<std::uint8_t> labels_;
    typename Model::workspace work_;
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
    double loss_ = 0;
    std::size_t losses_ = 0, given_ = 0, step_ = 0;
};

/// Trains with the stack that stack_of(communicator) gives; one record per point with the fields of `base`, then step, epoch, train_loss (mean over
/// rank 0's batches since the last point), accuracy_x, train_accuracy (on as many images), bits_sent (by all ranks, headers included) and, in the last
/// one, the fields of a training record. look(exchange, communicator, record) may add fields; every rank calls it, and rank 0's record is kept. A run
/// whose gradients become NaN or Inf ends there: its last record has diverged set, and not the fields of `look`.
template <class Model, class StackOf, class Look = look_no_further>
std::vector<record> train_curve(const Model& model, const data::dataset& set, const curve_settings& settings, const record& base, const StackOf& stack_of, progress_bar& progress,
    const Look& look = {})
{
    std::vector<record> records;
    const gradcomp::comm::in_process_options patient{.deadline = std::chrono::hours(1), .faults = {}};
    gradcomp::comm::run_ranks(static_cast<int>(settings.workers), [&](gradcomp::comm::in_process communicator) {
        curve_rank<Model> rank(model, set, settings, base, static_cast<std::size_t>(communicator.rank()), progress, records);
        auto exchange = stack_of(communicator).attach(model.tensors(), std::span<float>(rank.x));
        rank.go(exchange, communicator, look);
    }, patient);
    return records;
}

} // namespace apps::reproduce
