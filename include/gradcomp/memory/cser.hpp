/// @file CSER: every rank's model drifts by what its messages leave out, and every few exchanges a second compressor brings the models together.
#pragma once

#include <gradcomp/core/concepts.hpp>
#include <gradcomp/core/error.hpp>
#include <gradcomp/memory/recurrence.hpp>

#include <string>

namespace gradcomp {
inline namespace memory {

/// p = s * direction, e' = e + (p - c), z' = x - pull * e': what is owed waits for a reset instead of joining the next message.
///
/// Streams in: the direction's, then e, then x. Streams out: the direction's, then e', then z'.
template <class T, class Gradient, class Direction, bool Staged>
struct drifting_rule : rule_streams<T, Gradient, Direction::inputs + 2, Direction::outputs + 2, fresh_outputs<Direction, true, true, Staged>> {
    static constexpr int error_in = Direction::inputs, parameters_in = error_in + 1;
    static constexpr int error_out = Direction::outputs, point_out = error_out + 1;
    static constexpr bool settles_late = true; ///< e + p - p is not e: a choice must be final before it is written

    Direction direction;
    rate_scales<T> scales;
    T scale = 1, pull = 0;

    drifting_rule(const Direction& d, const rate_scales<T>& with) : direction(d), scales(with) {}

    GRADCOMP_HD void at_step(const step_state<T>& now)
    {
        scale = scales.direction(now.learning_rate);
        pull = scales.pull(now);
    }
    GRADCOMP_HD GRADCOMP_INLINE T value(T g, const T* x) const { return scale * direction.value(g, x); }
    GRADCOMP_HD GRADCOMP_INLINE void leave(T g, const T* x, T p, T c, T* y) const
    {
        direction.leave(g, x, direction.value(g, x), y);
        y[error_out] = x[error_in] + (p - c);
        y[point_out] = multiply_add(-pull, y[error_out], x[parameters_in]);
    }
    GRADCOMP_HD GRADCOMP_INLINE T owed_at(std::size_t i) const { return this->in[error_in][i]; }
    /// @pre the sweep left c = 0 for this element
    GRADCOMP_HD GRADCOMP_INLINE void settle(std::size_t i, T, T c) const
    {
        this->out[error_out][i] -= c;
        this->out[point_out][i] = multiply_add(-pull, this->out[error_out][i], this->in[parameters_in][i]);
    }
    GRADCOMP_HD GRADCOMP_INLINE void keep_missed(std::size_t i, T missed) const { settle(i, T(0), -missed); }
    /// p of the same elements after a sweep that sent nothing: what the direction's streams hold says it.
    GRADCOMP_HD auto again() const
    {
        settled_rule<T, Direction> rule(direction, scales, scale);
        for (int j = 0; j < Direction::outputs; ++j) rule.in[j] = this->out[j];
        rule.gradient = this->out[0];
        return rule;
    }
};

/// The sweep of a reset: p = e, e' = p - c, z' = x - pull * e'. Stream `gradient`: x. Stream in: e. Streams out: e', z'.
template <class T> struct reset_rule : rule_streams<T, T, 1, 2> {
    rate_scales<T> scales;
    T pull = 0;

    explicit reset_rule(const rate_scales<T>& with) : scales(with) {}
    GRADCOMP_HD void at_step(const step_state<T>& now) { pull = scales.pull(now); }
    GRADCOMP_HD GRADCOMP_INLINE T value(T, const T* e) const { return e[0]; }
    GRADCOMP_HD GRADCOMP_INLINE void leave(T x, const T*, T p, T c, T* y) const
    {
        y[0] = p - c;
        y[1] = multiply_add(-pull, p - c, x);
    }
    GRADCOMP_HD GRADCOMP_INLINE T owed_at(std::size_t i) const { return this->in[0][i]; }
    GRADCOMP_HD GRADCOMP_INLINE void settle(std::size_t i, T p, T c) const
    {
        this->out[0][i] = p - c;
        this->out[1][i] = multiply_add(-pull, p - c, this->gradient[i]);
    }
    GRADCOMP_HD auto again() const
    {
        read_rule<T> rule;
        rule.gradient = this->out[0];
        return rule;
    }
};

/// Communication-efficient SGD with error reset. The stack's compressor C2 takes each step's D, `reset` (C1) every `every` exchanges the error:
///
///     c2 = C2(D),  e' = e + D - c2,  x <- x - mean(c2)        each exchange
///     c1 = C1(e),  e' = e - c1,      x <- x - mean(c1)        after it, every `every` exchanges
///
/// and every rank trains and evaluates its own model x - e. The error is never added to a message of steps, so C2 may keep as little as is wanted:
/// with gc::nothing{} and every = 1 this is psync. The local rule must keep state (the paper's gc::nesterov_momentum, or gc::momentum; beta may be 0), from
/// which D is read again. One exchange a step, plain descent, ring or all_gather. State: two models of memory, four when staged, and the reset's message.
/// @cite Xie, Zheng, Koyejo, Gupta, Li, Lin, "CSER", NeurIPS 2020.
template <class Reset, class Storage = in_place> struct cser {
    Reset reset = {};                               ///< C1: a contraction
    std::uint32_t every = 1;                        ///< H: exchanges from one reset to the next, at least 1
    gradcomp::units units = gradcomp::units::model; ///< in what units e is kept

    using storage = Storage;
    using reset_compressor = Reset; ///< what marks a memory that resets its error
    static constexpr bool feeds_back = true, accepts_bias = true;
    static constexpr bool detached = true; ///< gradients are taken away from x
    static constexpr const char* each_step = "gc::cser: between its resets the models drift already (.every)";

    template <class T, class Gradient, class Direction, bool HasError, bool HasPoint>
    using rule = drifting_rule<T, Gradient, Direction, Storage::is_staged>;

    double detachment() const { return 1; }
    evaluation_point evaluation() const { return evaluation_point::local; }
    std::uint32_t averaging() const { return 0; }
    /// @throws error invalid_option.
    void check() const
    {
        if (every < 1) throw error(error_code::invalid_option, "every", "0", "must be at least 1: exchanges from one reset to the next");
        reset.check();
    }
};

} // namespace memory
} // namespace gradcomp
