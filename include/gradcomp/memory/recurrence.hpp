/// @file The one recurrence of the error-feedback family; its members differ only in numbers and in the point that is evaluated.
///
///     p = e + s * direction         what is owed plus what is new          (s = eta; 1 in gradient units; decay * e where a part is forgotten)
///     c = C(p)
///     e' = p - c                    what stays behind
///     z' = x - pull * e'            where the next gradient is taken       (pull = lambda; lambda * eta in gradient units)
///
/// @cite Xu, Huang, "Detached error feedback for distributed SGD with random sparsification", ICML 2022; the others follow
/// with lambda = 0 (EF), lambda = 1 (SAEF, PSync).
#pragma once

#include <gradcomp/core/rule.hpp>

#include <cstdint>

namespace gradcomp {
inline namespace memory {

/// Failed or rejected steps leave all state bitwise as before; costs a second copy of what a sweep writes.
struct staged {
    static constexpr bool is_staged = true;
};
/// What was not delivered returns to the memory; no second copy.
struct in_place {
    static constexpr bool is_staged = false;
};

/// The model that evaluate_at() gives.
enum class evaluation_point {
    parameters,     ///< x
    mean_corrected, ///< x - mean over ranks of e: one dense all-reduce an evaluation
    local           ///< x - this rank's e
};

/// Staged, all outputs are fresh; in place only a gradient point that weight decay does not read.
template <class Direction, bool HasError, bool HasPoint, bool Staged>
constexpr unsigned fresh_outputs = Staged ? (1u << (Direction::outputs + HasError + HasPoint)) - 1u
    : HasPoint && !Direction::reads_point ? 1u << (Direction::outputs + HasError)
                                          : 0u;

/// p = s * direction, read again from what the direction's sweep left in its streams.
template <class T, class Direction> struct settled_rule : rule_streams<T, T, Direction::outputs, 0> {
    Direction direction;
    rate_scales<T> scales;
    T scale = 1;
    GRADCOMP_HD settled_rule(const Direction& d, const rate_scales<T>& with, T s) : direction(d), scales(with), scale(s) {}
    GRADCOMP_HD void at_step(const step_state<T>& now) { scale = scales.direction(now.learning_rate); }
    GRADCOMP_HD GRADCOMP_INLINE T value(T, const T* x) const { return scale * direction.settled(x); }
    GRADCOMP_HD GRADCOMP_INLINE void leave(T, const T*, T, T, T*) const {}
};

/// What a rule reads again after its sweep sent nothing, and writes nothing: the direction, from what its sweep left or, where it keeps no state, from the
/// gradient once more, and then `Kept` streams of the memory, behind those of the direction. For memories from which p alone cannot be had.
template <class T, class Gradient, class Direction, int Kept, bool Settled = (Direction::outputs > 0)>
struct again_streams : rule_streams<T, T, Direction::outputs + Kept, 0> {
    static constexpr int kept_in = Direction::outputs;
    Direction direction;
    template <class Rule> GRADCOMP_HD explicit again_streams(const Rule& swept) : direction(swept.direction)
    {
        for (int j = 0; j < Direction::outputs + Kept; ++j) this->in[j] = swept.out[j];
        this->gradient = swept.out[0];
    }
    GRADCOMP_HD GRADCOMP_INLINE T read(T, const T* x) const { return direction.settled(x); }
    GRADCOMP_HD GRADCOMP_INLINE void leave(T, const T*, T, T, T*) const {}
};
template <class T, class Gradient, class Direction, int Kept>
struct again_streams<T, Gradient, Direction, Kept, false> : rule_streams<T, Gradient, Direction::inputs + Kept, 0> {
    static constexpr bool from_gradient = true; ///< as the sweep read it: where it lies, and freed of what it is multiplied by
    static constexpr int kept_in = Direction::inputs;
    Direction direction;
    template <class Rule> GRADCOMP_HD explicit again_streams(const Rule& swept) : direction(swept.direction)
    {
        for (int j = 0; j < Direction::inputs; ++j) this->in[j] = swept.in[j];
        for (int j = 0; j < Kept; ++j) this->in[kept_in + j] = swept.out[j];
        this->gradient = swept.gradient;
    }
    GRADCOMP_HD GRADCOMP_INLINE T read(T g, const T* x) const { return direction.value(g, x); }
    GRADCOMP_HD GRADCOMP_INLINE void leave(T, const T*, T, T, T*) const {}
};

/// The sweep of one exchange: the local rule's direction, with or without a memory and a gradient point of its own.
///
/// Streams in: the direction's, then e, then x. Streams out: the direction's, then e', then z'.
template <class T, class Gradient, class Direction, bool HasError, bool HasPoint, bool Staged>
struct recurrence_rule : rule_streams<T, Gradient, Direction::inputs + HasError + HasPoint, Direction::outputs + HasError + HasPoint,
                             fresh_outputs<Direction, HasError, HasPoint, Staged>> {
    static_assert(HasError || !HasPoint, "a gradient point of its own needs the memory that it is detached from");
    static constexpr int error_in = Direction::inputs, parameters_in = error_in + 1;
    static constexpr int error_out = Direction::outputs, point_out = error_out + 1;

    Direction direction;
    rate_scales<T> scales;
    T scale = 1, pull = 0;
    T decay = 1; ///< what is kept of e

    explicit recurrence_rule(const Direction& d, const rate_scales<T>& with = {}) : direction(d), scales(with) {}

    GRADCOMP_HD void at_step(const step_state<T>& now)
    {
        scale = scales.direction(now.learning_rate);
        pull = scales.pull(now);
    }

    GRADCOMP_HD GRADCOMP_INLINE T value(T g, const T* x) const
    {
        const T d = direction.value(g, x);
        if constexpr (HasError) return multiply_add(scale, d, decay * x[error_in]);
        else return scale * d;
    }

    GRADCOMP_HD GRADCOMP_INLINE void leave(T g, const T* x, T p, T c, T* y) const
    {
        direction.leave(g, x, direction.value(g, x), y);
        if constexpr (HasError) y[error_out] = p - c;
        if constexpr (HasPoint) y[point_out] = multiply_add(-pull, p - c, x[parameters_in]);
    }

    /// What is owed before the sweep; for guards that tell the new from the old.
    GRADCOMP_HD GRADCOMP_INLINE T owed_at(std::size_t i) const
    {
        if constexpr (HasError) return decay * this->in[error_in][i];
        else return T(0);
    }

    /// Rewrites what the memory keeps of element i when its share of the message turns out to be c.
    GRADCOMP_HD GRADCOMP_INLINE void settle(std::size_t i, T p, T c) const
    {
        if constexpr (HasError) this->out[error_out][i] = p - c;
        if constexpr (HasPoint) this->out[point_out][i] = multiply_add(-pull, p - c, this->in[parameters_in][i]);
    }

    /// p of the same elements after the sweep, for those that left nothing in the message.
    GRADCOMP_HD auto again() const
    {
        if constexpr (HasError) {
            read_rule<T> rule;
            rule.gradient = this->out[error_out];
            return rule;
        } else if constexpr (Direction::outputs > 0) {
            settled_rule<T, Direction> rule(direction, scales, scale);
            for (int j = 0; j < Direction::outputs; ++j) rule.in[j] = this->out[j];
            rule.gradient = this->out[0];
            return rule;
        } else {
            return *this; // a direction without state: the sweep wrote nothing, so value() still gives p
        }
    }
};

/// The sweep of a local step between exchanges: D gathers in the memory, the local model moves on.
///
///     e' = e + s * direction,  z' = z - eta * direction        (decay * e in the first step after an exchange)
template <class T, class Gradient, class Direction, bool Staged>
struct drift_rule : rule_streams<T, Gradient, Direction::inputs + 2, Direction::outputs + 2, Staged ? (1u << (Direction::outputs + 2)) - 1u : 0u> {
    static constexpr int error_in = Direction::inputs, point_in = error_in + 1;
    static constexpr int error_out = Direction::outputs, point_out = error_out + 1;

    Direction direction;
    rate_scales<T> scales;
    T scale = 1, learning_rate = 0;
    T decay = 1;

    explicit drift_rule(const Direction& d, const rate_scales<T>& with = {}) : direction(d), scales(with) {}

    GRADCOMP_HD void at_step(const step_state<T>& now)
    {
        scale = scales.direction(now.learning_rate);
        learning_rate = now.learning_rate;
    }

    GRADCOMP_HD GRADCOMP_INLINE T value(T g, const T* x) const { return multiply_add(scale, direction.value(g, x), decay * x[error_in]); }
    GRADCOMP_HD GRADCOMP_INLINE void leave(T g, const T* x, T p, T, T* y) const
    {
        const T d = direction.value(g, x);
        direction.leave(g, x, d, y);
        y[error_out] = p;
        y[point_out] = multiply_add(-learning_rate, d, x[point_in]);
    }
};

} // namespace memory
} // namespace gradcomp
