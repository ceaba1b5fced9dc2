/// @file Redundant placement of data (RI-SGD): which samples each worker holds, and how many dead workers the data survives.
#pragma once

#include <gradcomp/core/error.hpp>
#include <gradcomp/core/text.hpp>

#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace gradcomp {
inline namespace optim {

/// Samples [begin, end).
struct sample_range {
    std::size_t begin = 0, end = 0;
    std::size_t size() const { return end - begin; }
    bool operator==(const sample_range&) const = default;
};

/// n samples lie in p shards, shard i = [floor(i n / p), floor((i + 1) n / p)); worker j holds shard j and the redundancy * p shards that follow it,
/// round the end. Of a fraction r of a shard it holds the first floor(r size + 1/2) samples: exact counts, the same in every run.
///
/// Local SGD over it (.compressor = gc::identity{}, .period = tau) is RI-SGD. With whole shards of equal size every sample has equally many copies,
/// so the mean over workers of their losses is the loss; with a fraction the doubled part weighs more.
/// @cite Haddadpour, Kamani, Mahdavi, Cadambe, ICML 2019. Its program jitters the fraction and rounds it to 1 / ceil(1 / r); this does not.
struct redundant_placement {
    std::size_t workers = 1; ///< p
    double redundancy = 0;   ///< mu, from 0 to (p - 1) / p: shards beyond its own that each worker holds, over p

    /// @throws error invalid_option.
    void check() const
    {
        if (workers < 1) throw error(error_code::invalid_option, "workers", std::to_string(workers), "must be at least 1");
        if (!(redundancy >= 0 && extra() <= static_cast<double>(workers - 1)))
            throw error(error_code::invalid_option, "redundancy", text_of(redundancy), "must be from 0 to (workers - 1) / workers: a worker holds no shard twice");
    }
    /// Samples of shard i.
    sample_range shard(std::size_t i, std::size_t samples) const { return {cut(i, samples), cut(i + 1, samples)}; }
    /// Whole shards that lie on `failures() + 1` workers: any so many workers may die, and no sample is lost.
    std::size_t failures() const { return static_cast<std::size_t>(extra()); }

    /// What worker j holds, its own shard first; empty ranges are left out. @throws error invalid_option, invalid_argument.
    std::vector<sample_range> ranges(std::size_t worker, std::size_t samples) const
    {
        check();
        if (worker >= workers) throw error(error_code::invalid_argument, "worker", std::to_string(worker), "must be below " + std::to_string(workers));
        const std::size_t whole = failures();
        const double rest = extra() - static_cast<double>(whole);
        std::vector<sample_range> held;
        for (std::size_t k = 0; k <= whole + 1; ++k) {
            if (k > whole && rest == 0) break;
            sample_range one = shard((worker + k) % workers, samples);
            if (k > whole) one.end = one.begin + static_cast<std::size_t>(std::floor(rest * static_cast<double>(one.size()) + 0.5));
            if (one.size() > 0) held.push_back(one);
        }
        return held;
    }
    /// How many samples worker j holds.
    std::size_t count(std::size_t worker, std::size_t samples) const
    {
        std::size_t all = 0;
        for (const sample_range& one : ranges(worker, samples)) all += one.size();
        return all;
    }
    /// How many samples no living worker holds. @param alive one truth value a worker. O(samples) memory and time.
    std::size_t lost(const std::vector<bool>& alive, std::size_t samples) const
    {
        if (alive.size() != workers) throw error(error_code::size_changed, "alive", std::to_string(alive.size()), "must have one entry for each of " + std::to_string(workers) + " workers");
        std::vector<bool> held(samples);
        for (std::size_t j = 0; j < workers; ++j)
            if (alive[j])
                for (const sample_range& one : ranges(j, samples))
                    for (std::size_t i = one.begin; i < one.end; ++i) held[i] = true;
        std::size_t missing = 0;
        for (std::size_t i = 0; i < samples; ++i) if (!held[i]) ++missing;
        return missing;
    }

private:
    /// redundancy * workers; a product that is a whole number up to rounding is one.
    double extra() const
    {
        const double product = redundancy * static_cast<double>(workers), nearest = std::round(product);
        return std::abs(product - nearest) < 1e-9 * static_cast<double>(workers) ? nearest : product;
    }
    std::size_t cut(std::size_t i, std::size_t samples) const { return samples / workers * i + samples % workers * i / workers; }
};

/// p B_j / (B_1 + ... + B_p): what worker j multiplies its mean gradient by when workers draw batches of different sizes.
///
/// The mean over workers of the products is then the mean over all drawn samples: unbiased where each worker holds its samples in proportion to its
/// batch, or all hold like ones, with the smallest variance. With .period > 1 local steps are scaled alike: a worker with a larger batch walks further.
/// @pre worker is below batches.size(). @throws error invalid_option where all batches are empty.
inline double batch_weight(std::span<const std::size_t> batches, std::size_t worker)
{
    std::size_t all = 0;
    for (const std::size_t one : batches) all += one;
    if (all == 0) throw error(error_code::invalid_option, "batches", "0", "must not all be empty");
    return static_cast<double>(batches.size()) * static_cast<double>(batches[worker]) / static_cast<double>(all);
}

} // namespace optim
} // namespace gradcomp
