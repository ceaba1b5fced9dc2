/// @file Error feedback (EF): what was not sent is added to the next update.
#pragma once

#include <gradcomp/core/concepts.hpp>
#include <gradcomp/memory/recurrence.hpp>

namespace gradcomp {
inline namespace memory {

/// Error feedback: p = e + eta * d, e' = p - C(p), x <- x - mean C(p); gradients at x.
///
/// Converges for contractive compressors when eta is small beside 1 / delta; at high compression and a usual eta it blows up, which the
/// divergence guard reports. State: one model of memory (two when staged).
/// @cite Seide et al., Interspeech 2014; Karimireddy, Rebjock, Stich, Jaggi, ICML 2019; Beznosikov et al., JMLR 24(276), Algorithm 1.
template <class Storage = in_place> struct ef {
    gradcomp::units units = gradcomp::units::model; ///< in what units e is kept

    using storage = Storage;
    static constexpr bool feeds_back = true, accepts_bias = true;
    static constexpr bool detached = false; ///< gradients are taken away from x

    double detachment() const { return 0; }
    evaluation_point evaluation() const { return evaluation_point::parameters; }
    std::uint32_t averaging() const { return 0; }
    void check() const {}
};
static_assert(error_memory<ef<>> && error_memory<ef<staged>>);

} // namespace memory
} // namespace gradcomp
