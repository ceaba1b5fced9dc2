/// @file The plain server rule: x <- x - mean of the messages.
#pragma once

#include <gradcomp/core/concepts.hpp>

namespace gradcomp {
inline namespace optim {

/// x <- x - mean(c). Only the coordinates that some message holds are touched.
struct descent {
    static constexpr bool touches_only_support = true;
    static constexpr int states = 0; ///< models of memory
    void check() const {}
};
static_assert(server_rule<descent>);

} // namespace optim
} // namespace gradcomp
