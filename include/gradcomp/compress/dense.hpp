/// @file The coder of compressors whose message holds every element: identity and delta_scaling.
#pragma once

#include <gradcomp/core/coder.hpp>
#include <gradcomp/exec/cpu/scatter.hpp>
#include <gradcomp/exec/cpu/sweep.hpp>

namespace gradcomp {
inline namespace compress {

/// Message: the values of all elements in tensor order. Bytes: sizeof(T) an element. One sweep.
template <class T, class Executor, class Send> class dense_coder {
public:
    dense_coder(const coder_start& start, Send send)
        : layout_(make_layout(*start.list, *start.tensors, scope::per_tensor, [](std::size_t d) { return d; })), send_(send)
    {
    }
    std::size_t elements() const { return layout_.kept; }
    std::size_t bytes() const { return layout_.kept * sizeof(T); }
    std::size_t fallbacks() const { return 0; }

    template <class RuleOf>
    exec::sweep_tally encode(const Executor& team, RuleOf rule_of, const step_state<T>&, std::byte* message, const exec::sweep_options& options)
    {
        exec::sweep_tally tally;
        for (const selection& s : layout_.selections) {
            const segment& piece = layout_.segments[s.begin];
            Send send = send_;
            send.payload = reinterpret_cast<T*>(message) + s.payload;
            tally += sweep(team, rule_of(piece), piece.size, send, options);
        }
        return tally;
    }

    /// Nothing to check: any bit pattern is a message.
    void check(const std::byte*) const {}

    template <class Target> void decode(const Executor& team, const std::byte* message, const Target& target) const
    {
        for (const selection& s : layout_.selections) {
            const segment& piece = layout_.segments[s.begin];
            apply_run(team, target, piece.offset, reinterpret_cast<const T*>(message) + s.payload, piece.size);
        }
    }

private:
    layout layout_;
    Send send_;
};

} // namespace compress
} // namespace gradcomp
