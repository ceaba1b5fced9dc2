/// @file One run of a policy stack: what a rank calls, and the round in which all ranks meet.
#pragma once

#include <gradcomp/comm/communicator.hpp>
#include <gradcomp/core/coder.hpp>
#include <gradcomp/observe/divergence.hpp>
#include <gradcomp/stack/arguments.hpp>
#include <gradcomp/stack/delivery.hpp>
#include <gradcomp/stack/error_reset.hpp>
#include <gradcomp/stack/legality.hpp>
#include <gradcomp/stack/rank_state.hpp>
#include <gradcomp/stack/rounds.hpp>

#include <span>
#include <utility>
#include <vector>

namespace gradcomp::stack {

/// What policy_stack::attach() gives: holds all memory of the run; a step allocates nothing.
///
/// Not thread-safe: one exchange belongs to one rank. T is float or double. The parameters stay the caller's; they must outlive it.
template <class Stack, class T> class exchange {
    using Memory = typename Stack::memory_type;
    using Reducer = typename Stack::reducer_type;
    using Executor = typename Stack::executor_type::executor;
    using Coder = decltype(std::declval<const typename Stack::compressor_type&>().template start<T>(std::declval<const Executor&>(), std::declval<const coder_start&>()));
    static constexpr int rounds = Stack::compressor_type::rounds;
    using State = rank_state<Stack, T>;

public:
    using memory_type = Memory;

    /// @throws error invalid_option, invalid_argument, size_changed, out_of_memory.
    exchange(const Stack& stack, const tensor_list& tensors, std::span<T> parameters)
        : tensors_(tensors), rank_(stack.reducer.rank()), all_(tensors.numbers()), arguments_(tensors_, parameters), state_(stack, tensors_, parameters.data()),
          coder_(stack.compressor.template start<T>(state_.team, {&tensors_, &all_, stack.seed, static_cast<std::uint32_t>(rank_)})),
          reductions_(stack.reducer, stack.compressor, coder_, tensors_), reset_(stack, tensors_, all_, state_), guard_(kind())
    {
        state_.now.lambda = state_.lambda();
    }

    exchange(const exchange&) = delete; // its parts point into it
    exchange& operator=(const exchange&) = delete;

    /// Where the next gradient is to be taken; valid until the next step. It is x itself, at no cost, where the memory is not detached and
    /// the period is 1.
    std::span<const T> gradient_point() const { return {state_.point(), state_.total}; }
    /// The model x, as the reduction left it.
    std::span<const T> parameters() const { return {state_.x, state_.total}; }

    /// One step of this rank: local rule, and every `period` steps the exchange. Collective at an exchange.
    ///
    /// @param gradient the gradient at gradient_point(), all tensors packed in list order; @param learning_rate eta, finite, not negative.
    /// @throws error invalid_option, size_changed, invalid_argument, overlap before anything changes; at an exchange non_finite on every rank
    /// alike, bad_message, and the communicator's errors. With staged memory a failed step changes nothing, so it can be repeated with the same
    /// gradient. In place, what was not delivered is in the memory again and the local momentum has moved: go on with the next gradient.
    void step(std::span<const T> gradient, double learning_rate)
    {
        guarded([&] {
            arguments_.take(gradient, gradient_point(), held());
            advance(learning_rate);
        });
    }
    /// The same with one span per tensor, for gradients that do not lie packed.
    void step(std::span<const std::span<const T>> gradients, double learning_rate)
    {
        guarded([&] {
            arguments_.take(gradients, gradient_point(), held());
            advance(learning_rate);
        });
    }

    /// Another lambda for a memory that has one (gc::def, gc::def_a), such as theory::best_detachment() of what error_moments_of() measured: the next
    /// gradient is to be taken at x - lambda e, so gradient_point() moves at once, by one pass over the memory. Between the exchanges of a period
    /// above 1 the local model walks on from where it is, and lambda counts from the next exchange. Nothing is sent: choose the same on all ranks.
    /// @throws error invalid_option unless lambda is from 0 to 1; then nothing has changed.
    void set_lambda(double lambda)
    {
        require_lambda<Memory>();
        guarded([&] {
            state_.set_lambda(lambda);
            state_.now.lambda = state_.lambda();
            if (steps_ % state_.options.period == 0) state_.refresh_point();
        });
    }
    double lambda() const { return state_.options.memory.detachment(); } ///< of the gradient point, x - lambda e

    /// Writes the memory's evaluation point. Collective where it needs the other ranks' errors (mean_corrected: one dense all-reduce).
    ///
    /// The destination may be the parameters themselves, which ends the training: x is then no longer what the memory belongs to.
    /// @throws error size_changed, invalid_argument, overlap for a destination that overlaps the parameters in part or the run's own memory.
    void evaluate_at(std::span<T> destination) { evaluate_at(destination, state_.options.memory.evaluation()); }
    /// Writes another evaluation point than the memory's own. The first mean_corrected one allocates where the memory needs none.
    void evaluate_at(std::span<T> destination, evaluation_point where)
    {
        guarded([&] {
            arguments_.check_destination(destination, gradient_point(), held());
            const T* const x = state_.x;
            const std::size_t n = state_.total;
            if (where == evaluation_point::parameters || !Memory::feeds_back || keeps_estimate<Memory>) return for_each(state_.team, n, copy_rule<T>{destination.data(), x});
            const T* errors = state_.owed();
            if (where == evaluation_point::mean_corrected) {
                state_.mean_of(errors);
                errors = state_.dense.data();
            }
            for_each(state_.team, n, state_.ready(point_rule<T>{destination.data(), x, errors, state_.scales(), true}));
        });
    }

    /// target(element, value) for what this rank's message of the last exchange held; with error() it makes up p. For observers.
    template <class Target> void decode_own(const Target& target) { if (exchanges_ > 0) coder_.decode(state_.team, reductions_.last().message(), target); }
    const Coder& coder() const { return coder_; } ///< for what only this compressor counts, such as threshold's unsent()
    std::uint64_t steps() const { return steps_; }                              ///< calls of step() that took effect
    std::uint64_t exchanges() const { return exchanges_; }                      ///< exchanges that took effect
    std::size_t message_bytes() const { return coder_.bytes(); }                ///< payload of one rank's message, of all rounds, exact
    std::size_t header_bytes() const { return reductions_.header_bytes(); }     ///< what travels beside the payload
    std::size_t wire_bytes() const { return message_bytes() + header_bytes(); } ///< one rank's message as the reducer sends it
    std::size_t reset_bytes() const { return reset_.bytes(); }                  ///< the same of a reset's message (gc::cser), every few exchanges; else 0
    const auto& reduction() const { return reductions_.last(); }                ///< the reducer's state (of the last round), for what it counts
    std::uint64_t bad_elements() const { return bad_elements_; }                ///< elements that zero_and_count or reject met so far
    std::size_t fallbacks() const { return coder_.fallbacks(); }                ///< steps whose sampled threshold missed: slower, same result
    std::size_t state_bytes() const { return state_.bytes(); }                  ///< memory of the run beside messages and workspaces
    health_report health() const { return guard_.report(); }                    ///< the divergence guard's view
    /// What is owed (ef21, econtrol: the estimate; loco: the average); empty without memory. Valid until the next step. One pass over it where flush() has something to do.
    std::span<const T> error() { return {state_.owed(), state_.e.size()}; }
    /// Forms what is owed where it is held as `acc + scalar` between steps (sign with ef): the same bits, a pass over the memory. For those who
    /// keep a view of error(); error() and evaluate_at() call it themselves, and steps never need it.
    void flush() { state_.owed(); }
    const tensor_list& tensors() const { return tensors_; }
    /// Stream j of what the local and the server rule keep (empty where x is not updated); may be written between steps. @pre j below `states`
    std::span<T> local_state(std::size_t j) { return {state_.local[j].now(), state_.total}; }
    /// The same of what the memory keeps beside error(): econtrol's e. @pre j below streams_beside_error<memory_type>
    std::span<T> memory_state(std::size_t j) { return {state_.more[j].now(), state_.total}; }
    std::span<T> server_state(std::size_t j) { return {state_.server[j].now(), state_.sum.size()}; }

private:
    static feedback_kind kind() { return !Memory::feeds_back ? feedback_kind::absent : keeps_estimate<Memory> ? feedback_kind::estimate : Memory::detached ? feedback_kind::detached : feedback_kind::attached; }

    std::span<const T> held() const { return {state_.e.now(), state_.e.size()}; } ///< the room of what is owed, not formed

    template <class Body> void guarded(const Body& body)
    {
        try {
            body();
        } catch (const gradcomp::error& e) {
            throw e.at({.rank = rank_, .step = static_cast<std::int64_t>(steps_)});
        }
    }

    void advance(double learning_rate)
    {
        const T rate = arguments_.checked_rate(learning_rate);
        const bool exchanges = (steps_ + 1) % state_.options.period == 0;
        const T before = std::exchange(state_.now.learning_rate, rate);
        if (exchanges && !state_.server_takes(rate)) {
            state_.now.learning_rate = before;
            throw gradcomp::error(error_code::invalid_option, "learning_rate", text_of(learning_rate),
                "is too small to divide by, as this server rule does; for steps of rate 0 keep the memory in gradient units (.units = gc::units::gradient), or gc::server_momentum's velocity in model units (.units = gc::units::model)");
        }
        try {
            if (exchanges) exchange_messages();
            else step_locally();
        } catch (...) {
            if (State::staged) state_.now.learning_rate = before; // in gradient units it is part of what e means
            throw;
        }
        ++steps_;
    }

    void step_locally()
    {
        exec::sweep_tally tally;
        for (std::size_t t = 0; t < tensors_.count(); ++t)
            tally += sweep(state_.team, state_.at_segment(state_.ready(state_.local_rule()), {.offset = tensors_.offset(t)}, arguments_.gradient(t)), tensors_.size(t), state_.sweep_options());
        const bool bad = note(tally);
        if (State::staged && bad) return; // this local step never happened; the next exchange tells the others
        state_.commit();
    }

    /// Counts bad elements. @return whether they make the step one to reject; then the next exchange votes so.
    bool note(const exec::sweep_tally& tally)
    {
        bad_elements_ += tally.bad;
        if (state_.options.non_finite != exec::non_finite::reject || tally.bad == 0) return false;
        if (!vote_) bad_place_ = arguments_.find_bad();
        vote_ = true;
        return true;
    }

    void exchange_messages()
    {
        state_.now.step = static_cast<std::uint32_t>(exchanges_);
        const bool voted = vote_;
        const std::uint64_t counted = bad_elements_;
        exec::sweep_tally tally;
        bool rejected = false, sent = rounds == 1; // whether something left the memory
        try {
            state_.with_rule([&](const auto& rule) {
                const auto rules = [&, bound = state_.ready(rule)](const segment& piece) { return state_.at_segment(bound, piece, arguments_.gradient(piece.tensor)); };
                tally = coder_.encode(state_.team, rules, state_.now, reductions_[0].message(), state_.sweep_options());
                note(tally);
                if constexpr (rounds > 1) rejected = meet_before_last(rules, tally, sent);
                return tally;
            });
            if (!rejected) {
                reset_.encode(state_, exchanges_);
                rejected = deliver(state_, coder_, reductions_.last(), vote_, state_.now.step);
            }
            if (!rejected) reset_.deliver(state_.now.step);
            // Before anything is committed, for it may fail; and in the first exchange already, for a communicator may take memory at first.
            if (!rejected && (averaging_is_due() || (Memory::feeds_back && exchanges_ == 0 && state_.options.memory.averaging() > 0))) state_.mean_of(state_.e.next());
        } catch (...) {
            if (State::staged) {
                vote_ = voted;
                bad_elements_ = counted;
            }
            if (sent) reset_.restore(state_, coder_, reductions_.last().message());
            throw;
        }
        const bool mine = std::exchange(vote_, false);
        if (rejected) {
            if (sent) reset_.restore(state_, coder_, reductions_.last().message());
            throw_rejection(mine);
        }
        commit();
        observe(tally);
    }

    /// The rounds before the last: each gives all ranks a sum on which the next message depends. @return whether any rank voted that the step is bad.
    template <class Rules> bool meet_before_last(const Rules& rules, exec::sweep_tally& tally, bool& sent)
    {
        for (int round = 1; round < rounds; ++round) {
            if (reductions_[round - 1].exchange(vote_, state_.now.step)) return true;
            sent = round + 1 == rounds;
            coder_.encode_next(state_.team, rules, state_.now, round, reductions_.sum(state_.team, coder_, round - 1), reductions_[round].message(), state_.sweep_options(), tally);
        }
        return false;
    }

    [[noreturn]] void throw_rejection(bool mine) const
    {
        if (mine) throw gradcomp::error(error_code::non_finite, bad_place_.field, bad_place_.value, "NaN or Inf; every rank skips this step", {.tensor = bad_place_.tensor});
        throw gradcomp::error(error_code::non_finite, "gradient", "another rank's", "NaN or Inf; every rank skips this step");
    }

    bool averaging_is_due() const
    {
        const std::uint32_t every = state_.options.memory.averaging();
        return Memory::feeds_back && every > 0 && (exchanges_ + 1) % every == 0;
    }

    /// From here on nothing fails.
    void commit()
    {
        state_.commit();
        state_.open_round();
        if constexpr (Reducer::updates_at_root) {
            for (auto& kept : state_.server) kept.commit();
            for_each(state_.team, state_.total, copy_rule<T>{state_.x, reductions_.last().parameters()});
            state_.refresh_point();
        } else {
            state_.apply(coder_, reductions_.last(), state_.x);
            reset_.apply(state_);
        }
        if constexpr (rounds > 1) coder_.accept(state_.team, state_.now, reductions_.sum(state_.team, coder_, rounds - 1));
        if (averaging_is_due()) {
            for_each(state_.team, state_.total, copy_rule<T>{state_.e.now(), state_.dense.data()});
            state_.refresh_point();
        }
        if (!Memory::feeds_back && state_.has_errors) { // it gathered local steps; what was not sent is forgotten
            for_each(state_.team, state_.total, fill_rule<T>{state_.e.now(), T(0)});
            state_.refresh_point();
        }
        ++exchanges_;
    }

    void observe(const exec::sweep_tally& tally)
    {
        guard_.watch().template observe_sample<T>(
            tally.error_square, tally.update_square, tally.sampled, state_.total, static_cast<double>(state_.scales().direction(state_.now.learning_rate)), steps_);
    }

    tensor_list tensors_;
    int rank_;
    std::vector<std::size_t> all_;
    arguments<T> arguments_;
    State state_;
    Coder coder_;
    reductions<typename Reducer::template state<T, Executor>, T, Executor, rounds> reductions_;
    error_reset<Stack, T> reset_;
    divergence_guard guard_;
    std::uint64_t steps_ = 0, exchanges_ = 0, bad_elements_ = 0;
    bool vote_ = false; ///< this rank met NaN or Inf since the last exchange
    bad_place bad_place_;
};

} // namespace gradcomp::stack
