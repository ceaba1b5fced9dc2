/// @file Rules: what one sweep over the elements computes, as scalar mathematics that knows no loop, no thread and no device.
#pragma once

#include <gradcomp/core/scalar.hpp>

#include <concepts>

namespace gradcomp {

/// What changes from step to step. It lies in the executor's memory, so that a captured CUDA graph replays with fresh values.
template <class T> struct step_state {
    T learning_rate = 0;     ///< eta of this step
    std::uint32_t step = 0;  ///< exchanges so far; the step word of every random stream
    T lambda = 0;            ///< how far gradients are taken away from x, of a memory that is detached
};

/// F has scalars that depend on the step: at_step(now) sets them. The CPU calls it before a sweep, a CUDA kernel when it starts, from a
/// step_state in device memory, so both compute the same bits.
template <class F, class T>
concept takes_step = requires(F f, const step_state<T> now) { f.at_step(now); };

/// In what units a vector that lives from step to step is kept: a memory's e, a server's velocity. They differ only when the learning rate changes.
enum class units {
    model,   ///< it holds eta * gradients; a drop of eta leaves what is owed, or the speed, as it is
    gradient ///< it holds gradients; a drop of eta shrinks that as well
};

/// What the learning rate makes of a memory's numbers: e holds eta * gradients, or gradients.
template <class T> struct rate_scales {
    bool in_model_units = true;
    GRADCOMP_HD T direction(T rate) const { return in_model_units ? rate : T(1); }     ///< s of p = e + s * direction
    GRADCOMP_HD T owed(T rate) const { return in_model_units ? T(1) : rate; }          ///< what turns e into model units
    GRADCOMP_HD T pull(const step_state<T>& now) const { return now.lambda * owed(now.learning_rate); } ///< of the gradient point x - pull * e
};

/// One sweep: from the gradient and `inputs` streams comes p; once the message's share c of p is known, `outputs` streams are written.
///
///     p = value(g, x)            x[j] = in[j][i]
///     leave(g, x, p, c, y)       out[j][i] = y[j]
///
/// A stream may be input and output at once (in place). The executor loads, stores and chooses c, so one rule serves every compressor
/// on every executor. Bit j of `fresh` says that output j is not read in the sweep: a large one is then stored past the caches.
template <class R>
concept sweep_rule = requires(const R rule, typename R::value_type v, const typename R::value_type* x, typename R::value_type* y) {
    { rule.value(v, x) } -> std::same_as<typename R::value_type>;
    rule.leave(v, x, v, v, y);
    { R::inputs } -> std::convertible_to<int>;
    { R::outputs } -> std::convertible_to<int>;
    { rule.gradient[0] } -> std::convertible_to<typename R::value_type>;
    rule.in[0];
    rule.out[0];
    { R::fresh } -> std::convertible_to<unsigned>;
};

/// The pointers of a rule. Zero-length arrays are not C++, hence at least one.
template <class T, class Gradient, int Inputs, int Outputs, unsigned Fresh = 0> struct rule_streams {
    using value_type = T;
    using gradient_type = Gradient;
    static constexpr int inputs = Inputs, outputs = Outputs;
    const Gradient* gradient = nullptr;
    const T* in[Inputs > 0 ? Inputs : 1] = {};
    T* out[Outputs > 0 ? Outputs : 1] = {};
    static constexpr unsigned fresh = Fresh;

    /// Advances every pointer: element 0 becomes element `by`.
    GRADCOMP_HD void advance(std::size_t by)
    {
        gradient += by;
        for (int j = 0; j < inputs; ++j) in[j] += by;
        for (int j = 0; j < outputs; ++j) out[j] += by;
    }
};

/// p = scale * stream[i], nothing written: how a compressor reads again what a sweep left behind.
template <class T> struct read_rule : rule_streams<T, T, 0, 0> {
    T scale = 1;
    GRADCOMP_HD GRADCOMP_INLINE T value(T g, const T*) const { return scale * g; }
    GRADCOMP_HD GRADCOMP_INLINE void leave(T, const T*, T, T, T*) const {}
};
static_assert(sweep_rule<read_rule<float>>);

/// p = stream[i], whose place is taken by what the message misses of it: how a second compressor works on what a first one kept.
template <class T> struct remainder_rule : rule_streams<T, T, 0, 1> {
    GRADCOMP_HD GRADCOMP_INLINE T value(T g, const T*) const { return g; }
    GRADCOMP_HD GRADCOMP_INLINE void leave(T, const T*, T p, T c, T* y) const { y[0] = p - c; }
};
static_assert(sweep_rule<remainder_rule<float>>);

/// A second compressor missed a part of what a first one took of element i: that stays behind, too. Whole: the first one took p itself, so that nothing else
/// does. A rule whose memory is p - c takes settle() for it; one whose memory is something else says how (keep_missed).
template <bool Whole, class Rule> GRADCOMP_HD GRADCOMP_INLINE void keep_missed(const Rule& rule, std::size_t i, typename Rule::value_type missed)
{
    using T = typename Rule::value_type;
    if constexpr (requires { rule.keep_missed(i, missed); }) {
        rule.keep_missed(i, missed);
    } else if constexpr (Whole) {
        rule.settle(i, missed, T(0));
    } else if constexpr (std::same_as<decltype(rule.again()), read_rule<T>>) { // else nothing is kept
        const read_rule<T> left = rule.again();
        rule.settle(i, left.value(left.gradient[i], nullptr) + missed, T(0));
    }
}

} // namespace gradcomp
