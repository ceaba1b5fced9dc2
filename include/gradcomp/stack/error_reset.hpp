/// @file The second exchange of a memory that resets its error (gc::cser): a compressor of its own takes from e, ranks meet again, x moves again.
#pragma once

#include <gradcomp/core/coder.hpp>
#include <gradcomp/core/concepts.hpp>
#include <gradcomp/memory/cser.hpp>
#include <gradcomp/stack/rank_state.hpp>

#include <cstdint>
#include <utility>
#include <vector>

namespace gradcomp::stack {

/// The seed of a reset's random choices: not the steps', or both compressors would choose the same coordinates.
constexpr std::uint64_t reset_seed(std::uint64_t seed) { return seed ^ 0x9E3779B97F4A7C15u; }

/// For memories that do not reset: nothing at all.
template <class Stack, class T, bool = resets_error<typename Stack::memory_type>> class error_reset {
public:
    template <class State> error_reset(const Stack&, const tensor_list&, const std::vector<std::size_t>&, const State&) {}
    template <class State> void encode(State&, std::uint64_t) {}
    void deliver(std::uint32_t) {}
    template <class State> void apply(State&) {}
    template <class State, class Coder> void restore(State& state, const Coder& coder, const std::byte* message) { state.restore(coder, message); }
    std::size_t bytes() const { return 0; }
};

/// The reset of one rank. encode() follows the step's own sweep and precedes its delivery, so that nothing is committed until both have arrived.
template <class Stack, class T> class error_reset<Stack, T, true> {
    using Executor = typename Stack::executor_type::executor;
    using Coder = decltype(std::declval<const typename Stack::memory_type::reset_compressor&>().template start<T>(std::declval<const Executor&>(), std::declval<const coder_start&>()));
    using Reduction = typename Stack::reducer_type::template state<T, Executor>;
    static_assert(Stack::memory_type::reset_compressor::rounds == 1, "gradcomp: gc::cser's reset has one round of messages: write a .reset such as gc::random_block.");

public:
    /// @throws error out_of_memory. `list` and `all` must outlive it.
    template <class State>
    error_reset(const Stack& stack, const tensor_list& list, const std::vector<std::size_t>& all, const State& state)
        : every_(stack.memory.every), team_(state.team),
          coder_(stack.memory.reset.template start<T>(team_, {&list, &all, reset_seed(stack.seed), static_cast<std::uint32_t>(stack.reducer.rank())})),
          reduction_(stack.reducer, coder_.elements(), coder_.bytes(), list.total())
    {
        if constexpr (requires { reduction_.belongs_to(list, stack.memory.reset); }) reduction_.belongs_to(list, stack.memory.reset);
    }

    /// Takes the message out of e where a reset is due after `exchanges` exchanges.
    template <class State> void encode(State& state, std::uint64_t exchanges)
    {
        due_ = (exchanges + 1) % every_ == 0;
        if (!due_) return;
        reset_rule<T> rule(state.scales());
        rule.in[0] = rule.out[0] = state.e.next(); // the step's sweep has just written it
        rule.out[1] = state.z.next();
        const auto rules = [&, bound = state.ready(rule)](const segment& piece) { return state.at_segment(bound, piece, state.x + piece.offset); };
        auto options = state.sweep_options();
        options.bad_elements = exec::non_finite::propagate; // gradients were looked at in the step's sweep
        coder_.encode(team_, rules, state.now, reduction_.message(), options);
    }
    /// Brings the messages to all. @throws error of the communicator, bad_message.
    void deliver(std::uint32_t step)
    {
        if (!due_) return;
        reduction_.exchange(false, step);
        for (std::size_t i = 0; i < reduction_.received(); ++i) coder_.check(team_, reduction_.message(i));
    }
    template <class State> void apply(State& state)
    {
        if (due_) state.apply(coder_, reduction_, state.x);
    }
    /// What was not delivered returns to e: the reset, then the step's own message.
    template <class State, class StepCoder> void restore(State& state, const StepCoder& coder, const std::byte* message)
    {
        if (due_) state.restore(coder_, reduction_.message());
        state.restore(coder, message);
    }
    std::size_t bytes() const { return coder_.bytes() + reduction_.header_bytes(); } ///< of one rank's reset as the reducer sends it

private:
    std::uint32_t every_;
    const Executor& team_;
    Coder coder_;
    Reduction reduction_;
    bool due_ = false;
};

} // namespace gradcomp::stack
