/// @file Partial participation: a random subset of the workers takes part in each round, the others rest.
#pragma once

#include <gradcomp/core/error.hpp>
#include <gradcomp/core/random.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

namespace gradcomp {
inline namespace optim {

/// Which `drawn` of `workers` take part in a round: every subset equally likely, every rank's answer the same, no message.
///
/// A worker that rests hands exchange.step() zeros, with the momentum of its local rule at 0, so that it walks nowhere and its message says nothing;
/// the mean over all workers, times weight(), is then the mean over the drawn ones: .server = gc::server_momentum{.beta = 0, .rate = weight()}. Weight
/// decay belongs into the gradient, for a local rule would apply it to zeros as well. What an error memory owes is sent all the same.
/// Complexity: O(worker), no memory.
/// @cite McMahan et al., "Communication-efficient learning of deep networks from decentralized data", AISTATS 2017 (the drawing).
struct participation {
    std::size_t workers = 1;
    std::size_t drawn = 1;   ///< from 1 to `workers`
    std::uint64_t seed = 1;  ///< the same on all ranks

    /// @throws error invalid_option.
    void check() const
    {
        if (workers < 1) throw error(error_code::invalid_option, "workers", std::to_string(workers), "must be at least 1");
        if (drawn < 1 || drawn > workers)
            throw error(error_code::invalid_option, "drawn", std::to_string(drawn), "must be from 1 to the number of workers, " + std::to_string(workers));
    }
    /// @pre check() holds, worker is below `workers`
    bool takes_part(std::size_t worker, std::uint32_t round) const
    {
        const random_stream stream{seed, round, 0, purpose::participation, 0};
        std::size_t left = drawn; // each worker in turn takes one of the places that are left with the chance of its share
        for (std::size_t w = 0; w < worker; ++w) left -= stream.below(workers - w, static_cast<std::uint32_t>(w)) < left ? 1u : 0u;
        return stream.below(workers - worker, static_cast<std::uint32_t>(worker)) < left;
    }
    /// workers / drawn: what makes a mean over all workers one over the drawn.
    double weight() const { return static_cast<double>(workers) / static_cast<double>(drawn); }
};

} // namespace optim
} // namespace gradcomp
