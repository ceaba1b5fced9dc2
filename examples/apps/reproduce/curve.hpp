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

/// Trains with the stack that stack_of(communicator) gives; one record per point with the fields of `base`, then step, epoch, train_loss (mean over
/// rank 0's batches since the last point), accuracy_x, train_accuracy (on as many images), bits_sent (by all ranks, headers included) and, in the last
/// one, the fields of a training record. look(exchange, communicator, record) may add fields; every rank calls it, and rank 0's record is kept.
template <class Model, class StackOf, class Look = look_no_further>
std::vector<record> train_curve(const Model& model, const data::dataset& set, const curve_settings& settings, const record& base, const StackOf& stack_of, progress_bar& progress,
    const Look& look = {})
{
    namespace gc = gradcomp;
    std::vector<record> records;
    const step_schedule schedule(settings.epochs, set.train.count, settings.workers, settings.batch, settings.learning_rate);
    const std::size_t every = std::max<std::size_t>(1, schedule.steps() / settings.points);
    const gc::comm::in_process_options patient{.deadline = std::chrono::hours(1), .faults = {}};
    gc::comm::run_ranks(static_cast<int>(settings.workers), [&](gc::comm::in_process communicator) {
        const bool first = communicator.rank() == 0;
        std::vector<float> x(model.size()), gradient(model.size()), pixels(settings.batch * set.train.pixels);
        std::vector<std::uint8_t> labels(settings.batch);
        typename Model::workspace work(model, settings.batch);
        model.initialise(x, settings.seed);
        auto exchange = stack_of(communicator).attach(model.tensors(), std::span<float>(x));
        epoch_sampler sampler(set.train.count, settings.workers, settings.batch, static_cast<std::size_t>(communicator.rank()), settings.seed);
        const auto start = std::chrono::steady_clock::now();
        double loss = 0;
        std::size_t losses = 0, given = 0;
        for (std::size_t step = 0; step < schedule.steps(); ++step) {
            if (step % schedule.steps_per_epoch == 0) sampler.start_epoch(step / schedule.steps_per_epoch);
            data::gather(set, set.train, sampler.batch(step % schedule.steps_per_epoch), pixels, labels);
            loss += model.gradient(exchange.gradient_point(), pixels, labels, gradient, work);
            ++losses;
            exchange.step(std::span<const float>(gradient), schedule.rate_at(step));
            const bool last = step + 1 == schedule.steps();
            if (!((step + 1) % every == 0 || last)) continue;
            record r = base;
            look(exchange, communicator, r);
            if (!first) continue;
            const double bits = 8.0 * static_cast<double>(exchange.wire_bytes()) * static_cast<double>(settings.workers) * static_cast<double>(step + 1);
            const std::size_t count = last ? set.test.count : std::min(settings.test_images, set.test.count);
            r.set("seed", static_cast<std::int64_t>(settings.seed)).set("workers", static_cast<std::int64_t>(settings.workers)).set("step", static_cast<std::int64_t>(step + 1));
            r.set("epoch", static_cast<double>(step + 1) / static_cast<double>(schedule.steps_per_epoch)).set("train_loss", loss / static_cast<double>(losses));
            r.set("accuracy_x", percent_right(model, set, set.test, exchange.parameters(), count, work, settings.batch));
            r.set("train_accuracy", percent_right(model, set, set.train, exchange.parameters(), count, work, settings.batch)).set("bits_sent", bits).set("last", last);
            if (last) {
                r.set("epochs", static_cast<std::int64_t>(settings.epochs)).set("learning_rate", settings.learning_rate).set("accuracy_evaluation", r.number("accuracy_x"));
                r.set("message_bytes", static_cast<std::int64_t>(exchange.message_bytes())).set("wire_bytes", static_cast<std::int64_t>(exchange.wire_bytes()));
                r.set("total_bytes", static_cast<std::int64_t>(bits / 8)).set("diverged", exchange.health().diverging);
                r.set("seconds", std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
            }
            records.push_back(r);
            loss = 0;
            losses = 0;
            if (given < settings.points) progress.add(1, settings.label), ++given;
        }
        if (first && given < settings.points) progress.add(settings.points - given, settings.label);
    }, patient);
    return records;
}

} // namespace apps::reproduce
