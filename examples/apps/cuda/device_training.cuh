/// @file One rank of one training with everything on a GPU; the counterpart of training.hpp.
#pragma once

#include "cuda/cublas_backend.cuh"
#include "data/images.hpp"
#include "models/mlp_steps.hpp"
#include "progress.hpp"
#include "schedule.hpp"
#include "training_result.hpp"

#include <gradcomp/cuda.cuh>

#include <algorithm>
#include <chrono>
#include <limits>
#include <vector>

namespace apps {

/// A data set in device memory, shared by the ranks.
class device_dataset {
    template <class T> using buffer = gradcomp::exec::device_buffer<T>;

public:
    /// Copies and waits. @throws gradcomp::error out_of_memory, device.
    explicit device_dataset(const data::dataset& set) : offset_(filled(set.offset)), train_(set.train), test_(set.test), scale_(set.scale), pixels_(set.train.pixels)
    {
        gradcomp::exec::detail::check_cuda(cudaDeviceSynchronize(), "the copy of the images"); // no stream of a rank waits for it
    }
    models::resident_images train() const { return view(train_); }
    models::resident_images test() const { return view(test_); }

private:
    template <class T> static buffer<T> filled(const std::vector<T>& from)
    {
        buffer<T> to(from.size());
        to.fill_from(from.data(), from.size());
        return to;
    }
    struct images {
        buffer<std::uint8_t> values, labels;
        explicit images(const data::labelled_images& from) : values(filled(from.values)), labels(filled(from.labels)) {}
    };
    models::resident_images view(const images& of) const { return {of.values.data(), of.labels.data(), offset_.data(), scale_, pixels_}; }

    buffer<float> offset_;
    images train_, test_;
    float scale_;
    std::size_t pixels_;
};

/// One rank of one training. Steps are enqueued; every few steps the host waits and learns whether they went well.
template <class Communicator> class device_rank_trainer {
    template <class T> using buffer = gradcomp::exec::device_buffer<T>;
    template <class T> using device_view = gradcomp::device_view<T>;

public:
    device_rank_trainer(const models::mlp& model, const data::dataset& set, const device_dataset& resident, const training_settings& settings, const training_job& job,
        Communicator communicator)
        : model_(model), set_(set), resident_(resident), settings_(settings), job_(job), communicator_(communicator), rank_(static_cast<std::size_t>(communicator.rank())),
          backend_(communicator.stream()), steps_(model, rows, backend_), which_(set.train.count / settings.workers), parameters_(model.size()), gradient_(model.size()),
          point_(model.size()), counts_(6)
    {
        std::vector<float> start(model.size());
        model_.initialise(start, job.seed);
        upload(parameters_, start);
    }

    /// As rank_trainer::run.
    template <class Stack> training_result run(const Stack& stack, progress_bar& progress, const std::string& label)
    {
        auto exchange = stack.attach(model_.tensors(), device_view<float>(parameters_.data(), parameters_.size()));
        training_result result;
        const auto start = std::chrono::steady_clock::now();
        std::string broke_off;
        try {
            train(exchange, progress, label, result.steps);
        } catch (const gradcomp::error& error) {
            // The ranks judge together and ask in the same steps, so all of them leave here, and x is as the last good step left it.
            if (error.code() != gradcomp::error_code::non_finite) throw;
            broke_off = "Broke off at step " + std::to_string(result.steps) + " or shortly before: " + error.what() + ".";
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
    static constexpr std::size_t rows = 256;        // images per product when measuring
    static constexpr std::size_t steps_ahead = 32; // enqueued before the host asks how they went

    template <class Exchange> void train(Exchange& exchange, progress_bar& progress, const std::string& label, std::size_t& done)
    {
        const step_schedule schedule(settings_.epochs, set_.train.count, settings_.workers, settings_.batch, settings_.learning_rate);
        epoch_sampler sampler(set_.train.count, settings_.workers, settings_.batch, rank_, job_.seed);
        const device_view<const float> gradient(gradient_.data(), gradient_.size());
        std::vector<std::uint32_t> order;
        for (std::size_t epoch = 0; epoch < schedule.epochs; ++epoch) {
            sampler.start_epoch(epoch);
            order.clear();
            for (std::size_t step = 0; step < schedule.steps_per_epoch; ++step) order.insert(order.end(), sampler.batch(step).begin(), sampler.batch(step).end());
            upload(which_, order);
            const std::string now = label + ", epoch " + std::to_string(epoch + 1) + "/" + std::to_string(schedule.epochs);
            for (std::size_t step = 0; step < schedule.steps_per_epoch; ++step) {
                steps_.gradient(exchange.gradient_point().data(), resident_.train(), {which_.data() + step * settings_.batch, 0, settings_.batch}, gradient_.data());
                exchange.step(gradient, schedule.rate_at(done));
                ++done;
                if (rank_ == 0) progress.add(1, now);
                if (done % steps_ahead == 0) exchange.wait();
            }
        }
        exchange.wait();
    }

    template <class Exchange> void measure(Exchange& exchange, training_result& result)
    {
        const auto wanted = [&](evaluation_point which) {
            return std::any_of(job_.methods.begin(), job_.methods.end(), [&](const method* one) { return one->point == which; });
        };
        const device_view<float> point(point_.data(), point_.size());
        exchange.evaluate_at(point, gradcomp::evaluation_point::parameters);
        result[evaluation_point::parameters] = measure_at(false);
        if (wanted(evaluation_point::own)) {
            exchange.evaluate_at(point);
            result[evaluation_point::own] = measure_at(false);
        }
        if (wanted(evaluation_point::local)) {
            exchange.evaluate_at(point, gradcomp::evaluation_point::local);
            result[evaluation_point::local] = measure_at(true);
        }
    }

    /// As rank_trainer::measure_at, at point_.
    accuracy measure_at(bool own_point)
    {
        const auto share = [&](std::size_t count, std::size_t rank) { return count * rank / settings_.workers; };
        const auto slice = [&](const models::resident_images& images, std::size_t count) { return percent(images, share(count, rank_), share(count, rank_ + 1)); };
        return {own_point ? percent(resident_.test(), 0, set_.test.count) : slice(resident_.test(), set_.test.count), slice(resident_.train(), set_.train.count)};
    }

    /// Percent right over all ranks, each of which looks at its images [begin, end); NaN where a rank's point is not finite.
    double percent(const models::resident_images& images, std::size_t begin, std::size_t end)
    {
        const std::vector<float> point = download(point_, point_.size());
        const bool finite = std::all_of(point.begin(), point.end(), [](float value) { return gradcomp::is_finite(value); });
        upload(counts_, std::vector<std::uint64_t>{0, end - begin, finite ? 0u : 1u});
        for (std::size_t at = begin; at < end; at += rows) steps_.count_correct(point_.data(), images, {nullptr, at, std::min(rows, end - at)}, counts_.data());
        communicator_.all_reduce(device_view<const std::uint64_t>(counts_.data(), 3), device_view<std::uint64_t>(counts_.data() + 3, 3));
        const std::vector<std::uint64_t> all = download(counts_, 6);
        if (all[5] > 0) return std::numeric_limits<double>::quiet_NaN();
        return 100.0 * static_cast<double>(all[3]) / static_cast<double>(std::max<std::uint64_t>(all[4], 1));
    }

    /// In order with what is on the rank's stream. `from` is free again on return, for it is pageable.
    template <class T> void upload(buffer<T>& to, const std::vector<T>& from)
    {
        gradcomp::exec::detail::check_cuda(cudaMemcpyAsync(to.data(), from.data(), from.size() * sizeof(T), cudaMemcpyHostToDevice, communicator_.stream()), "cudaMemcpyAsync");
    }
    /// Waits for the rank's stream.
    template <class T> std::vector<T> download(const buffer<T>& from, std::size_t count)
    {
        std::vector<T> to(count);
        communicator_.wait();
        gradcomp::exec::detail::check_cuda(cudaMemcpyAsync(to.data(), from.data(), count * sizeof(T), cudaMemcpyDeviceToHost, communicator_.stream()), "cudaMemcpyAsync");
        communicator_.wait();
        return to;
    }

    models::mlp model_;
    const data::dataset& set_;
    const device_dataset& resident_;
    const training_settings& settings_;
    const training_job& job_;
    Communicator communicator_;
    std::size_t rank_;
    cublas_backend backend_;
    models::mlp_steps<cublas_backend> steps_;
    buffer<std::uint32_t> which_; ///< the rank's images of the present epoch
    buffer<float> parameters_, gradient_, point_;
    buffer<std::uint64_t> counts_; ///< right, seen, not finite: this rank's, then all ranks'
};

} // namespace apps
