/// @file The second exchange of a memory that resets its error (gc::cser), on a stream: enqueued between the step's own messages, undone with them.
#pragma once

#include <gradcomp/exec/cuda/sweep.cuh>
#include <gradcomp/stack/enqueued_reduction.cuh>
#include <gradcomp/stack/error_reset.hpp>

namespace gradcomp::stack {

/// For memories that do not reset: nothing at all.
template <class Stack, class T, bool = resets_error<typename Stack::memory_type>> class device_reset {
public:
    template <class State> device_reset(const Stack&, const tensor_list&, const std::vector<std::size_t>&, const State&) {}
    template <class State> void encode(State&, const exec::device_step<T>&, std::uint64_t) {}
    template <class State> void meet(const State&, const exec::device_step<T>&, bool) {}
    template <class State> void apply(State&) {}
    template <class State, class Coder> void restore(State& state, const Coder& coder, const std::byte* message) { state.restore(coder, message); }
    std::size_t bytes() const { return 0; }
};

/// The reset of one rank, as error_reset. The host says when it is due, by the exchanges that were enqueued, rejected ones among them.
template <class Stack, class T> class device_reset<Stack, T, true> {
    using Executor = typename Stack::executor_type::executor;
    using Coder = decltype(std::declval<const typename Stack::memory_type::reset_compressor&>().template start<T>(std::declval<const Executor&>(), std::declval<const coder_start&>()));

public:
    /// @throws error out_of_memory, device. `list` and `all` must outlive it.
    template <class State>
    device_reset(const Stack& stack, const tensor_list& list, const std::vector<std::size_t>& all, const State& state)
        : every_(stack.memory.every), coder_(stack.memory.reset.template start<T>(state.team, {&list, &all, reset_seed(stack.seed), static_cast<std::uint32_t>(stack.reducer.rank())})),
          reduction_(stack.reducer, coder_.elements(), coder_.bytes(), list.total())
    {
    }

    /// Enqueues the sweep that takes the message out of e where a reset is due after `exchanges` exchanges; it works for the verdicts of `at`.
    template <class State> void encode(State& state, const exec::device_step<T>& at, std::uint64_t exchanges)
    {
        due_ = (exchanges + 1) % every_ == 0;
        if (!due_) return;
        reset_rule<T> rule(state.scales());
        rule.gradient = state.x;
        rule.in[0] = rule.out[0] = state.e.next(); // the step's sweep writes it before
        rule.out[1] = state.z.next();
        state.now = at;
        const auto bound = state.ready(rule);
        auto options = state.sweep_options();
        options.bad_elements = exec::non_finite::propagate; // gradients are looked at in the step's sweep
        coder_.encode(state.team, exec::packed_rule<std::remove_const_t<decltype(bound)>>{bound}, at, reduction_.message(), options);
    }
    /// Enqueues its delivery behind the step's, whose verdict it carries on.
    template <class State> void meet(const State& state, const exec::device_step<T>& at, bool rejects)
    {
        if (!due_) return;
        reduction_.enqueue(state.team, at, rejects, {.first = false, .last = true});
        for (std::size_t i = 0; i < reduction_.received(); ++i) coder_.check(state.team, reduction_.message(i));
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
    Coder coder_;
    enqueued_reduction<typename Stack::reducer_type, T, Executor> reduction_;
    bool due_ = false;
};

} // namespace gradcomp::stack
