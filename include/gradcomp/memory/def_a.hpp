/// @file DEF-A: trains as DEF and evaluates at x, which averages the iterates.
#pragma once

#include <gradcomp/core/concepts.hpp>
#include <gradcomp/core/error.hpp>
#include <gradcomp/core/text.hpp>
#include <gradcomp/memory/recurrence.hpp>

namespace gradcomp {
inline namespace memory {

/// DEF-A: the same training as DEF, evaluated at x itself, so evaluation needs no message.
///
/// With one rank, lambda = 1 and the compressor delta_scaling it is iterate averaging: x is the running average of SGD's iterates.
/// @cite Xu, Huang, ICML 2022: the training of their program github.com/anxuthu/DEF, at the other of its two evaluation points.
template <class Storage = in_place> struct def_a {
    double lambda = 0.3; ///< from 0 to 1; the paper's experiments use 0.3
    gradcomp::units units = gradcomp::units::model; ///< in what units e is kept

    using storage = Storage;
    static constexpr bool feeds_back = true, accepts_bias = true;
    static constexpr bool detached = true; ///< gradients are taken away from x

    double detachment() const { return lambda; }
    evaluation_point evaluation() const { return evaluation_point::parameters; }
    std::uint32_t averaging() const { return 0; }
    /// @throws error invalid_option unless lambda is from 0 to 1.
    void check() const
    {
        if (!(lambda >= 0 && lambda <= 1)) throw error(error_code::invalid_option, "lambda", text_of(lambda), "must be from 0 to 1");
    }
};
static_assert(error_memory<def_a<>> && error_memory<def_a<staged>>);

} // namespace memory
} // namespace gradcomp
