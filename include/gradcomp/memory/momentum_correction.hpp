/// @file Momentum correction with factor masking (deep gradient compression): what was sent forgets its momentum as well.
#pragma once

#include <gradcomp/core/concepts.hpp>
#include <gradcomp/memory/recurrence.hpp>

namespace gradcomp {
inline namespace memory {

/// The recurrence, with the local momentum of sent elements set to 0. An element whose p is 0 keeps it.
template <class T, class Gradient, class Direction, bool HasError, bool HasPoint, bool Staged>
struct masked_rule : recurrence_rule<T, Gradient, Direction, HasError, HasPoint, Staged> {
    using base = recurrence_rule<T, Gradient, Direction, HasError, HasPoint, Staged>;
    using base::base;
    static constexpr bool settles_late = true; ///< momentum that was set to 0 could not be had again

    GRADCOMP_HD GRADCOMP_INLINE void leave(T g, const T* x, T p, T c, T* y) const
    {
        base::leave(g, x, p, c, y);
        for (int j = 0; j < Direction::outputs; ++j) y[j] = c != T(0) ? T(0) : y[j];
    }
    /// @pre the sweep left c = 0 for this element
    GRADCOMP_HD GRADCOMP_INLINE void settle(std::size_t i, T p, T c) const
    {
        base::settle(i, p, c);
        for (int j = 0; j < Direction::outputs; ++j)
            if (c != T(0)) this->out[j][i] = T(0);
    }
};

/// u' = beta u + g (with .local = gc::momentum{.beta}), v' = v + u', C(v') is sent, and u and v are 0 where something was sent.
///
/// Error feedback in gradient units whose momentum does not push once more in a direction that was just applied. For sparsifiers.
/// State: one model of memory (two when staged) beside the local rule's.
/// @cite Lin, Han, Mao, Wang, Dally, "Deep gradient compression", ICLR 2018, sections 3.1 and 3.2.
template <class Storage = in_place> struct momentum_correction {
    gradcomp::units units = gradcomp::units::gradient; ///< in what units v is kept

    using storage = Storage;
    static constexpr bool feeds_back = true, accepts_bias = true;
    static constexpr bool detached = false; ///< gradients are taken at x

    template <class T, class Gradient, class Direction, bool HasError, bool HasPoint>
    using rule = masked_rule<T, Gradient, Direction, HasError, HasPoint, Storage::is_staged>;

    double detachment() const { return 0; }
    evaluation_point evaluation() const { return evaluation_point::parameters; }
    std::uint32_t averaging() const { return 0; }
    void check() const {}
};
static_assert(error_memory<momentum_correction<>> && error_memory<momentum_correction<staged>>);

} // namespace memory
} // namespace gradcomp
