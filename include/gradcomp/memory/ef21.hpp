/// @file EF21: every rank keeps an estimate of its own direction and sends what the estimate lacks.
#pragma once

#include <gradcomp/core/concepts.hpp>
#include <gradcomp/memory/recurrence.hpp>

namespace gradcomp {
inline namespace memory {

/// p = d - h again.
template <class T, class Gradient, class Direction> struct difference_again : again_streams<T, Gradient, Direction, 1> {
    using again_streams<T, Gradient, Direction, 1>::again_streams;
    GRADCOMP_HD GRADCOMP_INLINE T value(T g, const T* x) const { return this->read(g, x) - x[this->kept_in]; }
};

/// p = d - h, h' = h + c. Streams in: the direction's, then h. Streams out: the direction's, then h'.
template <class T, class Gradient, class Direction, bool Staged>
struct estimate_rule : rule_streams<T, Gradient, Direction::inputs + 1, Direction::outputs + 1, Staged ? (1u << (Direction::outputs + 1)) - 1u : 0u> {
    static constexpr int error_in = Direction::inputs, error_out = Direction::outputs;
    static constexpr bool settles_late = true; ///< h + p - p is not h: a choice must be final before it is written

    Direction direction;
    estimate_rule(const Direction& d, const rate_scales<T>&) : direction(d) {}

    GRADCOMP_HD void at_step(const step_state<T>&) {}
    GRADCOMP_HD GRADCOMP_INLINE T value(T g, const T* x) const { return direction.value(g, x) - x[error_in]; }
    GRADCOMP_HD GRADCOMP_INLINE void leave(T g, const T* x, T, T c, T* y) const
    {
        direction.leave(g, x, direction.value(g, x), y);
        y[error_out] = x[error_in] + c;
    }
    /// p - d: what the guard takes off p to see the direction.
    GRADCOMP_HD GRADCOMP_INLINE T owed_at(std::size_t i) const { return -this->in[error_in][i]; }
    /// @pre the sweep left c = 0 for this element
    GRADCOMP_HD GRADCOMP_INLINE void settle(std::size_t i, T, T c) const { this->out[error_out][i] += c; }
    /// The estimate takes back what it took and did not arrive.
    GRADCOMP_HD GRADCOMP_INLINE void keep_missed(std::size_t i, T missed) const { this->out[error_out][i] -= missed; }

    /// p of the same elements after a sweep that sent nothing.
    GRADCOMP_HD auto again() const { return difference_again<T, Gradient, Direction>(*this); }
};

/// p = d - h, h' = h + C(p), and the server's estimate H' = H + mean C(p), x <- x - eta H': compile with .server = gc::estimate{}.
///
/// h follows the direction itself, not what was left over, so nothing has to be sent twice, and with exact gradients the error vanishes at the
/// optimum even where the ranks' optima differ. With gc::momentum{.beta = b, .dampened = true} before it, this is EF21-SGDM. In gradient units.
/// One exchange a step. An undelivered message leaves h bit for bit as it was only when staged; in place up to rounding.
/// State: one model of memory (two when staged), and one for H where x is updated.
/// @cite Richtarik, Sokolov, Fatkhullin, NeurIPS 2021, Algorithm 2; Fatkhullin, Tyurin, Richtarik, NeurIPS 2023, Algorithm 1 (momentum).
template <class Storage = in_place> struct ef21 {
    using storage = Storage;
    static constexpr gradcomp::units units = gradcomp::units::gradient;
    static constexpr bool feeds_back = true, accepts_bias = true;
    static constexpr bool detached = false;  ///< gradients are taken at x
    static constexpr bool estimates = true;  ///< what is kept is an estimate, not a debt: a server that adds up messages belongs to it
    static constexpr const char* each_step = "gc::ef21, whose estimate is of one step's direction";

    template <class T, class Gradient, class Direction, bool HasError, bool HasPoint>
    using rule = estimate_rule<T, Gradient, Direction, Storage::is_staged>;

    double detachment() const { return 0; }
    evaluation_point evaluation() const { return evaluation_point::parameters; }
    std::uint32_t averaging() const { return 0; }
    void check() const {}
};
static_assert(error_memory<ef21<>> && error_memory<ef21<staged>>);

} // namespace memory
} // namespace gradcomp
