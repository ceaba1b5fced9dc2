/// @file The options of a group of ranks in one process.
#pragma once

#include <gradcomp/comm/faults.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>

namespace gradcomp::comm {

struct in_process_options {
    std::chrono::microseconds deadline = std::chrono::seconds(30); ///< longest wait of one call
    fault_plan faults = {};
    /// Gives the memory in which sums travel, which must live as long as the group; null where none is left. Empty: the group's own, on the host.
    std::function<std::byte*(std::size_t)> memory = {};
};

/// @throws error invalid_option for a deadline outside (0, one year], or an impossible fault plan.
inline void check(const in_process_options& options, int ranks)
{
    if (options.deadline.count() <= 0 || options.deadline > std::chrono::hours(24 * 365))
        throw error(error_code::invalid_option, "deadline", std::to_string(options.deadline.count()) + " us", "must be above 0 and at most a year");
    check(options.faults, ranks);
}

} // namespace gradcomp::comm
