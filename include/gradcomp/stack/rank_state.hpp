/// @file The state of one rank in a run: its streams, the rules that sweep over them, and how received messages move x.
#pragma once

#include <gradcomp/core/coder.hpp>
#include <gradcomp/core/concepts.hpp>
#include <gradcomp/core/layout.hpp>
#include <gradcomp/core/view.hpp>
#include <gradcomp/exec/engines.hpp>
#include <gradcomp/memory/postponed.hpp>
#include <gradcomp/stack/rules.hpp>
#include <gradcomp/stack/streams.hpp>

#include <array>
#include <cstddef>
#include <type_traits>
#include <utility>

namespace gradcomp::stack {

/// Streams and what a step computes on them; the exchange decides when. Nothing here fails or allocates after construction.
template <class Stack, class T> class rank_state {
    using Memory = typename Stack::memory_type;
    using Local = typename Stack::local_type;
    using Server = typename Stack::server_type;
    using Reducer = typename Stack::reducer_type;
    using Executor = typename Stack::executor_type::executor;
    using Buffer = typename Executor::template buffer<T>;
    using stream_type = stream<Buffer>;

public:
    using value_type = T;
    static constexpr bool staged = Memory::storage::is_staged;
    static constexpr bool updates_at_root = Reducer::updates_at_root;
    static constexpr bool dense_server = !Server::touches_only_support;
    /// Whether scales may be postponed: the plain recurrence, whose gradients are taken at x, reads e in its next sweep and nowhere before.
    static constexpr bool postpones = Executor::space == memory_space::host && scales_late<typename Stack::compressor_type> && Memory::feeds_back
        && !Memory::detached && !resets_error<Memory> && std::is_same_v<rule_for<Memory, T, T, typename Local::template direction<T, false>, true, false>,
            recurrence_rule<T, T, typename Local::template direction<T, false>, true, false, Memory::storage::is_staged>>;

    /// @param list must outlive it. @throws error out_of_memory.
    rank_state(const Stack& stack, const tensor_list& list, T* parameters)
        : options(stack), ranks(stack.reducer.size()), team(stack.executor.start()), has_point(Memory::detached || stack.period > 1),
          has_errors(Memory::feeds_back || stack.period > 1), x(parameters), total(list.total()), e(has_errors ? total : 0, staged),
          z(has_point ? total : 0, staged), sum(server_size()), dense(needs_dense() ? total : 0),
          scales_(postpones ? list.count() : 0), list_(&list)
    {
        for (stream_type& k : more) k = stream_type(total, staged);
        open_round();
        for (stream_type& m : local) m = stream_type(total, staged);
        for (stream_type& v : server) v = stream_type(server_size(), Reducer::updates_at_root);
        if (has_point) for_each(team, total, copy_rule<T>{z.now(), x});
    }

    Stack options; ///< as attach() had it, but for lambda
    const int ranks;
    Executor team;
    const bool has_point, has_errors; ///< whether gradients have a point of their own; whether anything is remembered between steps
    T* const x;
    const std::size_t total;
    stream_type e, z;
    std::array<stream_type, streams_beside_error<Memory>> more; ///< what the memory keeps beside e
    std::array<stream_type, Local::states> local;   ///< what the local rule keeps
    std::array<stream_type, Server::states> server; ///< what the server rule keeps; fresh until commit() where the root updates
    Buffer sum, dense; ///< the sum of messages for the server; the mean of the errors
    typename Executor::template step<T> now = {}; ///< eta and the number of the present exchange

    rate_scales<T> scales() const { return {options.memory.units == units::model}; }
    T lambda() const { return static_cast<T>(options.memory.detachment()); } ///< what `now`, or its copy on the device, must hold
    /// @throws error invalid_option, and then nothing has changed.
    void set_lambda(double lambda)
    {
        Memory chosen = options.memory;
        chosen.lambda = lambda;
        try {
            chosen.check();
        } catch (const error& refused) {
            throw refused.at({.rank = options.reducer.rank()});
        }
        options.memory = chosen;
    }
    /// A function object or rule with its scalars of the present step.
    template <class F> auto ready(const F& f) const { return bind_step(team, f, now); }
    /// What is owed; formed first where it is held as `acc + scalar`, by one pass over it.
    const T* owed()
    {
        if constexpr (postpones)
            for (std::size_t t = 0; t < scales_.size(); ++t)
                if (const T scale = std::exchange(scales_.now(t), T(0)); scale != T(0))
                    for_each(team, list_->size(t), flush_rule<T>{e.now() + list_->offset(t), scale});
        return e.now();
    }
    const T* point() const { return has_point ? z.now() : x; }
    std::size_t bytes() const
    {
        std::size_t all = e.bytes() + scales_.bytes() + z.bytes() + sum.size_bytes() + dense.size_bytes();
        for (const stream_type& k : more) all += k.bytes();
        for (const stream_type& m : local) all += m.bytes();
        for (const stream_type& v : server) all += v.bytes();
        return all;
    }

    /// Calls f with the one rule that this stack and these options need at an exchange; each is an instantiation of its own.
    template <class Gradient = T, class F> typename Executor::tally with_rule(const F& f)
    {
        const bool decay = options.local.decay() != 0;
        if constexpr (Memory::detached) {
            return decay ? f(make_rule<Gradient, true, true, true>()) : f(make_rule<Gradient, true, true, false>());
        } else {
            if constexpr (!exchanges_each_step<Memory>)
                if (has_point) return f(make_rule<Gradient, true, true, true>()); // local steps; rare enough to go without a rule of its own
            scales_.begin();
            return decay ? f(postponed(make_rule<Gradient, Memory::feeds_back, false, true>())) : f(postponed(make_rule<Gradient, Memory::feeds_back, false, false>()));
        }
    }

    /// The rule of a local step between exchanges.
    template <class Gradient = T> auto local_rule()
    {
        using Direction = typename Local::template direction<T, true>;
        drift_rule<T, Gradient, Direction, staged> rule(Direction(options.local), scales());
        rule.decay = decay_;
        set_local_streams(rule);
        rule.in[Direction::point_in] = rule.in[rule.point_in] = z.now();
        rule.out[rule.point_out] = z.next();
        rule.in[rule.error_in] = e.now();
        rule.out[rule.error_out] = e.next();
        return rule;
    }

    /// The rule's streams at one tensor, with the gradient of that tensor.
    template <class Rule> Rule at_segment(Rule rule, const segment& piece, const T* gradient)
    {
        if constexpr (requires { rule.postpone(T(0)); }) {
            rule.scale = scales_.now(piece.tensor);
            rule.next = scales_.next(piece.tensor);
        }
        for (int j = 0; j < Rule::inputs; ++j) rule.in[j] += piece.offset;
        for (int j = 0; j < Rule::outputs; ++j) rule.out[j] += piece.offset;
        rule.gradient = gradient;
        return rule;
    }

    exec::sweep_options sweep_options() const
    {
        constexpr std::size_t beyond_caches = std::size_t{8} << 20;
        return {.bad_elements = options.non_finite, .streamed = (staged || Memory::detached) && total * sizeof(T) >= beyond_caches};
    }

    /// What the sweep wrote becomes the state; in place it is already.
    void commit()
    {
        decay_ = 1;
        e.commit();
        scales_.commit();
        z.commit();
        for (stream_type& k : more) k.commit();
        for (stream_type& m : local) m.commit();
    }

    /// The next sweep is the first after an exchange: what is to be forgotten of the memory is forgotten in it.
    void open_round()
    {
        if constexpr (states_decay<Memory>) decay_ = static_cast<T>(options.memory.decay);
    }

    /// `to` (x, or the root's copy of it) moves by the messages that a reduction received. The gradient point follows x.
    template <class Coder, class Reduction> void apply(const Coder& coder, const Reduction& reduction, T* to)
    {
        if constexpr (dense_server) {
            for_each(team, total, fill_rule<T>{sum.data(), T(0)});
            decode_received(coder, team, received_by(reduction), ready(accumulate_target<T>{sum.data()}));
            auto rule = server_update();
            rule.gradient = sum.data();
            for (std::size_t j = 0; j < server.size(); ++j) {
                rule.in[j] = server[j].now();
                rule.out[j] = server[j].next();
            }
            rule.in[server.size()] = x; // `to` starts as a copy of x
            rule.out[server.size()] = to;
            sweep(team, ready(rule), total, {.bad_elements = exec::non_finite::propagate});
            if (to == x) refresh_point();
        } else {
            const auto update = [&](auto moves_point) {
                decode_received(coder, team, received_by(reduction), ready(update_target<T, moves_point()>{to, z.now(), e.now(), scales(), static_cast<T>(ranks)}));
            };
            if (has_point && to == x) update(std::true_type{});
            else update(std::false_type{});
        }
    }

    /// Whether the server rule can do an exchange at this learning rate: some divide by it.
    bool server_takes(T rate) const
    {
        if constexpr (dense_server) {
            auto rule = server_update();
            rule.at_step({.learning_rate = rate});
            return is_finite(rule.scale);
        } else {
            return true;
        }
    }

    /// An undelivered message returns to the memory, where there is one that was changed.
    template <class Coder> void restore(const Coder& coder, const std::byte* message)
    {
        if (staged || !has_errors) return;
        scales_.commit(); // in place, what the sweep left is the memory already
        owed();
        if constexpr (says_what_is_missed<Memory, T, typename Local::template direction<T, false>>()) {
            coder.decode(team, message, ready(missed_target{make_rule<T, true, false, false>()}));
        } else {
            const auto add = [&](auto moves_point) { coder.decode(team, message, ready(restore_target<T, moves_point()>{x, z.now(), e.now(), scales()})); };
            if (has_point) add(std::true_type{});
            else add(std::false_type{});
        }
    }

    void refresh_point()
    {
        if (has_point) for_each(team, total, ready(point_rule<T>{z.now(), x, e.now(), scales()}));
    }

    /// `dense` = the mean over ranks of `errors`. Collective. @throws error of the communicator.
    void mean_of(const T* errors)
    {
        if (dense.size() != total) dense = Buffer(total);
        options.reducer.communicator.all_reduce(view<const T, Executor::space>(errors, total), view<T, Executor::space>(dense.data(), total));
        for_each(team, total, scale_rule<T>{dense.data(), dense.data(), T(1) / static_cast<T>(ranks)});
    }

private:
    bool needs_dense() const { return options.memory.averaging() > 0 || (Memory::feeds_back && options.memory.evaluation() == evaluation_point::mean_corrected); }
    /// A server that moves every coordinate has state where x is updated: everywhere, or on the root alone.
    std::size_t server_size() const
    {
        if constexpr (!dense_server) return 0;
        else if constexpr (Reducer::updates_at_root) return options.reducer.rank() == options.reducer.root ? total : 0;
        else return total;
    }

    auto server_update() const
    {
        typename Server::template update<T> rule;
        rule.set(options.server);
        rule.scales = scales();
        rule.ranks = static_cast<T>(ranks);
        return rule;
    }

    template <class Rule> static auto postponed(const Rule& rule)
    {
        if constexpr (postpones) return postponed_rule<Rule>(rule);
        else return rule;
    }

    template <class Rule> void set_local_streams(Rule& rule)
    {
        for (std::size_t j = 0; j < local.size(); ++j) {
            if (static_cast<int>(j) < Rule::inputs) rule.in[j] = local[j].now(); // a direction may read fewer streams than it writes
            rule.out[j] = local[j].next();
        }
    }

    template <class Gradient, bool HasError, bool HasPoint, bool Decay> auto make_rule()
    {
        using Direction = typename Local::template direction<T, Decay>;
        rule_for<Memory, T, Gradient, Direction, HasError, HasPoint> rule(Direction(options.local), scales());
        if constexpr (requires { rule.set(options.memory); }) rule.set(options.memory);
        if constexpr (states_decay<Memory>) rule.decay = decay_;
        set_local_streams(rule);
        if constexpr (Decay) rule.in[Direction::point_in] = point();
        if constexpr (HasError) {
            rule.in[rule.error_in] = e.now();
            rule.out[rule.error_out] = e.next();
            for (std::size_t j = 0; j < more.size(); ++j) {
                rule.in[rule.error_in + 1 + static_cast<int>(j)] = more[j].now();
                rule.out[rule.error_out + 1 + static_cast<int>(j)] = more[j].next();
            }
        }
        if constexpr (HasPoint) {
            rule.in[rule.parameters_in] = x;
            rule.out[rule.point_out] = z.next();
        }
        return rule;
    }

    T decay_ = 1; ///< of the next sweep
    postponed_scales<T> scales_; ///< beside e, where it may be held as `acc + scalar`
    const tensor_list* list_;
};

} // namespace gradcomp::stack
