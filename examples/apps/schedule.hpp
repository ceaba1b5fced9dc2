/// @file Which images a rank sees in which step, and the learning rate of that step.
#pragma once

#include "random.hpp"

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

namespace apps {

/// Steps and learning rates of one training; the same on every rank.
struct step_schedule {
    std::size_t epochs = 0;
    std::size_t steps_per_epoch = 0; ///< whole batches only: what is left over at the end of an epoch is not seen in it
    double learning_rate = 0.0;      ///< of the first half; a tenth of it until three quarters, a hundredth after

    step_schedule(std::size_t epochs_wanted, std::size_t images, std::size_t workers, std::size_t batch, double rate)
        : epochs(epochs_wanted), steps_per_epoch(images / (workers * batch)), learning_rate(rate)
    {
    }

    std::size_t steps() const { return epochs * steps_per_epoch; }
    double rate_at(std::size_t step) const
    {
        if (4 * step >= 3 * steps()) return learning_rate / 100.0;
        return 2 * step >= steps() ? learning_rate / 10.0 : learning_rate;
    }
};

/// One rank's share of each epoch: all ranks draw the same order of the images, and each takes its own part of every global batch.
class epoch_sampler {
public:
    epoch_sampler(std::size_t images, std::size_t workers, std::size_t batch, std::size_t rank, std::uint64_t seed)
        : order_(images), workers_(workers), batch_(batch), rank_(rank), seed_(seed)
    {
    }

    /// Draws the order of an epoch; complexity O(images). Epochs may be drawn in any order: each depends on its number alone.
    void start_epoch(std::size_t epoch)
    {
        std::iota(order_.begin(), order_.end(), std::uint32_t{0});
        generator random(seed_, 1000 + epoch);
        shuffle(order_, random);
    }

    /// The images of this rank in step `step` of the epoch.
    std::span<const std::uint32_t> batch(std::size_t step) const
    {
        return std::span(order_).subspan((step * workers_ + rank_) * batch_, batch_);
    }

private:
    std::vector<std::uint32_t> order_;
    std::size_t workers_, batch_, rank_;
    std::uint64_t seed_;
};

} // namespace apps
