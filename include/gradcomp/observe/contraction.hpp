/// @file Measured contraction beside the theory's bound: what share of p a run's messages leave behind.
#pragma once

#include <gradcomp/core/concepts.hpp>
#include <gradcomp/theory/describe.hpp>
#include <gradcomp/theory/measured.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace gradcomp {
inline namespace observe {

/// What an observer has seen so far of ||p - c||^2 / ||p||^2.
struct contraction_report {
    std::uint64_t observed = 0; ///< exchanges that were looked at
    double last = 0, mean = 0, largest = 0;
    double bound = 1;           ///< 1 - 1/delta; 1 where the operator is no contraction
    std::string text;           ///< one sentence with the numbers
};

/// Looks at every k-th exchange of one rank, in host memory: one decode of its own message, and one pass over it and the memory. Never changes the run.
///
/// The bound is on the mean over the operator's random choices, so single draws of a random one may lie above it; the mean may not, for long.
/// Needs a memory whose error() is p - c: without one nothing keeps it, and ef21, econtrol, loco and cser, which keep something else, do not compile. Where the
/// memory is averaged over ranks (saef) look at the exchanges between.
template <class T> class contraction_observer {
public:
    /// @param classes of the compressor over the run's tensors (compressor.classes(), stack::classes_over()); @param every exchange, at least 1.
    contraction_observer(std::size_t elements, const theory::membership& classes, std::uint64_t every = 1)
        : message_(elements), classes_(theory::complete(classes)), every_(std::max<std::uint64_t>(every, 1))
    {
    }

    /// Call after each step. @return whether this one was looked at.
    /// @pre the exchange has `elements` elements
    template <class Exchange> bool after_step(Exchange& exchange)
    {
        static_assert(!keeps_estimate<typename Exchange::memory_type>,
            "gradcomp: gc::contraction_observer reads p - c from error(), and gc::ef21 and gc::econtrol keep an estimate there. Observe a stack with .memory = gc::ef{}.");
        static_assert(!averages_errors<typename Exchange::memory_type>,
            "gradcomp: gc::contraction_observer reads p - c from error(), and gc::loco averages many of them there. Observe a stack with .memory = gc::ef{}.");
        static_assert(!resets_error<typename Exchange::memory_type>,
            "gradcomp: gc::contraction_observer reads p - c from error(), and gc::cser gathers many of them there. Observe a stack with .memory = gc::ef{}.");
        if (exchange.exchanges() == seen_ || exchange.exchanges() % every_ != 0) return false;
        seen_ = exchange.exchanges();
        const std::span<const T> left = exchange.error();
        std::fill(message_.begin(), message_.end(), T(0));
        T* const sent = message_.data();
        exchange.decode_own([sent](std::size_t i, T v) __attribute__((always_inline)) { sent[i] = v; });
        double lost = 0, all = 0;
        for (std::size_t i = 0; i < left.size(); ++i) {
            const double stays = static_cast<double>(left[i]), p = stays + static_cast<double>(message_[i]);
            lost += stays * stays;
            all += p * p;
        }
        if (!(all > 0)) return false;
        last_ = lost / all;
        largest_ = std::max(largest_, last_);
        mean_.add(last_);
        return true;
    }

    contraction_report report() const
    {
        contraction_report out{mean_.count(), last_, mean_.mean(), largest_, classes_.b3 ? theory::contraction(*classes_.b3) : 1, {}};
        out.text = "what stays behind of ||p||^2, over " + std::to_string(out.observed) + " exchanges: mean " + theory::short_text(out.mean) + ", largest "
            + theory::short_text(out.largest) + "; the bound is " + theory::short_text(out.bound) + " (" + theory::describe(classes_) + ")";
        return out;
    }

private:
    std::vector<T> message_;
    theory::membership classes_;
    std::uint64_t every_, seen_ = 0;
    double last_ = 0, largest_ = 0;
    theory::running_mean mean_;
};

} // namespace observe
} // namespace gradcomp
