/// @file A second look at a tensor: what stays behind, once the share of every element is known.
#pragma once

#include <gradcomp/exec/cpu/scatter.hpp>
#include <gradcomp/exec/cpu/tile.hpp>

namespace gradcomp::exec {

/// After a sweep in which nothing was sent: rule.settle(i, p, share(p)) for i in [0, n). Reads and writes what the memory keeps, once.
template <class Rule, class Share> void settle_all(const cpu_team& team, const Rule& rule, std::size_t n, Share share)
{
    const auto again = rule.again();
    for_each(team, n, [rule, again, share](std::size_t i) __attribute__((always_inline)) {
        const auto p = detail::value_at(again, i);
        rule.settle(i, p, share(p));
    });
}

} // namespace gradcomp::exec
