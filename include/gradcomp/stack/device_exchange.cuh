/// @file One run of a policy stack on a GPU: every call enqueues on the user's stream and returns; wait() reports.
#pragma once

#include <gradcomp/comm/finish.hpp>
#include <gradcomp/core/coder.hpp>
#include <gradcomp/exec/cuda/engines.cuh>
#include <gradcomp/stack/device_gradients.cuh>
#include <gradcomp/stack/device_reset.cuh>
#include <gradcomp/stack/device_step.cuh>
#include <gradcomp/stack/enqueued_reduction.cuh>
#include <gradcomp/stack/rank_state.hpp>
#include <gradcomp/stack/rounds.hpp>

#include <algorithm>
#include <chrono>
#include <optional>
#include <span>
#include <utility>

namespace gradcomp::stack {
/// What policy_stack::attach() gives for parameters in device memory. A step allocates nothing and waits for nothing.
///
/// Step number, learning rate and the ranks' verdict lie on the device, so a step can be captured in a CUDA graph and replayed: with fresh
/// random choices, and with the learning rate and loss scale that were enqueued before. With staged memory, or a server's state behind
/// gather_to_root, capture an even number of exchanges, with a period, or resets every few exchanges, whole rounds of
/// them, for the host turns its streams once an exchange. A rejected step leaves x as it was on every rank;
/// wait() says so. Not thread-safe: one exchange belongs to one rank.
template <class Stack, class T> class device_exchange {
    using Memory = typename Stack::memory_type;
    using Reducer = typename Stack::reducer_type;
    using Executor = typename Stack::executor_type::executor;
    using Coder = decltype(std::declval<const typename Stack::compressor_type&>().template start<T>(std::declval<const Executor&>(), std::declval<const coder_start&>()));
    using State = rank_state<Stack, T>;
    static constexpr int rounds = Stack::compressor_type::rounds;

public:
    /// Takes all memory and waits for it. @throws error invalid_option when executor and communicator have different streams; invalid_argument, size_changed, wrong_memory_space, out_of_memory, device.
    device_exchange(const Stack& stack, const tensor_list& tensors, device_view<T> parameters)
        : tensors_(tensors), rank_(stack.reducer.rank()), all_(tensors.numbers()), state_(stack, tensors_, checked(parameters)), now_(1),
          coder_(stack.compressor.template start<T>(state_.team, {&tensors_, &all_, stack.seed, static_cast<std::uint32_t>(rank_)})),
          reductions_(stack.reducer, stack.compressor, coder_, tensors_), reset_(stack, tensors_, all_, state_), factor_(1), gradients_(tensors_, rank_)
    {
        if constexpr (requires { stack.reducer.communicator.stream(); })
            if (stack.reducer.communicator.stream() != state_.team.stream())
                throw gradcomp::error(error_code::invalid_option, "executor.stream", "another stream", "must be the communicator's, or their work is in no order");
        local_layout_ = make_layout(tensors_, all_, scope::per_tensor, [](std::size_t) { return std::size_t{0}; });
        tiles_ = exec::device_tiles(local_layout_);
        if (state_.has_point && stack.period > 1) local_.emplace(state_.team, local_layout_);
        set_loss_scale(1);
        detail::set_value(state_.team, &now_.data()->lambda, state_.lambda());
        wait();
    }
    device_exchange(const device_exchange&) = delete;
    device_exchange& operator=(const device_exchange&) = delete;

    device_view<const T> gradient_point() const { return {state_.point(), state_.total}; } ///< as exchange
    device_view<const T> parameters() const { return {state_.x, state_.total}; }
    device_view<const T> error() const { return {state_.e.now(), state_.e.size()}; }

    /// Enqueues eta for the steps that are enqueued after it, replays of a graph included. @throws error invalid_option.
    void set_learning_rate(double learning_rate) { detail::set_rate(state_.team, now_.data(), learning_rate, rank_); }

    /// As exchange::set_lambda, enqueued: for the steps that are enqueued after it, replays of a graph included. @throws error invalid_option.
    void set_lambda(double lambda)
    {
        require_lambda<Memory>();
        exec::detail::require_clean_device();
        state_.set_lambda(lambda);
        detail::set_value(state_.team, &now_.data()->lambda, state_.lambda());
        state_.now = {now_.data()};
        if (steps_ % state_.options.period == 0) state_.refresh_point();
    }
    double lambda() const { return state_.options.memory.detachment(); }

    /// Enqueues the factor by which the loss was multiplied, so that small gradients survive in 16 bits: the gradients of the steps that are enqueued after
    /// it are divided by it before anything else. One that is too large makes NaN or Inf, and `reject` then skips the step. @throws error invalid_option.
    void set_loss_scale(double loss_scale) { detail::set_factor(state_.team, factor_.data(), loss_scale, rank_); }
    /// The same for a scale that lies on the device, as a framework's scaler keeps it; it is read on the stream. @throws also wrong_memory_space.
    void set_loss_scale(device_view<const float> loss_scale)
    {
        gradients_.check_number(loss_scale, "loss_scale");
        detail::invert_scale_kernel<<<1, 1, 0, state_.team.stream()>>>(factor_.data(), loss_scale.data());
        exec::detail::check_launch("invert_scale_kernel");
    }

    /// Enqueues one step. Gradient is T, or __half or __nv_bfloat16 with the memory in float; all tensors packed in list order.
    /// @throws error size_changed, invalid_argument, wrong_memory_space, overlap, device at once; what happens on the device is reported by wait().
    template <class Gradient> void step(device_view<const Gradient> gradient)
    {
        advance(gradients_.take(state_.team, gradient, own()));
    }
    /// The same with one view per tensor, for gradients that do not lie packed. A captured step keeps where they lie.
    /// @throws error size_changed, invalid_argument, wrong_memory_space, overlap, each naming the tensor; device.
    template <class Gradient> void step(std::span<const device_view<const Gradient>> gradients)
    {
        advance(gradients_.take(state_.team, gradients, own()));
    }
    /// The same, with the learning rate set before.
    template <class Gradient> void step(device_view<const Gradient> gradient, double learning_rate)
    {
        set_learning_rate(learning_rate);
        step(gradient);
    }

    /// Enqueues the memory's evaluation point into `destination`. Collective where it needs the other ranks' errors.
    void evaluate_at(device_view<T> destination) { evaluate_at(destination, state_.options.memory.evaluation()); }
    /// Another evaluation point than the memory's own. The first mean_corrected one allocates where the memory needs none.
    void evaluate_at(device_view<T> destination, evaluation_point where)
    {
        gradients_.check_destination(destination, own());
        if (where == evaluation_point::parameters || !Memory::feeds_back || keeps_estimate<Memory>) return for_each(state_.team, state_.total, copy_rule<T>{destination.data(), state_.x});
        const T* errors = state_.e.now();
        if (where == evaluation_point::mean_corrected) {
            state_.mean_of(errors);
            errors = state_.dense.data();
        }
        state_.now = {now_.data()};
        for_each(state_.team, state_.total, state_.ready(point_rule<T>{destination.data(), state_.x, errors, state_.scales(), true}));
    }

    /// Waits for all that was enqueued, at most for the communicator's deadline, where it has one: a peer that died does not hang this rank.
    /// @throws error non_finite when a step since the last wait was rejected; bad_message; device; the communicator's peer_timeout, peer_lost, poisoned.
    void wait()
    {
        comm::finish(state_.options.reducer.communicator);
        report_.take(state_.team.read_counts(), rank_);
    }
    /// The same, not past `deadline`. @throws also peer_timeout, which ends the communicator's group where it has one.
    template <class Clock, class Duration> void wait(std::chrono::time_point<Clock, Duration> deadline)
    {
        const auto left = std::chrono::ceil<std::chrono::microseconds>(deadline - Clock::now());
        comm::finish(state_.options.reducer.communicator, state_.team.stream(), std::max(left, std::chrono::microseconds(0)));
        report_.take(state_.team.read_counts(), rank_);
    }

    std::size_t message_bytes() const { return coder_.bytes(); }
    std::size_t header_bytes() const { return reductions_.header_bytes(); }
    std::size_t wire_bytes() const { return message_bytes() + header_bytes(); }
    std::size_t reset_bytes() const { return reset_.bytes(); } ///< of a reset's message as the reducer sends it (gc::cser), every few exchanges; else 0
    std::size_t state_bytes() const { return state_.bytes(); }
    std::uint64_t steps() const { return steps_; } ///< enqueued
    std::uint64_t bad_elements() const { return report_.counts().bad; }   ///< as of the last wait()
    std::size_t fallbacks() const { return report_.counts().fallbacks; } ///< as of the last wait()
    std::uint64_t unsent() const { return report_.counts().unsent; }     ///< elements that reached a threshold and found no room, as of the last wait()
    /// The divergence guard's view as of the last wait(). |e| is that before the last exchange, over every sixteenth tile.
    health_report health() const { return divergence_guard(kind(), report_.watch()).report(); }
    const tensor_list& tensors() const { return tensors_; }
    /// Stream j of what the local and the server rule keep (empty where x is not updated); may be written on the stream, between steps. @pre j below `states`
    device_view<T> local_state(std::size_t j) { return {state_.local[j].now(), state_.total}; }
    device_view<T> memory_state(std::size_t j) { return {state_.more[j].now(), state_.total}; } ///< as exchange
    device_view<T> server_state(std::size_t j) { return {state_.server[j].now(), state_.sum.size()}; }

private:
    T* checked(device_view<T> parameters) const
    {
        exec::detail::require_clean_device(); // before the first call of ours, which would take the blame
        if (parameters.size() != tensors_.total())
            throw gradcomp::error(error_code::size_changed, "parameters", std::to_string(parameters.size()), "must have the " + std::to_string(tensors_.total()) + " elements of the tensor list");
        if (parameters.size() > 0) exec::detail::require_device_memory(parameters.data(), "parameters");
        return parameters.data();
    }
    static feedback_kind kind() { return !Memory::feeds_back ? feedback_kind::absent : keeps_estimate<Memory> ? feedback_kind::estimate : Memory::detached ? feedback_kind::detached : feedback_kind::attached; }
    device_gradients::own_memory own() const
    {
        return {{{state_.x, state_.total * sizeof(T), "parameters"}, {state_.point(), state_.total * sizeof(T), "gradient_point()"}, {state_.e.now(), state_.e.size() * sizeof(T), "error()"}}};
    }
    bool rejects() const { return state_.options.non_finite == exec::non_finite::reject; }

    template <class Gradient> void advance(const incoming_gradients<Gradient>& from)
    {
        if (++steps_ % state_.options.period == 0) exchange_messages(from);
        else step_locally(from);
    }
    /// A rule over this step's gradients, freed of the loss scale.
    template <class Rule, class Gradient> auto over(const Rule& plain, const incoming_gradients<Gradient>& from)
    {
        exec::unscaled_rule rule(state_.ready(plain), factor_.data());
        rule.gradient = from.packed;
        return exec::packed_rule<decltype(rule)>{rule, from.by_tensor};
    }

    template <class Gradient> void step_locally(const incoming_gradients<Gradient>& from)
    {
        state_.now = {now_.data()};
        local_->encode(state_.team, local_layout_, over(state_.template local_rule<Gradient>(), from), state_.now, exec::empty_share{}, nullptr, state_.sweep_options());
        state_.commit();
    }

    template <class Gradient> void exchange_messages(const incoming_gradients<Gradient>& from)
    {
        state_.now = {now_.data()};
        state_.template with_rule<Gradient>([&](const auto& plain) {
            const auto rules = over(plain, from);
            detail::sample_norms(state_.team, rules, tiles_, state_.options.non_finite, report_.guard());
            auto tally = coder_.encode(state_.team, rules, state_.now, reductions_[0].message(), state_.sweep_options());
            for (int round = 1; round < rounds; ++round) {
                enqueue(round - 1);
                state_.now = accepted(); // what a rejected round started from stays as it is
                if constexpr (rounds > 1)
                    coder_.encode_next(state_.team, over(plain, from), state_.now, round, reductions_.sum(state_.team, coder_, round - 1), reductions_[round].message(), state_.sweep_options(), tally);
            }
            return tally;
        });
        reset_.encode(state_, rounds > 1 ? accepted() : exec::device_step<T>{now_.data()}, exchanges_);
        enqueue(rounds - 1);
        auto& last = reductions_.last();
        for (std::size_t i = 0; i < last.received(); ++i) coder_.check(state_.team, last.message(i));
        reset_.meet(state_, {now_.data()}, rejects());
        if constexpr (Reducer::updates_at_root) update_at_root();
        undo_if_rejected();
        state_.now = accepted();
        state_.commit();
        state_.open_round();
        if constexpr (Reducer::updates_at_root) {
            for_each(state_.team, state_.total, state_.ready(copy_rule<T>{state_.x, last.parameters()}));
            state_.refresh_point();
        } else {
            state_.apply(coder_, last, state_.x);
            reset_.apply(state_);
        }
        if constexpr (rounds > 1) coder_.accept(state_.team, state_.now, reductions_.sum(state_.team, coder_, rounds - 1));
        finish_memory();
        detail::advance_kernel<<<1, 1, 0, state_.team.stream()>>>(now_.data(), state_.team.counts(), report_.guard(), state_.scales(), state_.total);
        exec::detail::check_launch("advance_kernel");
    }
    void enqueue(int round) { reductions_[round].enqueue(state_.team, {now_.data()}, rejects(), {.first = round == 0, .last = round == rounds - 1}); }
    exec::device_step<T> when(std::uint32_t verdicts) const { return {now_.data(), &state_.team.counts()->verdict, verdicts}; }
    exec::device_step<T> accepted() const { return when(exec::when_accepted); }
    exec::device_step<T> rejected() const { return when(exec::when_rejected); }

    /// The root moves a copy of x by all messages, and everybody gets it with the root's verdict.
    void update_at_root()
    {
        auto& root = reductions_.last();
        if (root.is_root()) {
            state_.now = accepted();
            for_each(state_.team, state_.total, state_.ready(copy_rule<T>{root.parameters(), state_.x}));
            state_.apply(coder_, root, root.parameters());
            state_.now = rejected();
            for (auto& kept : state_.server) keep(kept);
            for (auto& kept : state_.server) kept.commit();
        }
        root.publish(state_.team, {now_.data()});
    }
    /// The next copy of a stream becomes the present one again.
    template <class Stream> void keep(Stream& stream)
    {
        if (stream.size() > 0) for_each(state_.team, stream.size(), state_.ready(copy_rule<T>{stream.next(), stream.now()}));
    }

    /// Enqueued always; the kernels work only when the ranks' verdict says so.
    void undo_if_rejected()
    {
        state_.now = State::staged ? rejected() : when(exec::when_undelivered);
        if constexpr (State::staged) {
            keep(state_.e);
            for (auto& k : state_.more) keep(k);
            for (auto& m : state_.local) keep(m);
            keep(state_.z);
        } else {
            reset_.restore(state_, coder_, reductions_.last().message());
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

    tensor_list tensors_;
    int rank_;
    std::vector<std::size_t> all_;
    State state_;
    exec::device_buffer<step_state<T>> now_;
    Coder coder_;
    reductions<enqueued_reduction<Reducer, T, Executor>, T, Executor, rounds> reductions_;
    device_reset<Stack, T> reset_;
    exec::device_buffer<T> factor_; ///< what takes the loss scale off a gradient
    detail::device_report report_;
    device_gradients gradients_;
    layout local_layout_;
    exec::device_tiles tiles_;
    std::optional<exec::dense_engine<Executor, T>> local_;
    std::uint64_t steps_ = 0, exchanges_ = 0;
};

} // namespace gradcomp::stack
