/// @file LoCo: the gradient is compensated by a moving average of past compression errors, which is forgotten now and then.
#pragma once

#include <gradcomp/core/concepts.hpp>
#include <gradcomp/core/error.hpp>
#include <gradcomp/core/text.hpp>
#include <gradcomp/memory/recurrence.hpp>

namespace gradcomp {
inline namespace memory {

/// p = u + beta s d again, from u = e + (1 - beta) s d, which a sweep that sends nothing leaves.
template <class T, class Gradient, class Direction> struct average_again : again_streams<T, Gradient, Direction, 1> {
    T passed;
    template <class Rule> GRADCOMP_HD explicit average_again(const Rule& swept) : again_streams<T, Gradient, Direction, 1>(swept), passed(swept.passed) {}
    GRADCOMP_HD GRADCOMP_INLINE T value(T g, const T* x) const { return multiply_add(passed, this->read(g, x), x[this->kept_in]); }
};

/// p = e + s d, e' = beta e + (1 - beta)(p - c), which is e + (1 - beta)(s d - c): so one stream in place does, and p can be had again, bit for bit, after
/// a sweep that sent nothing. Streams in: the direction's, then e. Streams out: the direction's, then e'.
template <class T, class Gradient, class Direction, bool Staged>
struct average_rule : rule_streams<T, Gradient, Direction::inputs + 1, Direction::outputs + 1, Staged ? (1u << (Direction::outputs + 1)) - 1u : 0u> {
    static constexpr int error_in = Direction::inputs, error_out = Direction::outputs;
    static constexpr bool settles_late = true; ///< u + (1 - beta)(p - p) is not u: a choice must be final before it is written

    Direction direction;
    rate_scales<T> scales;
    T share = 1;                   ///< 1 - beta
    std::uint32_t reset_every = 0;
    T kept = 1, passed = 0;        ///< (1 - beta) s and beta s
    bool forgets = false;          ///< e counts as 0

    average_rule(const Direction& d, const rate_scales<T>& with) : direction(d), scales(with) {}
    template <class Memory> void set(const Memory& memory)
    {
        share = static_cast<T>(1 - memory.beta);
        reset_every = memory.reset_every;
    }

    GRADCOMP_HD void at_step(const step_state<T>& now)
    {
        const T s = scales.direction(now.learning_rate);
        kept = share * s;
        passed = s - kept;
        forgets = reset_every > 0 && now.step % reset_every == 0;
    }
    GRADCOMP_HD GRADCOMP_INLINE T value(T g, const T* x) const
    {
        const T d = direction.value(g, x);
        return multiply_add(passed, d, unsent(d, x[error_in]));
    }
    GRADCOMP_HD GRADCOMP_INLINE void leave(T g, const T* x, T, T c, T* y) const
    {
        const T d = direction.value(g, x);
        direction.leave(g, x, d, y);
        y[error_out] = multiply_add(-share, c, unsent(d, x[error_in]));
    }
    GRADCOMP_HD GRADCOMP_INLINE T owed_at(std::size_t i) const { return forgets ? T(0) : this->in[error_in][i]; }
    /// @pre the sweep left c = 0 for this element
    GRADCOMP_HD GRADCOMP_INLINE void settle(std::size_t i, T, T c) const { this->out[error_out][i] = multiply_add(-share, c, this->out[error_out][i]); }
    /// What did not arrive is an error like what was not sent.
    GRADCOMP_HD GRADCOMP_INLINE void keep_missed(std::size_t i, T missed) const { settle(i, T(0), -missed); }

    /// p of the same elements after a sweep that sent nothing.
    GRADCOMP_HD auto again() const { return average_again<T, Gradient, Direction>(*this); }

private:
    /// u: what stays where nothing is sent.
    GRADCOMP_HD GRADCOMP_INLINE T unsent(T d, T e) const { return multiply_add(kept, d, forgets ? T(0) : e); }
};

/// p = e + s d, e' = beta e + (1 - beta)(p - C(p)), x <- x - mean C(p); every `reset_every` exchanges e counts as 0.
///
/// With E = e / (1 - beta) this is error feedback whose debt E' = E + s d - C(p) enters the message by the share 1 - beta alone; beta = 0 without resets is
/// EF in the same units, bit for bit. A reset drops what is owed. Certain of the method are the average, its weight of the past, the reset, and that e is kept
/// in 8 bits with scales of its own. Here e is kept in the type of the parameters, for the sweep knows no scale of elements that it has yet to see: 4 bytes
/// an element instead of 1 in float, and nothing lost by rounding. The mean is that of any reducer; DeepSpeed's program averages over two levels, each with
/// an e. beta is the weight of the past, as in that program and the authors' (err_beta, error_beta); where a formula has (1 - b) e + b (p - c), it is 1 - b.
/// The defaults are the example in DeepSpeed's documentation. One exchange a step. State: one model of memory (two when staged).
/// @cite Xie, Lin, Toh, Zhou, "LoCo: low-bit communication adaptor for large-scale model training", IEEE TPAMI 47, 2025, as the authors'
/// (github.com/XingyuXie/Megatron-LM) and DeepSpeed's programs (github.com/microsoft/DeepSpeed, all_to_all_loco_quant_reduce) run it.
template <class Storage = in_place> struct loco {
    double beta = 0.8;                ///< from 0 to below 1: the weight of the past errors
    std::uint32_t reset_every = 1024; ///< exchanges; 0: e is never forgotten
    gradcomp::units units = gradcomp::units::gradient; ///< in what units e is kept

    using storage = Storage;
    static constexpr bool feeds_back = true, accepts_bias = true;
    static constexpr bool detached = false; ///< gradients are taken at x
    static constexpr bool averages = true;  ///< error() is an average of past p - c
    static constexpr const char* each_step = "gc::loco, whose average is of single steps' errors";

    template <class T, class Gradient, class Direction, bool HasError, bool HasPoint>
    using rule = average_rule<T, Gradient, Direction, Storage::is_staged>;

    double detachment() const { return 0; }
    evaluation_point evaluation() const { return evaluation_point::parameters; }
    std::uint32_t averaging() const { return 0; }
    /// @throws error invalid_option unless beta is from 0 to below 1.
    void check() const
    {
        if (!(beta >= 0 && beta < 1)) throw error(error_code::invalid_option, "beta", text_of(beta), "must be from 0 to below 1");
    }
};
static_assert(error_memory<loco<>> && error_memory<loco<staged>>);

} // namespace memory
} // namespace gradcomp
