/// @file One run of a policy stack: the state of a rank, and the round that moves it.
#pragma once

#include <gradcomp/comm/communicator.hpp>
#include <gradcomp/exec/cpu/scatter.hpp>
#include <gradcomp/memory/recurrence.hpp>
#include <gradcomp/observe/divergence.hpp>
#include <gradcomp/stack/arguments.hpp>
#include <gradcomp/stack/legality.hpp>
#include <gradcomp/stack/streams.hpp>

#include <cmath>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace gradcomp::stack {

/// What policy_stack::attach() gives: holds all memory of the run; a step allocates nothing.
///
/// Not thread-safe: one exchange belongs to one rank. T is float or double. The parameters stay the caller's; they must outlive it.
template <class Stack, class T> class exchange {
    using Memory = typename Stack::memory_type;
    using Local = typename Stack::local_type;
    using Server = typename Stack::server_type;
    using Reducer = typename Stack::reducer_type;
    using Executor = typename Stack::executor_type::executor;
    using Coder = decltype(std::declval<const typename Stack::compressor_type&>().template start<T>(std::declval<const Executor&>(), std::declval<const coder_start&>()));
    using Reduction = typename Reducer::template state<T, Executor>;
    using Buffer = typename Executor::template buffer<T>;
    using stream_type = stream<Buffer>;

    static constexpr bool staged = Memory::storage::is_staged;
    static constexpr bool dense_server = !Server::touches_only_support;

public:
    /// @throws error invalid_option, invalid_argument, overlap, not_contractive, out_of_memory.
    exchange(const Stack& stack, const tensor_list& tensors, std::span<T> parameters)
        : options_(stack), tensors_(tensors), rank_(stack.reducer.rank()), ranks_(stack.reducer.size()), x_(parameters.data()), team_(stack.executor.start()),
          all_(all_of(tensors)), arguments_(tensors_, parameters), point_(Memory::detached || stack.period > 1), errors_(Memory::feeds_back || stack.period > 1),
          e_(errors_ ? tensors.total() : 0, staged), m_(Local::keeps_state ? tensors.total() : 0, staged), z_(point_ ? tensors.total() : 0, staged),
          velocity_(dense_server ? tensors.total() : 0, Reducer::updates_at_root), sum_(dense_server ? tensors.total() : 0), dense_(needs_dense() ? tensors.total() : 0),
          coder_(stack.compressor.template start<T>(team_, {&tensors_, &all_, stack.seed, static_cast<std::uint32_t>(rank_)})),
          reduction_(stack.reducer, coder_.elements(), coder_.bytes(), tensors.total()), guard_(kind())
    {
        if (point_) for_each(team_, tensors_.total(), copy_rule<T>{z_.now(), x_});
    }

    exchange(const exchange&) = delete; // its parts point into it
    exchange& operator=(const exchange&) = delete;

    /// Where the next gradient is to be taken. It is x itself, at no cost, where the memory is not detached and the period is 1.
    std::span<const T> gradient_point() const { return {point_ ? z_.now() : x_, tensors_.total()}; }
    /// The model x, as the reduction left it.
    std::span<const T> parameters() const { return {x_, tensors_.total()}; }

    /// One step of this rank: local rule, and every `period` steps the exchange. Collective at an exchange.
    ///
    /// @param gradient the gradient at gradient_point(), all tensors packed in list order; @param learning_rate eta, finite, not negative.
    /// @throws error size_changed, invalid_argument, overlap before anything changes; non_finite on every rank alike; the communicator's
    /// errors. With staged memory a failed step changes nothing; in place, what was not delivered is in the memory again.
    void step(std::span<const T> gradient, double learning_rate)
    {
        guarded([&] {
            arguments_.take(gradient, gradient_point());
            advance(learning_rate);
        });
    }
    /// The same with one span per tensor, for gradients that do not lie packed.
    void step(std::span<const std::span<const T>> gradients, double learning_rate)
    {
        guarded([&] {
            arguments_.take(gradients, gradient_point());
            advance(learning_rate);
        });
    }

    /// Writes the memory's evaluation point. Collective where it needs the other ranks' errors (mean_corrected: one dense all-reduce).
    void evaluate_at(std::span<T> destination) { evaluate_at(destination, options_.memory.evaluation()); }
    /// Writes another evaluation point than the memory's own. The first mean_corrected one allocates where the memory needs none.
    void evaluate_at(std::span<T> destination, evaluation_point where)
    {
        guarded([&] {
            arguments_.require_size("destination", destination.size());
            arguments_.require_pointer("destination", destination.data(), destination.size());
            const std::size_t n = tensors_.total();
            if (where == evaluation_point::parameters || !Memory::feeds_back) return for_each(team_, n, copy_rule<T>{destination.data(), x_});
            if (where == evaluation_point::local) return for_each(team_, n, point_rule<T>{destination.data(), x_, e_.now(), owed_scale()});
            mean_of_errors();
            for_each(team_, n, point_rule<T>{destination.data(), x_, dense_.data(), owed_scale()});
        });
    }

    std::uint64_t steps() const { return steps_; }                              ///< calls of step() that took effect
    std::uint64_t exchanges() const { return exchanges_; }                      ///< exchanges that took effect
    std::size_t message_bytes() const { return coder_.bytes(); }                ///< payload of one rank's message, exact
    std::size_t header_bytes() const { return Reduction::header_bytes(); }      ///< what travels beside the payload
    std::size_t wire_bytes() const { return message_bytes() + header_bytes(); } ///< one rank's message as the reducer sends it
    std::uint64_t bad_elements() const { return bad_elements_; }                ///< elements that zero_and_count or reject met so far
    std::size_t fallbacks() const { return coder_.fallbacks(); }                ///< steps whose sampled threshold missed: slower, same result
    std::size_t state_bytes() const { return e_.bytes() + m_.bytes() + z_.bytes() + velocity_.bytes() + sum_.size_bytes() + dense_.size_bytes(); }
    health_report health() const { return guard_.report(); }                    ///< the divergence guard's view
    std::span<const T> error() const { return {e_.now(), e_.size()}; }          ///< what is owed; empty without memory
    const tensor_list& tensors() const { return tensors_; }

private:
    static std::vector<std::size_t> all_of(const tensor_list& list)
    {
        std::vector<std::size_t> all(list.count());
        for (std::size_t t = 0; t < all.size(); ++t) all[t] = t;
        return all;
    }
    static feedback_kind kind() { return !Memory::feeds_back ? feedback_kind::absent : Memory::detached ? feedback_kind::detached : feedback_kind::attached; }
    bool needs_dense() const { return options_.memory.averaging() > 0 || (Memory::feeds_back && options_.memory.evaluation() == evaluation_point::mean_corrected); }

    bool in_model_units() const { return options_.memory.units == units::model; }
    T direction_scale() const { return in_model_units() ? rate_ : T(1); }             ///< s of the recurrence
    T owed_scale() const { return in_model_units() ? T(1) : rate_; }                  ///< what turns e into model units
    T pull() const { return static_cast<T>(options_.memory.detachment()) * owed_scale(); }

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
        arguments_.require_rate(learning_rate);
        rate_ = static_cast<T>(learning_rate);
        if ((steps_ + 1) % options_.period != 0) drift();
        else exchange_messages();
        ++steps_;
    }

    /// The rule's streams at one tensor.
    template <class Rule> Rule at_segment(Rule rule, const segment& piece) const
    {
        rule.advance(piece.offset);
        rule.gradient = arguments_.gradient(piece.tensor);
        return rule;
    }
    template <class Rule> void set_local_streams(Rule& rule, [[maybe_unused]] bool decay)
    {
        if constexpr (Local::keeps_state) {
            rule.in[0] = m_.now();
            rule.out[0] = m_.next();
            rule.fresh[0] = staged;
        }
    }

    template <bool HasError, bool HasPoint, bool Decay> auto make_rule()
    {
        using Direction = typename Local::template direction<T, Decay>;
        recurrence_rule<T, T, Direction, HasError, HasPoint> rule{Direction(options_.local)};
        set_local_streams(rule, Decay);
        if constexpr (Decay) rule.in[Direction::point_in] = point_ ? z_.now() : x_;
        if constexpr (HasError) {
            rule.in[rule.error_in] = e_.now();
            rule.out[rule.error_out] = e_.next();
            rule.fresh[rule.error_out] = staged;
        }
        if constexpr (HasPoint) {
            rule.in[rule.parameters_in] = x_;
            rule.out[rule.point_out] = z_.next();
            rule.fresh[rule.point_out] = staged || !Decay;
        }
        rule.scale = direction_scale();
        rule.pull = pull();
        return rule;
    }

    /// Calls f with the one rule that this stack and these options need; each is an instantiation of its own.
    template <class F> exec::sweep_tally with_rule(const F& f)
    {
        const bool decay = options_.local.decay() != 0;
        if constexpr (Memory::detached) return decay ? f(make_rule<true, true, true>()) : f(make_rule<true, true, false>());
        if (point_) return f(make_rule<true, true, true>());
        return decay ? f(make_rule<Memory::feeds_back, false, true>()) : f(make_rule<Memory::feeds_back, false, false>());
    }

    exec::sweep_options sweep_options() const
    {
        constexpr std::size_t beyond_caches = std::size_t{8} << 20;
        return {.bad_elements = options_.non_finite, .streamed = (staged || Memory::detached) && tensors_.total() * sizeof(T) >= beyond_caches};
    }

    void drift()
    {
        using Direction = typename Local::template direction<T, true>;
        drift_rule<T, T, Direction> rule{Direction(options_.local)};
        set_local_streams(rule, true);
        rule.in[Direction::point_in] = rule.in[rule.point_in] = z_.now();
        rule.out[rule.point_out] = z_.next();
        rule.in[rule.error_in] = e_.now();
        rule.out[rule.error_out] = e_.next();
        rule.scale = direction_scale();
        rule.learning_rate = rate_;
        exec::sweep_tally tally;
        for (std::size_t t = 0; t < tensors_.count(); ++t)
            tally += sweep(team_, at_segment(rule, {.offset = tensors_.offset(t), .tensor = t}), tensors_.size(t), exec::send_none{}, sweep_options());
        note(tally);
        if (staged && vote_) return; // the step never happened; the next exchange tells the others
        commit_streams();
    }

    void note(const exec::sweep_tally& tally)
    {
        bad_elements_ += tally.bad;
        if (options_.non_finite == exec::non_finite::reject && tally.bad > 0) {
            if (!vote_) bad_place_ = arguments_.find_bad();
            vote_ = true;
        }
    }
    void commit_streams()
    {
        e_.commit();
        m_.commit();
        z_.commit();
    }

    void exchange_messages()
    {
        const step_state<T> state{.learning_rate = rate_, .step = static_cast<std::uint32_t>(exchanges_)};
        const exec::sweep_tally tally = with_rule([&](const auto& rule) {
            return coder_.encode(team_, [&](const segment& piece) { return at_segment(rule, piece); }, state, reduction_.message(), sweep_options());
        });
        note(tally);
        bool rejected = false;
        try {
            rejected = reduction_.exchange(vote_, state.step);
            for (std::size_t i = 0; i < reduction_.received() && !rejected; ++i) coder_.check(reduction_.message(i));
            if constexpr (Reducer::updates_at_root) rejected = publish_from_root(rejected, state.step);
        } catch (...) {
            take_back();
            throw;
        }
        const bool mine = std::exchange(vote_, false);
        if (rejected) {
            take_back();
            throw_rejection(mine);
        }
        commit();
        observe(tally);
    }

    /// The message was not delivered: staged state was never touched; in place it returns to the memory.
    void take_back()
    {
        if constexpr (staged) return;
        if (!errors_) return;
        const auto restore = [&](auto has_point) { coder_.decode(team_, reduction_.message(), restore_target<T, has_point()>{x_, z_.now(), e_.now(), pull()}); };
        if (point_) restore(std::true_type{});
        else restore(std::false_type{});
    }
    [[noreturn]] void throw_rejection(bool mine) const
    {
        if (mine)
            throw gradcomp::error(error_code::non_finite, bad_place_.field, bad_place_.value, "NaN or Inf; every rank skips this step", {.tensor = bad_place_.tensor});
        throw gradcomp::error(error_code::non_finite, "gradient", "another rank's", "NaN or Inf; every rank skips this step");
    }

    T mean_scale() const { return (in_model_units() ? T(1) : rate_) / static_cast<T>(ranks_); }

    void commit()
    {
        commit_streams();
        if constexpr (Reducer::updates_at_root) {
            velocity_.commit();
            for_each(team_, tensors_.total(), copy_rule<T>{x_, reduction_.parameters()});
            refresh_point();
        } else {
            apply_messages(x_);
        }
        ++exchanges_;
        if constexpr (!Memory::feeds_back)
            if (errors_) {
                for_each(team_, tensors_.total(), fill_rule<T>{e_.now(), T(0)});
                refresh_point();
            }
        if constexpr (Memory::feeds_back)
            if (options_.memory.averaging() > 0 && exchanges_ % options_.memory.averaging() == 0) {
                mean_of_errors();
                for_each(team_, tensors_.total(), copy_rule<T>{e_.now(), dense_.data()});
                refresh_point();
            }
    }

    /// x moves by what was received; `to` is x, or the root's copy of it.
    void apply_messages(T* to)
    {
        if constexpr (dense_server) {
            for_each(team_, tensors_.total(), fill_rule<T>{sum_.data(), T(0)});
            for (std::size_t i = 0; i < reduction_.received(); ++i) coder_.decode(team_, reduction_.message(i), accumulate_target<T>{sum_.data()});
            typename Server::template update<T> rule;
            rule.set(options_.server);
            rule.gradient = sum_.data();
            rule.in[0] = velocity_.now();
            rule.out[0] = velocity_.next();
            rule.in[1] = rule.out[1] = to;
            rule.scale = in_model_units() ? T(1) / (rate_ * static_cast<T>(ranks_)) : T(1) / static_cast<T>(ranks_);
            rule.learning_rate = rate_;
            sweep(team_, rule, tensors_.total(), exec::send_none{}, {.bad_elements = exec::non_finite::propagate});
            if (to == x_) refresh_point();
        } else {
            const auto update = [&](auto has_point) {
                for (std::size_t i = 0; i < reduction_.received(); ++i)
                    coder_.decode(team_, reduction_.message(i), update_target<T, has_point()>{to, z_.now(), e_.now(), mean_scale(), pull()});
            };
            if (point_ && to == x_) update(std::true_type{});
            else update(std::false_type{});
        }
    }

    bool publish_from_root(bool rejected, std::uint32_t step)
    {
        if (reduction_.is_root() && !rejected) {
            for_each(team_, tensors_.total(), copy_rule<T>{reduction_.parameters(), x_});
            apply_messages(reduction_.parameters());
        }
        return reduction_.publish(rejected, step);
    }

    void refresh_point()
    {
        if (point_) for_each(team_, tensors_.total(), point_rule<T>{z_.now(), x_, e_.now(), pull()});
    }

    void mean_of_errors()
    {
        if (dense_.size() != tensors_.total()) dense_ = Buffer(tensors_.total());
        options_.reducer.communicator.all_reduce(view<const T, Executor::space>(e_.now(), e_.size()), view<T, Executor::space>(dense_.data(), dense_.size()));
        for_each(team_, tensors_.total(), scale_rule<T>{dense_.data(), dense_.data(), T(1) / static_cast<T>(ranks_)});
    }

    void observe(const exec::sweep_tally& tally)
    {
        if (tally.sampled == 0) return;
        const double all = static_cast<double>(tensors_.total()) / static_cast<double>(tally.sampled);
        guard_.observe(tally.error_square * all, tally.update_square * all, static_cast<double>(direction_scale()), exchanges_);
    }

    Stack options_;
    tensor_list tensors_;
    int rank_, ranks_;
    T* x_;
    Executor team_;
    std::vector<std::size_t> all_;
    arguments<T> arguments_;
    bool point_, errors_;
    stream_type e_, m_, z_, velocity_;
    Buffer sum_, dense_;
    Coder coder_;
    Reduction reduction_;
    divergence_guard guard_;
    T rate_ = 0;
    std::uint64_t steps_ = 0, exchanges_ = 0, bad_elements_ = 0;
    bool vote_ = false;
    bad_place bad_place_;
};

} // namespace gradcomp::stack
