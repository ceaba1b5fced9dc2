/// @file EControl: EF21 whose message also carries a small share of what its estimates have missed so far.
#pragma once

#include <gradcomp/core/concepts.hpp>
#include <gradcomp/core/error.hpp>
#include <gradcomp/core/text.hpp>
#include <gradcomp/memory/recurrence.hpp>

namespace gradcomp {
inline namespace memory {

/// p = eta_c e + q from q = d - h and u = e + q. Of u rather than e: u is what a sweep that sends nothing leaves, so p can be had again, bit for bit.
template <class T> GRADCOMP_HD GRADCOMP_INLINE T controlled(T eta_c, T q, T u) { return multiply_add(eta_c, u - q, q); }

/// The same again.
template <class T, class Gradient, class Direction> struct control_again : again_streams<T, Gradient, Direction, 2> {
    T eta_c;
    template <class Rule> GRADCOMP_HD explicit control_again(const Rule& swept) : again_streams<T, Gradient, Direction, 2>(swept), eta_c(swept.eta_c) {}
    GRADCOMP_HD GRADCOMP_INLINE T value(T g, const T* x) const { return controlled(eta_c, this->read(g, x) - x[this->kept_in], x[this->kept_in + 1]); }
};

/// p = eta_c e + d - h, h' = h + c, e' = e + (d - h) - c. Streams in: the direction's, then h, then e. Streams out: the direction's, then h', then e'.
template <class T, class Gradient, class Direction, bool Staged>
struct control_rule : rule_streams<T, Gradient, Direction::inputs + 2, Direction::outputs + 2, Staged ? (1u << (Direction::outputs + 2)) - 1u : 0u> {
    static constexpr int error_in = Direction::inputs, missed_in = error_in + 1;
    static constexpr int error_out = Direction::outputs, missed_out = error_out + 1;
    static constexpr bool settles_late = true; ///< h + p - p is not h: a choice must be final before it is written

    Direction direction;
    T eta_c = 0;

    control_rule(const Direction& d, const rate_scales<T>&) : direction(d) {}
    template <class Memory> void set(const Memory& memory) { eta_c = static_cast<T>(memory.eta_c); }

    GRADCOMP_HD GRADCOMP_INLINE T value(T g, const T* x) const
    {
        const T q = direction.value(g, x) - x[error_in];
        return controlled(eta_c, q, x[missed_in] + q);
    }
    GRADCOMP_HD GRADCOMP_INLINE void leave(T g, const T* x, T, T c, T* y) const
    {
        const T d = direction.value(g, x);
        direction.leave(g, x, d, y);
        y[error_out] = x[error_in] + c;
        y[missed_out] = x[missed_in] + (d - x[error_in]) - c;
    }
    /// p - d: what the guard takes off p to see the direction.
    GRADCOMP_HD GRADCOMP_INLINE T owed_at(std::size_t i) const { return multiply_add(eta_c, this->in[missed_in][i], -this->in[error_in][i]); }
    /// @pre the sweep left c = 0 for this element
    GRADCOMP_HD GRADCOMP_INLINE void settle(std::size_t i, T, T c) const
    {
        this->out[error_out][i] += c;
        this->out[missed_out][i] -= c;
    }
    /// What did not arrive the estimate has not taken, and misses.
    GRADCOMP_HD GRADCOMP_INLINE void keep_missed(std::size_t i, T missed) const { settle(i, T(0), -missed); }

    /// p of the same elements after a sweep that sent nothing.
    GRADCOMP_HD auto again() const { return control_again<T, Gradient, Direction>(*this); }
};

/// p = eta_c e + d - h, h' = h + C(p), e' = e + d - h', and the server's estimate H' = H + mean C(p), x <- x - eta H': compile with
/// .server = gc::estimate{}.
///
/// e is the sum of d - h' so far: what x should have moved by and did not. EF21 forgets it, and with noisy gradients stays farther from the minimum.
/// eta_c says how strongly it is paid back; 0 is EF21, bit for bit. In gradient units, one exchange a step, h and e start at 0 (the paper's h starts at
/// the first gradient). The theorems' eta_c is delta / 400, 1 - delta the contraction's factor (1 / (400 delta) in the units of theory/classes.hpp), known
/// here from reviews of the paper; its experiments tune it, and the default is this library's choice.
/// An undelivered message leaves h bit for bit as it was only when staged; in place up to rounding, and e then holds the step's d - h.
/// error() shows h, memory_state(0) shows e. State: two models of memory (four when staged), and one for H where x is updated.
/// @cite Gao, Islamov, Stich, "EControl: fast distributed optimization with compression and error control", ICLR 2024.
template <class Storage = in_place> struct econtrol {
    double eta_c = 0.001; ///< from 0 to 1: the share of e in a message; well below the share of elements that is sent

    using storage = Storage;
    static constexpr gradcomp::units units = gradcomp::units::gradient;
    static constexpr bool feeds_back = true, accepts_bias = true;
    static constexpr bool detached = false; ///< gradients are taken at x
    static constexpr bool estimates = true; ///< error() is an estimate: a server that adds up messages belongs to it
    static constexpr int more_streams = 1;  ///< e
    static constexpr const char* each_step = "gc::econtrol, whose estimate is of one step's direction";

    template <class T, class Gradient, class Direction, bool HasError, bool HasPoint>
    using rule = control_rule<T, Gradient, Direction, Storage::is_staged>;

    double detachment() const { return 0; }
    evaluation_point evaluation() const { return evaluation_point::parameters; }
    std::uint32_t averaging() const { return 0; }
    /// @throws error invalid_option unless eta_c is from 0 to 1.
    void check() const
    {
        if (!(eta_c >= 0 && eta_c <= 1)) throw error(error_code::invalid_option, "eta_c", text_of(eta_c), "must be from 0 to 1");
    }
};
static_assert(error_memory<econtrol<>> && error_memory<econtrol<staged>>);

} // namespace memory
} // namespace gradcomp
