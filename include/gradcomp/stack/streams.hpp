/// @file The state of one rank: the streams that sweeps read and write, in one or two copies.
#pragma once

#include <gradcomp/core/coder.hpp>
#include <gradcomp/core/rule.hpp>

#include <cstddef>
#include <utility>

namespace gradcomp::stack {

/// One stream. In place, the next value overwrites the present one; staged, it waits beside it until commit().
template <class Buffer> class stream {
public:
    stream() = default;
    stream(std::size_t size, bool twice) : now_(size), next_(twice ? size : 0), twice_(twice) {}

    auto* now() { return now_.data(); }
    const auto* now() const { return now_.data(); }
    auto* next() { return twice_ ? next_.data() : now_.data(); }
    std::size_t size() const { return now_.size(); }
    std::size_t bytes() const { return now_.size_bytes() + next_.size_bytes(); }
    void commit()
    {
        if (twice_) std::swap(now_, next_);
    }

private:
    Buffer now_, next_;
    bool twice_ = false;
};

/// What a reduction received, rank after rank, or one sum of it.
template <class Reduction> gathered_messages received_by(const Reduction& reduction)
{
    const std::size_t count = reduction.received();
    if (count == 0) return {nullptr, 0, 0};
    return {reduction.message(0), count == 1 ? 0 : static_cast<std::size_t>(reduction.message(1) - reduction.message(0)), count};
}

/// x <- x - scale * v where a message holds v, scale = owed / ranks, and the gradient point z = x - pull * e follows.
template <class T, bool HasPoint> struct update_target {
    T* x;
    T* z;
    const T* e;
    rate_scales<T> scales;
    T ranks;
    T scale = 0, pull = 0;
    GRADCOMP_HD void at_step(const step_state<T>& now)
    {
        scale = scales.owed(now.learning_rate) / ranks;
        pull = scales.pull(now);
    }
    GRADCOMP_HD GRADCOMP_INLINE void operator()(std::size_t i, T v) const
    {
        x[i] = moved(x[i], v);
        if constexpr (HasPoint) z[i] = multiply_add(-pull, e[i], x[i]);
    }
    GRADCOMP_HD GRADCOMP_INLINE T moved(T before, T v) const { return multiply_add(-scale, v, before); }
    /// The one stream that changes, so that executors may read several elements before they write one.
    GRADCOMP_HD GRADCOMP_INLINE T* moved_stream() const
        requires(!HasPoint)
    {
        return x;
    }
};

/// An undelivered message returns to the memory: e <- e + v, and the gradient point follows.
template <class T, bool HasPoint> struct restore_target {
    const T* x;
    T* z;
    T* e;
    rate_scales<T> scales;
    T pull = 0;
    GRADCOMP_HD void at_step(const step_state<T>& now) { pull = scales.pull(now); }
    GRADCOMP_HD GRADCOMP_INLINE void operator()(std::size_t i, T v) const
    {
        e[i] += v;
        if constexpr (HasPoint) z[i] = multiply_add(-pull, e[i], x[i]);
    }
};

/// The same where the memory is not p - c: its rule says what it keeps of what did not arrive.
template <class Rule> struct missed_target {
    Rule rule;
    GRADCOMP_HD GRADCOMP_INLINE void operator()(std::size_t i, typename Rule::value_type v) const { rule.keep_missed(i, v); }
};

/// u <- u + v: the sum of messages as a dense vector, for server rules that move every coordinate.
template <class T> struct accumulate_target {
    T* u;
    GRADCOMP_HD GRADCOMP_INLINE void operator()(std::size_t i, T v) const { u[i] += v; }
    GRADCOMP_HD GRADCOMP_INLINE T moved(T before, T v) const { return before + v; }
    GRADCOMP_HD GRADCOMP_INLINE T* moved_stream() const { return u; }
};

/// z = x - pull * e, element by element; also the evaluation points.
template <class T> struct point_rule {
    T* z;
    const T *x, *e;
    rate_scales<T> scales;
    bool whole = false; ///< as if lambda were 1
    T pull = 0;
    GRADCOMP_HD void at_step(const step_state<T>& now) { pull = whole ? scales.owed(now.learning_rate) : scales.pull(now); }
    GRADCOMP_HD GRADCOMP_INLINE void operator()(std::size_t i) const { z[i] = multiply_add(-pull, e[i], x[i]); }
};
template <class T> struct copy_rule {
    T* to;
    const T* from;
    GRADCOMP_HD GRADCOMP_INLINE void operator()(std::size_t i) const { to[i] = from[i]; }
};
/// The sum of all ranks' messages that are vectors, in their order.
template <class T> struct sum_rule {
    T* to;
    gathered_messages all;
    GRADCOMP_HD GRADCOMP_INLINE T value(std::size_t rank, std::size_t i) const { return reinterpret_cast<const T*>(all.at(rank))[i]; }
    GRADCOMP_HD GRADCOMP_INLINE void operator()(std::size_t i) const
    {
        T sum = value(0, i);
        for (std::size_t rank = 1; rank < all.count; ++rank) sum += value(rank, i);
        to[i] = sum;
    }
};
template <class T> struct scale_rule {
    T* to;
    const T* from;
    T factor;
    GRADCOMP_HD GRADCOMP_INLINE void operator()(std::size_t i) const { to[i] = factor * from[i]; }
};
template <class T> struct fill_rule {
    T* to;
    T value;
    GRADCOMP_HD GRADCOMP_INLINE void operator()(std::size_t i) const { to[i] = value; }
};

} // namespace gradcomp::stack
