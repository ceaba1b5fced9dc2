/// @file A memory held as `acc + scalar`: what a sweep left, and the scale of the signs that are still to be taken from it.
///
///     e = acc - s sign(acc)         formed where e is next read, in the sweep that reads it anyway
///
/// A scale that is known only after the sweep would else need a second one, over all that was left: 8 bytes an element more in float.
#pragma once

#include <gradcomp/core/rule.hpp>

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace gradcomp {
inline namespace memory {

/// What the scaled sign leaves of p, sign(0) = +1: the bits of p - c.
template <class T> GRADCOMP_HD GRADCOMP_INLINE T without_sign(T p, T scale) { return p - (p < T(0) ? -scale : scale); }

/// A rule of one tensor whose error stream holds acc, and s apart from it. What it leaves may have a scale postponed in turn.
/// The wrapped rule must not read e before `value`, and must leave p - c: the plain recurrence without a gradient point.
template <class Rule> struct postponed_rule : Rule {
    using T = typename Rule::value_type;
    T scale = 0;       ///< s of what the sweep reads
    T* next = nullptr; ///< takes s of what it leaves

    explicit postponed_rule(const Rule& rule) : Rule(rule) {}

    GRADCOMP_HD GRADCOMP_INLINE T value(T g, const T* x) const
    {
        T owed[Rule::inputs];
        for (int j = 0; j < Rule::inputs; ++j) owed[j] = j == Rule::error_in ? without_sign(x[j], scale) : x[j];
        return Rule::value(g, owed);
    }
    GRADCOMP_HD GRADCOMP_INLINE T owed_at(std::size_t i) const { return this->decay * without_sign(this->in[Rule::error_in][i], scale); }
    /// The sweep left p where p - s sign(p) was meant. To be called once, when no more of the sweep is to be read again.
    void postpone(T s) const { *next = s; }
};

/// acc <- acc - s sign(acc).
template <class T> struct flush_rule {
    T* acc;
    T scale;
    GRADCOMP_HD GRADCOMP_INLINE void operator()(std::size_t i) const { acc[i] = without_sign(acc[i], scale); }
};

/// s of each tensor: of what the memory holds, and of what the present sweep leaves.
template <class T> class postponed_scales {
public:
    explicit postponed_scales(std::size_t tensors = 0) : now_(tensors), next_(tensors) {}
    T& now(std::size_t tensor) { return now_[tensor]; }
    T* next(std::size_t tensor) { return &next_[tensor]; }
    std::size_t size() const { return now_.size(); }
    std::size_t bytes() const { return 2 * now_.size() * sizeof(T); }
    /// Before a sweep: nothing of what it leaves is postponed yet.
    void begin() { std::fill(next_.begin(), next_.end(), T(0)); }
    void commit() { std::swap(now_, next_); }

private:
    std::vector<T> now_, next_;
};

} // namespace memory
} // namespace gradcomp
