/// @file No memory with any compressor: for comparisons, since biased compression without memory can diverge.
#pragma once

#include <gradcomp/core/concepts.hpp>
#include <gradcomp/memory/recurrence.hpp>

namespace gradcomp {
inline namespace memory {

/// As none, and says in the code that a biased compressor is meant. Top-1 on three quadratics diverges exponentially this way.
/// With a period above 1 the local steps gather in one model of memory that each exchange empties.
/// @cite Beznosikov, Horvath, Richtarik, Safaryan, JMLR 24(276), section 2.
template <class Storage = in_place> struct none_accepting_bias {
    using storage = Storage;
    static constexpr gradcomp::units units = gradcomp::units::model;
    static constexpr bool feeds_back = false, accepts_bias = true;
    static constexpr bool detached = false;

    double detachment() const { return 0; }
    evaluation_point evaluation() const { return evaluation_point::parameters; }
    std::uint32_t averaging() const { return 0; }
    void check() const {}
};
static_assert(error_memory<none_accepting_bias<>> && error_memory<none_accepting_bias<staged>>);

} // namespace memory
} // namespace gradcomp
