/// @file No memory: what is not sent is forgotten. Legal for identity and for unbiased compressors.
#pragma once

#include <gradcomp/core/concepts.hpp>
#include <gradcomp/memory/recurrence.hpp>

namespace gradcomp {
inline namespace memory {

/// p = eta * d; what the compressor drops is lost, so x <- x - mean C(eta * d). Compiles only where E C(p) = p.
/// With a period above 1 the local steps gather in one model of memory that each exchange empties.
/// @cite Beznosikov, Horvath, Richtarik, Safaryan, JMLR 24(276), section 2.
template <class Storage = in_place> struct none {
    using storage = Storage;
    static constexpr gradcomp::units units = gradcomp::units::model;
    static constexpr bool feeds_back = false, accepts_bias = false;
    static constexpr bool detached = false;

    double detachment() const { return 0; }
    evaluation_point evaluation() const { return evaluation_point::parameters; }
    std::uint32_t averaging() const { return 0; }
    void check() const {}
};
static_assert(error_memory<none<>> && error_memory<none<staged>>);

} // namespace memory
} // namespace gradcomp
