/// @file Partial synchronisation (PSync): every rank keeps a model of its own, of which a part is averaged each step.
#pragma once

#include <gradcomp/core/concepts.hpp>
#include <gradcomp/memory/recurrence.hpp>

namespace gradcomp {
inline namespace memory {

/// Partial synchronisation, CSER without gradient synchronisation and with the model synchronised every step: the local models x - e are
/// trained, and each step one shared part of them is averaged. The trajectory is that of SAEF without averaging; what differs is that each
/// rank evaluates its own model. State: two models of memory, four when staged.
/// @cite Xie, Zheng, Koyejo, Gupta, Li, Lin, "CSER", NeurIPS 2020.
template <class Storage = in_place> struct psync {
    gradcomp::units units = gradcomp::units::model; ///< in what units e is kept

    using storage = Storage;
    static constexpr bool feeds_back = true, accepts_bias = true;
    static constexpr bool detached = true; ///< gradients are taken away from x

    double detachment() const { return 1; }
    evaluation_point evaluation() const { return evaluation_point::local; }
    std::uint32_t averaging() const { return 0; }
    void check() const {}
};
static_assert(error_memory<psync<>> && error_memory<psync<staged>>);

} // namespace memory
} // namespace gradcomp
