/// @file Sends nothing: everything stays in the memory.
#pragma once

#include <gradcomp/core/coder.hpp>
#include <gradcomp/core/concepts.hpp>
#include <gradcomp/exec/cpu/sweep.hpp>
#include <gradcomp/theory/operators.hpp>

namespace gradcomp {
inline namespace compress {

/// C(x) = 0. Bytes on the wire: none. No contraction: x never moves, so feedback around it is meant for tensors that others carry.
struct nothing {
    static constexpr bool unbiased = false, contractive = false, shared_support = true, additive = true;
    static constexpr int passes = 1, rounds = 1;
    void check() const {}
    theory::membership classes(std::size_t) const { return theory::nothing(); }

    template <class T, class Executor> class coder {
    public:
        explicit coder(const coder_start& start) : layout_(make_layout(*start.list, *start.tensors, scope::per_tensor, [](std::size_t) { return std::size_t{0}; })) {}
        std::size_t elements() const { return 0; }
        std::size_t bytes() const { return 0; }
        std::size_t fallbacks() const { return 0; }
        template <class RuleOf>
        exec::sweep_tally encode(const Executor& team, RuleOf rule_of, const step_state<T>&, std::byte*, const exec::sweep_options& options)
        {
            exec::sweep_tally tally;
            for (const segment& piece : layout_.segments) tally += sweep(team, rule_of(piece), piece.size, exec::send_none{}, options);
            return tally;
        }
        void check(const std::byte*) const {}
        template <class Target> void decode(const Executor&, const std::byte*, const Target&) const {}

    private:
        layout layout_;
    };
    template <class T, class Executor> auto start(const Executor&, const coder_start& with) const { return coder<T, Executor>(with); }
};
static_assert(compressor<nothing>);

} // namespace compress
} // namespace gradcomp
