/// @file Detached error feedback (DEF): gradients are taken part of the way towards where the error would lead.
#pragma once

#include <gradcomp/core/concepts.hpp>
#include <gradcomp/core/error.hpp>
#include <gradcomp/core/text.hpp>
#include <gradcomp/memory/recurrence.hpp>

namespace gradcomp {
inline namespace memory {

/// Detached error feedback: the recurrence of recurrence.hpp with 0 < lambda < 1, evaluated at x - mean(e).
///
/// lambda trades the second moment of the error (lambda = 0 is EF) against its variance over ranks (lambda = 1 is SAEF);
/// lambda* = (M^2 + s^2/K) / (M^2 + s^2). State: two models of memory (e and the gradient point; four when staged), and one to average e in.
/// It may be set anew between steps: exchange.set_lambda(). @cite Xu, Huang, ICML 2022, as their program github.com/anxuthu/DEF runs it.
template <class Storage = in_place> struct def {
    double lambda = 0.3; ///< from 0 to 1; the paper's experiments use 0.3
    gradcomp::units units = gradcomp::units::model; ///< in what units e is kept

    using storage = Storage;
    static constexpr bool feeds_back = true, accepts_bias = true;
    static constexpr bool detached = true; ///< gradients are taken away from x

    double detachment() const { return lambda; }
    evaluation_point evaluation() const { return evaluation_point::mean_corrected; }
    std::uint32_t averaging() const { return 0; }
    /// @throws error invalid_option unless lambda is from 0 to 1.
    void check() const
    {
        if (!(lambda >= 0 && lambda <= 1)) throw error(error_code::invalid_option, "lambda", text_of(lambda), "must be from 0 to 1");
    }
};
static_assert(error_memory<def<>> && error_memory<def<staged>>);

} // namespace memory
} // namespace gradcomp
