/// @file How the messages of one round reach those who need them, and how a root tells the others what it found.
#pragma once

#include <gradcomp/core/error.hpp>
#include <gradcomp/reduce/gathered.hpp>
#include <gradcomp/stack/streams.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>

namespace gradcomp::stack {

/// Checks what was received, before anything of it is applied. @throws error bad_message.
template <class Coder, class Executor, class Reduction> void check_messages(const Coder& coder, const Executor& team, const Reduction& reduction)
{
    for (std::size_t i = 0; i < reduction.received(); ++i) coder.check(team, reduction.message(i));
}

/// The root alone sees the messages: what it finds must reach the others, who wait for its parameters.
template <class State, class Coder, class Reduction> bool deliver_through_root(State& state, const Coder& coder, Reduction& reduction, bool vote, std::uint32_t step)
{
    verdict said = verdict::accepted;
    std::optional<error> found;
    try {
        if (reduction.exchange(vote, step)) said = verdict::rejected;
        if (said == verdict::accepted) check_messages(coder, state.team, reduction);
    } catch (const error& e) {
        if (e.code() != error_code::bad_message) throw;
        found = e;
        said = verdict::unreadable;
    }
    if (reduction.is_root() && said == verdict::accepted) {
        for_each(state.team, state.total, copy_rule<typename State::value_type>{reduction.parameters(), state.x});
        state.apply(coder, reduction, reduction.parameters());
    }
    said = reduction.publish(said, step);
    if (found) throw error(*found);
    if (said == verdict::unreadable) throw error(error_code::bad_message, "root", "unreadable", "the root could not read a message of this step");
    return said == verdict::rejected;
}

/// Brings the messages of the last round to where x is updated. @return whether any rank voted that the step is bad, the same on all ranks.
/// @throws error bad_message, and the communicator's.
template <class State, class Coder, class Reduction> bool deliver(State& state, const Coder& coder, Reduction& reduction, bool vote, std::uint32_t step)
{
    if constexpr (State::updates_at_root) {
        return deliver_through_root(state, coder, reduction, vote, step);
    } else {
        const bool rejected = reduction.exchange(vote, step);
        if (!rejected) check_messages(coder, state.team, reduction);
        return rejected;
    }
}

} // namespace gradcomp::stack
