/// @file Error feedback (EF): what was not sent is added to the next update.
#pragma once

#include <gradcomp/core/concepts.hpp>
#include <gradcomp/core/error.hpp>
#include <gradcomp/core/text.hpp>
#include <gradcomp/memory/recurrence.hpp>

namespace gradcomp {
inline namespace memory {

/// Error feedback: p = e + eta * d, e' = p - C(p), x <- x - mean C(p); gradients at x.
///
/// Converges for contractive compressors when eta is small beside 1 / delta; at high compression and a usual eta it blows up, which the
/// divergence guard reports. State: one model of memory (two when staged).
///
/// With `decay` below 1, p = decay * e + eta * d: the share 1 - decay of what is owed is forgotten once an exchange, in the first step after it. What is owed
/// stays smaller (theory/error_feedback.hpp), and old directions fade, as in a momentum that is paid out piece by piece; but x - mean(e) no longer follows plain
/// SGD, and a coordinate that is never sent is lost, so a run settles in a neighbourhood of the optimum that 1 - decay widens.
/// @cite Seide et al., Interspeech 2014; Karimireddy, Rebjock, Stich, Jaggi, ICML 2019; Beznosikov et al., JMLR 24(276), Algorithm 1. Decay: Peng et al.,
/// "DeMo", arXiv 2411.19870; Sarfi et al., "SparseLoCo", arXiv 2508.15706.
template <class Storage = in_place> struct ef {
    gradcomp::units units = gradcomp::units::model; ///< in what units e is kept
    double decay = 1;                               ///< what is kept of e from one exchange to the next: above 0, at most 1

    using storage = Storage;
    static constexpr bool feeds_back = true, accepts_bias = true;
    static constexpr bool detached = false; ///< gradients are taken away from x

    double detachment() const { return 0; }
    evaluation_point evaluation() const { return evaluation_point::parameters; }
    std::uint32_t averaging() const { return 0; }
    /// @throws error invalid_option.
    void check() const
    {
        if (!(decay > 0 && decay <= 1))
            throw error(error_code::invalid_option, "decay", text_of(decay), "must be above 0 and at most 1: the share of e that is kept from one exchange to the next");
    }
};
static_assert(error_memory<ef<>> && error_memory<ef<staged>>);

} // namespace memory
} // namespace gradcomp
