/// @file Why a group of ranks stopped: the record that every rank's error is made from.
#pragma once

#include <gradcomp/core/error.hpp>

#include <exception>
#include <string>

namespace gradcomp::comm {

/// The first failure of a group; what comes after it is its consequence.
struct group_failure {
    error_code code;
    std::string field, value, sentence;

    /// The error in which `rank` learns of it.
    error first_for(int rank) const { return error(code, field, value, sentence, {.rank = rank}); }
    /// The error for every later call of `rank`.
    error later_for(int rank) const
    {
        return error(error_code::poisoned, "group", std::string(name_of(code)) + " of " + field + " " + value, "failed earlier; start a new group",
            {.rank = rank});
    }
};

/// What an exception says of itself.
inline std::string text_of(const std::exception_ptr& cause)
{
    try {
        if (cause) std::rethrow_exception(cause);
    } catch (const std::exception& known) {
        return known.what();
    } catch (...) {
        return "an exception that is no std::exception";
    }
    return "no cause given";
}

} // namespace gradcomp::comm
