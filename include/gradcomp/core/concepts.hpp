/// @file What policies must offer, as conjunctions of small named facts, so that siblings need not know each other.
#pragma once

#include <gradcomp/core/rule.hpp>
#include <gradcomp/core/tensors.hpp>

#include <concepts>
#include <cstdint>

namespace gradcomp {

/// E C(x) = x.
template <class C> concept states_unbiasedness = requires { { C::unbiased } -> std::convertible_to<bool>; };
/// E||C(x) - x||^2 <= (1 - 1/delta)||x||^2 with a finite delta: what error feedback needs.
template <class C> concept states_contraction = requires { { C::contractive } -> std::convertible_to<bool>; };
/// All ranks send the same coordinates, so that messages carry no indices.
template <class C> concept states_shared_support = requires { { C::shared_support } -> std::convertible_to<bool>; };
/// The sum of messages is the message of the sum, so that a ring may add them in flight.
template <class C> concept states_additivity = requires { { C::additive } -> std::convertible_to<bool>; };
/// Sweeps over the input, and rounds of messages, that one exchange takes.
template <class C> concept states_passes = requires {
    { C::passes } -> std::convertible_to<int>;
    { C::rounds } -> std::convertible_to<int>;
};
/// The scale of what it sends is known only after its sweep, which leaves p behind; what remains is p - s sign(p).
template <class C> constexpr bool scales_late = requires { requires C::scales_late; };
/// Behind the elements that it sends, a message may hold zeros that stand for none.
template <class C> constexpr bool pads_message = requires { requires C::pads_message; };
/// Together, messages say the mean over those that say anything of it: what x gets is not what left the memories.
template <class C> constexpr bool averages_contributors = requires { requires C::averages_contributors; };
/// Options are checked before anything is allocated.
template <class C> concept checks_options = requires(const C c) { c.check(); };

/// A compressor: its options, its facts, and start(), which takes the memory of a run and gives the object that encodes and decodes.
template <class C>
concept compressor = states_unbiasedness<C> && states_contraction<C> && states_shared_support<C> && states_additivity<C> && states_passes<C> && checks_options<C>;

/// What stays behind returns into the next p.
template <class M> concept states_feedback = requires { { M::feeds_back } -> std::convertible_to<bool>; };
/// Whether a compressor that is biased, and not repaired by feedback, is meant.
template <class M> concept states_bias_acceptance = requires { { M::accepts_bias } -> std::convertible_to<bool>; };
/// Which form of section "nothing is lost" holds: staged, or in place.
template <class M> concept states_storage = requires { typename M::storage; };
/// Where gradients are taken (x - detachment * e) and where the model is evaluated.
template <class M> concept states_points = requires(const M m) {
    { M::detached } -> std::convertible_to<bool>;
    { m.detachment() } -> std::convertible_to<double>;
    m.evaluation();
};
/// How far it is detached is a number of its own, which may be chosen anew between steps.
template <class M> concept states_lambda = requires(M m) { { m.lambda } -> std::same_as<double&>; };
/// It forgets a part of what is owed: `decay` is what is kept from one exchange to the next.
template <class M> concept states_decay = requires(const M m) { { m.decay } -> std::convertible_to<double>; };
/// An error memory: its options and facts.
template <class M> concept error_memory = states_feedback<M> && states_bias_acceptance<M> && states_storage<M> && states_points<M> && checks_options<M>;

/// How many streams of the model's size a rule keeps from step to step.
template <class R> concept counts_states = requires { { R::states } -> std::convertible_to<int>; };

/// What the memory keeps is an estimate that messages add to, and a server that adds them up belongs to it.
template <class M> constexpr bool keeps_estimate = requires { M::estimates; };
template <class S> constexpr bool adds_up_messages = requires { S::adds_up; };
/// error() is an average of past p - c, not p - c itself.
template <class M> constexpr bool averages_errors = requires { M::averages; };
/// How many streams of the model's size a memory keeps beside the one that error() shows; its rule has them right behind that one.
template <class M> constexpr std::size_t streams_beside_error = [] {
    if constexpr (requires { M::more_streams; }) return std::size_t{M::more_streams};
    else return std::size_t{0};
}();
/// What the memory keeps belongs to one step's direction, as M::each_step says: it takes no local steps between exchanges.
template <class M> constexpr bool exchanges_each_step = requires { M::each_step; };
/// The server rule looks at nothing but the signs of the sum of messages.
template <class S> constexpr bool takes_signs = requires { requires S::takes_signs; };
/// The memory has a compressor of its own, which takes from the error every few exchanges.
template <class M> constexpr bool resets_error = requires { typename M::reset_compressor; };

/// A local rule: the direction D / eta from the gradient, momentum and weight decay, before compression.
template <class L> concept local_rule = checks_options<L> && counts_states<L> && requires(const L l) {
    typename L::template direction<float, false>;
    { l.decay() } -> std::convertible_to<double>;
};

/// A server rule: what becomes of x when the mean of the messages is known.
template <class S> concept server_rule = checks_options<S> && counts_states<S> && requires {
    { S::touches_only_support } -> std::convertible_to<bool>;
};

} // namespace gradcomp
