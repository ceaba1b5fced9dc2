/// @file Seeded faults for comm::in_process, so that what happens once a month in a cluster happens in a test in milliseconds.
#pragma once

#include <gradcomp/core/error.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <thread>
#include <utility>

namespace gradcomp::comm {

/// Which faults to inject. The default injects none.
///
/// What is drawn depends on (seed, rank, call, inside or before it) alone, never on time: a plan is repeatable. Delays and orders of
/// arrival never change a result.
struct fault_plan {
    std::uint64_t seed = 0;
    double delay_probability = 0;              ///< of a delay before and inside each call, in [0, 1]
    std::chrono::microseconds max_delay{200};  ///< delays are uniform in [0, max_delay]
    bool reorder = false;                      ///< the ranks arrive at each meeting in a random order, drawn anew for each
    int kill_rank = -1;                        ///< the rank to strike; -1: none
    std::int64_t kill_at_call = 0;             ///< its call, counted from 0
    bool kill_inside = false;                  ///< not before it joins the call but inside, after it has read the others' data;
                                               ///< a barrier has no inside: then before the next call
    bool silent = false;                       ///< it does not die but stops answering, until the other ranks have ended

    /// Whether a rank may be delayed or struck.
    bool strikes_or_delays() const { return delay_probability > 0 || kill_rank >= 0; }
    /// Whether `rank` has reached the point at which it is struck.
    bool kills(int rank, std::int64_t call, bool inside) const
    {
        return rank == kill_rank && (call > kill_at_call || (call == kill_at_call && (inside || !kill_inside)));
    }
};

/// Thrown inside the rank that a fault_plan kills; run_ranks swallows it.
///
/// Deliberately no std::exception and no gradcomp::error: a rank's own error handling must not bring it back to life.
struct rank_killed {
    int rank;
};

/// One step of the splitmix64 generator: a bijection of 64 bits that mixes well.
inline constexpr std::uint64_t mix(std::uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/// 64 random bits for one place of a run.
inline constexpr std::uint64_t draw(std::uint64_t seed, std::uint64_t first, std::uint64_t second, std::uint64_t third)
{
    return mix(mix(mix(mix(seed) ^ first) ^ second) ^ third);
}

/// The delay of `rank` before or inside its call number `call`; 0 for none.
inline std::chrono::microseconds delay_of(const fault_plan& plan, int rank, std::int64_t call, bool inside)
{
    const std::uint64_t bits = draw(plan.seed, static_cast<std::uint64_t>(rank), static_cast<std::uint64_t>(call), inside);
    if (static_cast<double>(bits >> 11) * 0x1p-53 >= plan.delay_probability) return {};
    const std::uint64_t longest = static_cast<std::uint64_t>(plan.max_delay.count());
    return std::chrono::microseconds(static_cast<std::int64_t>(mix(bits) % (longest + 1)));
}

/// Fills `order` with a permutation of its indices for meeting number `meeting`.
inline void shuffle_arrivals(const fault_plan& plan, std::uint64_t meeting, std::span<int> order)
{
    for (std::size_t i = 0; i < order.size(); ++i) {
        order[i] = static_cast<int>(i);
        std::swap(order[i], order[draw(plan.seed, ~std::uint64_t{0}, meeting, i) % (i + 1)]);
    }
}

/// @throws error invalid_option for a probability outside [0, 1], a negative or over-long delay, a rank that does not exist.
inline void check(const fault_plan& plan, int ranks)
{
    const auto reject = [](const char* field, std::string value, const char* sentence) {
        throw error(error_code::invalid_option, field, std::move(value), sentence);
    };
    if (!(plan.delay_probability >= 0 && plan.delay_probability <= 1))
        reject("faults.delay_probability", std::to_string(plan.delay_probability), "must be in [0, 1]");
    if (plan.max_delay.count() < 0 || plan.max_delay > std::chrono::hours(1))
        reject("faults.max_delay", std::to_string(plan.max_delay.count()) + " us", "must be between 0 and one hour");
    if (plan.kill_rank < -1 || plan.kill_rank >= ranks)
        reject("faults.kill_rank", std::to_string(plan.kill_rank), "must be -1 or a rank of the group");
    if (plan.kill_at_call < 0) reject("faults.kill_at_call", std::to_string(plan.kill_at_call), "must be at least 0");
}

} // namespace gradcomp::comm
