/// @file The experiments of RI-SGD: local SGD with redundantly placed data.
#pragma once

#include "random.hpp"
#include "reproduce/experiment.hpp"

#include <gradcomp/optim/placement.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

namespace apps::reproduce {

/// Everything of scripts/reproduce ri-sgd. @throws data_error where data is missing.
experiment make_ri_sgd(const choices& chosen);

inline constexpr std::size_t full_seeds = 3; ///< of the trainings, in a full run

void add_local_training(experiment& to, const choices& chosen);
void judge_local_training(const std::vector<record>& records, const choices& chosen, findings& found);
void add_deaths(experiment& to, const choices& chosen);
void judge_deaths(const std::vector<record>& records, const choices& chosen, findings& found);
void add_residual(experiment& to, const choices& chosen);
void judge_residual(const std::vector<record>& records, const choices& chosen, findings& found);
void add_batches(experiment& to, const choices& chosen);
void judge_batches(const std::vector<record>& records, const choices& chosen, findings& found);

/// The rows of a task in the order of their labels, so that a shard holds one label or two: the split that local SGD suffers from most.
template <class Task> std::vector<std::uint32_t> by_label(const Task& task)
{
    std::vector<std::uint32_t> order(task.rows());
    std::iota(order.begin(), order.end(), 0u);
    std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return task.label(a) != task.label(b) ? task.label(a) < task.label(b) : a < b; });
    return order;
}

/// What a worker holds of rows in that order.
inline std::vector<std::uint32_t> pool_of(const gradcomp::redundant_placement& placement, std::size_t worker, std::span<const std::uint32_t> order)
{
    std::vector<std::uint32_t> pool;
    for (const gradcomp::sample_range& held : placement.ranges(worker, order.size()))
        for (std::size_t i = held.begin; i < held.end; ++i) pool.push_back(order[i]);
    return pool;
}

/// Batches from a pool of rows, each row once before any twice; the batch is as large whatever the pool, so workers with more data do not see more of it.
class pool_sampler {
public:
    pool_sampler(std::vector<std::uint32_t> pool, std::size_t batch, std::uint64_t seed, std::uint64_t stream)
        : pool_(std::move(pool)), batch_(std::min(batch, pool_.size())), at_(pool_.size()), random_(seed, stream)
    {
    }
    std::span<const std::uint32_t> rows(std::size_t)
    {
        if (at_ + batch_ > pool_.size()) {
            shuffle(pool_, random_);
            at_ = 0;
        }
        at_ += batch_;
        return std::span(pool_).subspan(at_ - batch_, batch_);
    }

private:
    std::vector<std::uint32_t> pool_;
    std::size_t batch_, at_;
    generator random_;
};

} // namespace apps::reproduce
