/// @file Which rule a rank's sweeps follow: the memory's own, or the recurrence.
#pragma once

#include <gradcomp/core/concepts.hpp>
#include <gradcomp/memory/recurrence.hpp>

#include <cstddef>
#include <type_traits>

namespace gradcomp::stack {

/// The memory's own rule where it has one, else the recurrence of the error-feedback family.
template <class Memory, class T, class Gradient, class Direction, bool HasError, bool HasPoint> auto pick_rule()
{
    if constexpr (requires { typename Memory::template rule<T, Gradient, Direction, HasError, HasPoint>; })
        return std::type_identity<typename Memory::template rule<T, Gradient, Direction, HasError, HasPoint>>{};
    else
        return std::type_identity<recurrence_rule<T, Gradient, Direction, HasError, HasPoint, Memory::storage::is_staged>>{};
}
template <class Memory, class T, class Gradient, class Direction, bool HasError, bool HasPoint>
using rule_for = typename decltype(pick_rule<Memory, T, Gradient, Direction, HasError, HasPoint>())::type;

/// Whether a memory whose gradients are taken at x keeps something else than p - c, and says what of a message that did not arrive.
template <class Memory, class T, class Direction> constexpr bool says_what_is_missed()
{
    if constexpr (Memory::feeds_back && !Memory::detached)
        return requires(const rule_for<Memory, T, T, Direction, true, false> rule) { rule.keep_missed(std::size_t{0}, T(0)); };
    else return false;
}

} // namespace gradcomp::stack
