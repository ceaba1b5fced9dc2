/// @file Step-ahead error feedback (SAEF): gradients are taken where the whole error would lead.
#pragma once

#include <gradcomp/core/concepts.hpp>
#include <gradcomp/memory/recurrence.hpp>

namespace gradcomp {
inline namespace memory {

/// Step-ahead error feedback: lambda = 1, evaluated at x; optionally the errors are averaged over the ranks every `period` exchanges.
///
/// State: two models of memory, four when staged; averaging adds one dense all-reduce of e every `period` exchanges.
/// @cite Xu, Huo, Huang, "Step-ahead error feedback for distributed training with compressed gradient", AAAI 2021.
template <class Storage = in_place> struct saef {
    std::uint32_t averaging_period = 0; ///< exchanges between two averagings of e; 0: never
    gradcomp::units units = gradcomp::units::model; ///< in what units e is kept

    using storage = Storage;
    static constexpr bool feeds_back = true, accepts_bias = true;
    static constexpr bool detached = true; ///< gradients are taken away from x

    double detachment() const { return 1; }
    evaluation_point evaluation() const { return evaluation_point::parameters; }
    std::uint32_t averaging() const { return averaging_period; }
    void check() const {}
};
static_assert(error_memory<saef<>> && error_memory<saef<staged>>);

} // namespace memory
} // namespace gradcomp
