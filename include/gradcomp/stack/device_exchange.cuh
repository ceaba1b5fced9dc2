/// @file One run of a policy stack on a GPU: every call enqueues on the user's stream and returns; wait() reports.
#pragma once

#include <gradcomp/core/coder.hpp>
#include <gradcomp/core/text.hpp>
#include <gradcomp/exec/cuda/engines.cuh>
#include <gradcomp/stack/enqueued_reduction.cuh>
#include <gradcomp/stack/rank_state.hpp>

#include <chrono>
#include <optional>
#include <thread>
#include <utility>

namespace gradcomp::stack {
namespace detail {

template <class T> __global__ void set_rate_kernel(step_state<T>* state, T rate) { state->learning_rate = rate; }

/// The end of an exchange: the step counts only when it was accepted, and the next vote starts anew.
template <class T> __global__ void advance_kernel(step_state<T>* state, exec::device_counts* counts)
{
    if (counts->verdict == 0) ++state->step;
    else ++counts->rejected;
    counts->bad_now = 0;
}

} // namespace detail

/// What policy_stack::attach() gives for parameters in device memory. A step allocates nothing and waits for nothing.
///
/// Step number, learning rate and the ranks' verdict lie on the device, so a step can be captured in a CUDA graph and replayed: with fresh
/// random choices, and with the learning rate that set_learning_rate() enqueued before. With staged memory capture an even number of
/// exchanges, with a period whole periods, for the host turns its streams once an exchange. A rejected step leaves x as it was on every rank;
/// wait() says so. Not thread-safe: one exchange belongs to one rank.
template <class Stack, class T> class device_exchange {
    using Memory = typename Stack::memory_type;
    using Reducer = typename Stack::reducer_type;
    using Executor = typename Stack::executor_type::executor;
    using Coder = decltype(std::declval<const typename Stack::compressor_type&>().template start<T>(std::declval<const Executor&>(), std::declval<const coder_start&>()));
    using State = rank_state<Stack, T>;
    static_assert(!resets_error<Memory>, "gradcomp: gc::cser's second exchange runs on exec::cpu alone: write .executor = gc::exec::cpu{}, or .memory = gc::psync{}.");

public:
    /// Takes all memory and waits for it. @throws error invalid_option when executor and communicator have different streams; invalid_argument, size_changed, wrong_memory_space, out_of_memory, device.
    device_exchange(const Stack& stack, const tensor_list& tensors, device_view<T> parameters)
        : tensors_(tensors), rank_(stack.reducer.rank()), all_(tensors.numbers()), state_(stack, tensors_, checked(parameters)), now_(1),
          coder_(stack.compressor.template start<T>(state_.team, {&tensors_, &all_, stack.seed, static_cast<std::uint32_t>(rank_)})),
          reduction_(stack.reducer, coder_.elements(), coder_.bytes())
    {
        if constexpr (requires { stack.reducer.communicator.stream(); })
            if (stack.reducer.communicator.stream() != state_.team.stream())
                throw gradcomp::error(error_code::invalid_option, "executor.stream", "another stream", "must be the communicator's, or their work is in no order");
        if (state_.has_point && stack.period > 1) {
            local_layout_ = make_layout(tensors_, all_, scope::per_tensor, [](std::size_t) { return std::size_t{0}; });
            local_.emplace(state_.team, local_layout_);
        }
        wait();
    }
    device_exchange(const device_exchange&) = delete;
    device_exchange& operator=(const device_exchange&) = delete;

    device_view<const T> gradient_point() const { return {state_.point(), state_.total}; } ///< as exchange
    device_view<const T> parameters() const { return {state_.x, state_.total}; }
    device_view<const T> error() const { return {state_.e.now(), state_.e.size()}; }

    /// Enqueues eta for the steps that are enqueued after it, replays of a graph included. @throws error invalid_option.
    void set_learning_rate(double learning_rate)
    {
        const T rate = static_cast<T>(learning_rate);
        if (!(is_finite(rate) && rate >= T(0))) throw gradcomp::error(error_code::invalid_option, "learning_rate", text_of(learning_rate), "must be finite and not negative", {.rank = rank_});
        detail::set_rate_kernel<<<1, 1, 0, state_.team.stream()>>>(now_.data(), rate);
        exec::detail::check_launch("set_rate_kernel");
    }

    /// Enqueues one step. Gradient is T, or __half or __nv_bfloat16 with the memory in float; all tensors packed in list order.
    /// @throws error size_changed, invalid_argument, device at once; what happens on the device is reported by wait().
    template <class Gradient> void step(device_view<const Gradient> gradient)
    {
        if (gradient.size() != state_.total)
            throw gradcomp::error(error_code::size_changed, "gradient", std::to_string(gradient.size()), "must have the " + std::to_string(state_.total) + " elements of the tensor list", {.rank = rank_});
        if (gradient.data() == nullptr && state_.total > 0) throw gradcomp::error(error_code::invalid_argument, "gradient", "null", "must point to memory", {.rank = rank_});
        if (++steps_ % state_.options.period == 0) exchange_messages(gradient.data());
        else step_locally(gradient.data());
    }
    /// The same, with the learning rate set before.
    template <class Gradient> void step(device_view<const Gradient> gradient, double learning_rate)
    {
        set_learning_rate(learning_rate);
        step(gradient);
    }

    /// Enqueues the memory's evaluation point into `destination`. Collective where it needs the other ranks' errors.
    void evaluate_at(device_view<T> destination)
    {
        if (destination.size() != state_.total) throw gradcomp::error(error_code::size_changed, "destination", std::to_string(destination.size()), "must have all elements", {.rank = rank_});
        const evaluation_point where = state_.options.memory.evaluation();
        if (where == evaluation_point::parameters || !Memory::feeds_back) return for_each(state_.team, state_.total, copy_rule<T>{destination.data(), state_.x});
        const T* errors = state_.e.now();
        if (where == evaluation_point::mean_corrected) {
            state_.mean_of(errors);
            errors = state_.dense.data();
        }
        auto scales = state_.scales();
        scales.detachment = 1;
        state_.now = {now_.data()};
        for_each(state_.team, state_.total, state_.ready(point_rule<T>{destination.data(), state_.x, errors, scales}));
    }

    /// Waits for all that was enqueued. @throws error device; non_finite when a step since the last wait was rejected; bad_message.
    void wait()
    {
        report(state_.team.read_counts());
    }
    /// The same, not past a deadline. @throws also peer_timeout; what was enqueued may still run.
    template <class Clock, class Duration> void wait(std::chrono::time_point<Clock, Duration> deadline)
    {
        while (true) {
            const cudaError_t status = cudaStreamQuery(state_.team.stream());
            if (status == cudaSuccess) return wait();
            if (status != cudaErrorNotReady) exec::detail::check_cuda(status, "work on the stream");
            if (Clock::now() >= deadline)
                throw gradcomp::error(error_code::peer_timeout, "wait", "deadline", "the stream was still at work; a peer may be late or gone", {.rank = rank_});
            std::this_thread::sleep_for(std::chrono::microseconds(50));
        }
    }

    std::size_t message_bytes() const { return coder_.bytes(); }
    std::size_t header_bytes() const { return reduction_.header_bytes(); }
    std::size_t wire_bytes() const { return message_bytes() + header_bytes(); }
    std::size_t state_bytes() const { return state_.bytes(); }
    std::uint64_t steps() const { return steps_; } ///< enqueued
    std::uint64_t bad_elements() const { return bad_; }         ///< as of the last wait()
    std::size_t fallbacks() const { return fallbacks_; }        ///< as of the last wait()
    const tensor_list& tensors() const { return tensors_; }

private:
    T* checked(device_view<T> parameters) const
    {
        if (parameters.size() != tensors_.total())
            throw gradcomp::error(error_code::size_changed, "parameters", std::to_string(parameters.size()), "must have the " + std::to_string(tensors_.total()) + " elements of the tensor list");
        if (parameters.size() > 0) exec::detail::require_device_memory(parameters.data(), "parameters");
        return parameters.data();
    }
    bool rejects() const { return state_.options.non_finite == exec::non_finite::reject; }

    template <class Gradient> void step_locally(const Gradient* gradient)
    {
        state_.now = {now_.data()};
        auto rule = state_.ready(state_.template local_rule<Gradient>());
        rule.gradient = gradient;
        local_->encode(state_.team, local_layout_, exec::packed_rule<decltype(rule)>{rule}, state_.now, exec::empty_share{}, nullptr, state_.sweep_options());
        state_.commit();
    }

    template <class Gradient> void exchange_messages(const Gradient* gradient)
    {
        state_.now = {now_.data()};
        state_.template with_rule<Gradient>([&](const auto& plain) {
            auto rule = state_.ready(plain);
            rule.gradient = gradient;
            return coder_.encode(state_.team, exec::packed_rule<decltype(rule)>{rule}, state_.now, reduction_.message(), state_.sweep_options());
        });
        reduction_.enqueue(state_.team, state_.now, rejects());
        for (std::size_t i = 0; i < reduction_.received(); ++i) coder_.check(state_.team, reduction_.message(i));
        undo_if_rejected();
        state_.now = {now_.data(), &state_.team.counts()->verdict, 0};
        state_.commit();
        state_.apply(coder_, reduction_, state_.x);
        finish_memory();
        detail::advance_kernel<<<1, 1, 0, state_.team.stream()>>>(now_.data(), state_.team.counts());
        exec::detail::check_launch("advance_kernel");
    }

    /// Enqueued always; the kernels work only when the ranks' verdict says so.
    void undo_if_rejected()
    {
        state_.now = {now_.data(), &state_.team.counts()->verdict, 1};
        if constexpr (State::staged) {
            const auto keep = [&](auto& stream) {
                if (stream.size() > 0) for_each(state_.team, stream.size(), state_.ready(copy_rule<T>{stream.next(), stream.now()}));
            };
            keep(state_.e);
            for (auto& m : state_.local) keep(m);
            keep(state_.z);
        } else {
            state_.restore(coder_, reduction_.message());
        }
    }

    void finish_memory()
    {
        ++exchanges_;
        const std::uint32_t every = state_.options.memory.averaging();
        if (Memory::feeds_back && every > 0 && exchanges_ % every == 0) {
            state_.mean_of(state_.e.now());
            for_each(state_.team, state_.total, state_.ready(copy_rule<T>{state_.e.now(), state_.dense.data()}));
            state_.refresh_point();
        }
        if (!Memory::feeds_back && state_.has_errors) {
            for_each(state_.team, state_.total, state_.ready(fill_rule<T>{state_.e.now(), T(0)}));
            state_.refresh_point();
        }
    }

    void report(const exec::device_counts& seen)
    {
        bad_ = seen.bad;
        fallbacks_ = seen.fallbacks;
        const std::uint32_t rejected = seen.rejected - std::exchange(rejected_, seen.rejected);
        if (seen.unreadable != 0) throw gradcomp::error(error_code::bad_message, "message", "unreadable", "a peer's message of an earlier step cannot be right; none of it was applied", {.rank = rank_});
        if (rejected > 0)
            throw gradcomp::error(error_code::non_finite, "gradient", std::to_string(rejected) + " steps", "met NaN or Inf on some rank; every rank skipped them", {.rank = rank_});
    }

    tensor_list tensors_;
    int rank_;
    std::vector<std::size_t> all_;
    State state_;
    exec::device_buffer<step_state<T>> now_;
    Coder coder_;
    enqueued_reduction<Reducer, T, Executor> reduction_;
    layout local_layout_;
    std::optional<exec::dense_engine<Executor, T>> local_;
    std::uint64_t steps_ = 0, exchanges_ = 0, bad_ = 0;
    std::size_t fallbacks_ = 0;
    std::uint32_t rejected_ = 0;
};

} // namespace gradcomp::stack
