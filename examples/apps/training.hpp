/// @file Trains one model on one rank through an exchange, and measures it at each wanted point.
#pragma once

#include "data/images.hpp"
#include "methods.hpp"
#include "progress.hpp"
#include "schedule.hpp"
#include "training_result.hpp"

#include <gradcomp/gradcomp.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <vector>

namespace apps {

/// One rank of one training of `Model` (see models/mlp.hpp for what a model offers).
template <class Model, class Communicator> class rank_trainer {
public:
    rank_trainer(const Model& model, const data::dataset& set, const training_settings& settings, const training_job& job, Communicator communicator)
        : model_(model), set_(set), settings_(settings), job_(job), communicator_(communicator), rank_(static_cast<std::size_t>(communicator.rank())),
          work_(model, rows), images_(rows * set.train.pixels), labels_(rows), parameters_(model.size()), gradient_(model.size())
    {
        model_.initialise(parameters_, job.seed);
    }

    /// Attaches the stack, trains, measures. A run that diverges until a gradient is no longer finite ends early, says so, and is measured there.
    /// @throws gradcomp::error for every other failure.
    template <class Stack> training_result run(const Stack& stack, progress_bar& progress, const std::string& label)
    {
        auto exchange = stack.attach(model_.tensors(), std::span<float>(parameters_));
        training_result result;
        const auto start = std::chrono::steady_clock::now();
        std::string broke_off;
        try {
            train(exchange, progress, label, result.steps);
        } catch (const gradcomp::error& error) {
            // Every rank throws alike, so every rank leaves the loop in the same step and x is as the last step left it.
            if (error.code() != gradcomp::error_code::non_finite) throw;
            broke_off = "Broke off at step " + std::to_string(result.steps) + ": " + error.what() + ".";
        }
        result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        result.message_bytes = exchange.message_bytes();
        result.wire_bytes = exchange.wire_bytes();
        const auto health = exchange.health();
        result.unstable = health.diverging;
        result.remedy = health.text + (health.text.empty() || broke_off.empty() ? "" : " ") + broke_off;
        measure(exchange, result);
        const bool learned = result[evaluation_point::parameters].train >= 50.0; // false for NaN
        result.diverged = !broke_off.empty() || (result.unstable && !learned);
        return result;
    }

private:
    static constexpr std::size_t rows = 256; // images per product when measuring

    template <class Exchange> void train(Exchange& exchange, progress_bar& progress, const std::string& label, std::size_t& done)
    {
        const step_schedule schedule(settings_.epochs, set_.train.count, settings_.workers, settings_.batch, settings_.learning_rate);
        epoch_sampler sampler(set_.train.count, settings_.workers, settings_.batch, rank_, job_.seed);
        const std::span<float> images = std::span(images_).first(settings_.batch * set_.train.pixels);
        const std::span<std::uint8_t> labels = std::span(labels_).first(settings_.batch);
        for (std::size_t epoch = 0; epoch < schedule.epochs; ++epoch) {
            sampler.start_epoch(epoch);
            const std::string now = label + ", epoch " + std::to_string(epoch + 1) + "/" + std::to_string(schedule.epochs);
            for (std::size_t step = 0; step < schedule.steps_per_epoch; ++step, ++done) {
                data::gather(set_, set_.train, sampler.batch(step), images, labels);
                model_.gradient(exchange.gradient_point(), images, labels, gradient_, work_);
                exchange.step(std::span<const float>(gradient_), schedule.rate_at(done));
                if (rank_ == 0) progress.add(1, now);
            }
        }
    }

    template <class Exchange> void measure(Exchange& exchange, training_result& result)
    {
        std::vector<float> point(model_.size());
        const auto wanted = [&](evaluation_point which) {
            return std::any_of(job_.methods.begin(), job_.methods.end(), [&](const method* one) { return one->point == which; });
        };
        exchange.evaluate_at(std::span<float>(point), gradcomp::evaluation_point::parameters);
        result[evaluation_point::parameters] = measure_at(point, false);
        if (wanted(evaluation_point::own)) {
            exchange.evaluate_at(std::span<float>(point));
            result[evaluation_point::own] = measure_at(point, false);
        }
        if (wanted(evaluation_point::mean)) {
            exchange.evaluate_at(std::span<float>(point), gradcomp::evaluation_point::mean_corrected);
            result[evaluation_point::mean] = measure_at(point, false);
        }
        if (wanted(evaluation_point::local)) {
            exchange.evaluate_at(std::span<float>(point), gradcomp::evaluation_point::local);
            result[evaluation_point::local] = measure_at(point, true);
        }
    }

    /// Ranks share the images where they hold the same point; with a point of its own each sees the whole test set, and its share of the rest.
    accuracy measure_at(std::span<const float> point, bool own_point)
    {
        const std::size_t ranks = settings_.workers;
        const auto share = [&](std::size_t count, std::size_t rank) { return count * rank / ranks; };
        const auto slice = [&](const data::labelled_images& images) { return percent(point, images, share(images.count, rank_), share(images.count, rank_ + 1)); };
        return {own_point ? percent(point, set_.test, 0, set_.test.count) : slice(set_.test), slice(set_.train)};
    }

    /// Percent right over all ranks, each of which looks at its images [begin, end); NaN where a rank's point is not finite.
    double percent(std::span<const float> point, const data::labelled_images& images, std::size_t begin, std::size_t end)
    {
        const bool finite = std::all_of(point.begin(), point.end(), [](float value) { return gradcomp::is_finite(value); });
        std::array<std::uint64_t, 3> mine = {0, end - begin, finite ? 0u : 1u}, all = {};
        std::array<std::uint32_t, rows> which{};
        for (std::size_t at = begin; at < end; at += rows) {
            const std::size_t count = std::min(rows, end - at);
            std::iota(which.begin(), which.end(), static_cast<std::uint32_t>(at));
            const std::span<float> batch = std::span(images_).first(count * images.pixels);
            const std::span<std::uint8_t> labels = std::span(labels_).first(count);
            data::gather(set_, images, std::span(which).first(count), batch, labels);
            mine[0] += model_.correct(point, batch, labels, work_);
        }
        communicator_.all_reduce(gradcomp::host_view<const std::uint64_t>(mine.data(), mine.size()), gradcomp::host_view<std::uint64_t>(all.data(), all.size()));
        if (all[2] > 0) return std::numeric_limits<double>::quiet_NaN();
        return 100.0 * static_cast<double>(all[0]) / static_cast<double>(std::max<std::uint64_t>(all[1], 1));
    }

    const Model& model_;
    const data::dataset& set_;
    const training_settings& settings_;
    const training_job& job_;
    Communicator communicator_;
    std::size_t rank_;
    typename Model::workspace work_;
    std::vector<float> images_;
    std::vector<std::uint8_t> labels_;
    std::vector<float> parameters_, gradient_;
};

} // namespace apps
