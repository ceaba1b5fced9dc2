/// @file What may be put together: the numbers of a stack's compressor over a list of tensors, and the checks that need them.
#pragma once

#include <gradcomp/comm/communicator.hpp>
#include <gradcomp/compress/nothing.hpp>
#include <gradcomp/core/concepts.hpp>
#include <gradcomp/core/layout.hpp>
#include <gradcomp/theory/describe.hpp>
#include <gradcomp/theory/operators.hpp>

#include <concepts>
#include <type_traits>

namespace gradcomp::stack {

/// Whether messages are summed in flight, and whether a root alone updates x.
template <class R> concept states_reduction = requires {
    { R::needs_additive } -> std::convertible_to<bool>;
    { R::updates_at_root } -> std::convertible_to<bool>;
};
/// It holds the communicator that it works through.
template <class R> concept holds_communicator = requires(const R r) { r.communicator; };
/// A reducer: how messages meet.
template <class R> concept reducer = states_reduction<R> && holds_communicator<R>;
/// An executor's options: start() gives what runs the loops, in one memory space.
template <class E> concept executor = requires(const E e) {
    { e.start() } -> std::same_as<typename E::executor>;
    { E::executor::space } -> std::convertible_to<memory_space>;
};

/// The legality of a combination. Each holds also where a policy is none at all, for which there is a sentence of its own.
template <class Compressor, class Memory> constexpr bool bias_is_repaired()
{
    if constexpr (compressor<Compressor> && error_memory<Memory>) return Memory::feeds_back || Memory::accepts_bias || Compressor::unbiased;
    else return true;
}
/// @copydoc bias_is_repaired
template <class Compressor, class Memory> constexpr bool feedback_contracts()
{
    if constexpr (compressor<Compressor> && error_memory<Memory>) {
        if constexpr (resets_error<Memory>) return Compressor::contractive || std::is_same_v<Compressor, nothing>; // what never joins a message may wait
        else return !Memory::feeds_back || Compressor::contractive;
    } else {
        return true;
    }
}
/// @copydoc bias_is_repaired
template <class Memory> constexpr bool reset_contracts()
{
    if constexpr (resets_error<Memory>) {
        if constexpr (compressor<typename Memory::reset_compressor>) return Memory::reset_compressor::contractive;
        else return false;
    } else {
        return true;
    }
}
/// @copydoc bias_is_repaired
template <class Memory, class Reducer, class Local, class Server> constexpr bool reset_fits()
{
    if constexpr (!resets_error<Memory> || !reducer<Reducer> || !local_rule<Local> || !server_rule<Server>) return true;
    else return Local::states > 0 && Server::touches_only_support && !Reducer::updates_at_root && Memory::reset_compressor::rounds == 1
            && (!Reducer::needs_additive || Memory::reset_compressor::additive);
}
/// What set_lambda() asks of the memory, as a sentence.
template <class Memory> constexpr void require_lambda()
{
    static_assert(states_lambda<Memory>, "gradcomp: this memory has no lambda to set: write .memory = gc::def{.lambda = 0.3} or gc::def_a{}; gc::ef is what they are with lambda = 0, gc::saef and gc::psync with 1.");
}
/// @copydoc bias_is_repaired
template <class Compressor, class Reducer> constexpr bool messages_add()
{
    if constexpr (compressor<Compressor> && reducer<Reducer>) return !Reducer::needs_additive || Compressor::additive;
    else return true;
}
/// @copydoc bias_is_repaired
template <class Memory, class Server> constexpr bool estimates_meet()
{
    if constexpr (error_memory<Memory> && server_rule<Server>) return keeps_estimate<Memory> == adds_up_messages<Server>;
    else return true;
}
/// @copydoc bias_is_repaired
template <class Compressor, class Server> constexpr bool sums_mean_something()
{
    if constexpr (compressor<Compressor> && server_rule<Server>) return !averages_contributors<Compressor> || takes_signs<Server>;
    else return true;
}
/// @copydoc bias_is_repaired
template <class Compressor, class Reducer> constexpr bool all_ranks_see_sums()
{
    if constexpr (compressor<Compressor> && reducer<Reducer>) return Compressor::rounds == 1 || (Compressor::additive && !Reducer::updates_at_root);
    else return true;
}
/// @copydoc bias_is_repaired
template <class Reducer> constexpr bool can_communicate()
{
    if constexpr (reducer<Reducer>) {
        using C = std::remove_cvref_t<decltype(Reducer::communicator)>;
        return comm::communicator<C, float> && comm::communicator<C, double>;
    } else {
        return true;
    }
}
/// @copydoc bias_is_repaired
template <class Reducer, class Executor> constexpr bool share_memory_space()
{
    if constexpr (reducer<Reducer> && executor<Executor>) {
        if constexpr (can_communicate<Reducer>()) return decltype(Reducer::communicator)::space == Executor::executor::space;
        else return true;
    } else {
        return true;
    }
}

/// The operator class of a compressor over all tensors of a list.
/// @throws error as the compressor's options do, with the tensor's name.
template <class Compressor> theory::membership classes_over(const Compressor& compressor, const tensor_list& list)
{
    if constexpr (requires { compressor.classes_over(list); }) {
        return compressor.classes_over(list);
    } else {
        if constexpr (requires { compressor.scope; })
            if (compressor.scope == scope::whole_model) return compressor.classes(list.total());
        theory::membership all = theory::identity();
        for (std::size_t t = 0; t < list.count(); ++t) {
            try {
                all = theory::packed(all, compressor.classes(list.size(t)));
            } catch (const error& e) {
                throw e.at({.tensor = list.name(t)});
            }
        }
        return all;
    }
}

/// Error feedback needs a contraction with numbers, not only by kind. Where the error is reset, gc::nothing may leave all of it to the reset.
template <class Memory, class Compressor> void require_contraction(const theory::membership& classes)
{
    constexpr bool waits_for_reset = resets_error<Memory> && std::is_same_v<Compressor, nothing>;
    if (Memory::feeds_back && !waits_for_reset && !classes.b3)
        throw error(error_code::not_contractive, "compressor", theory::describe(classes),
            "error feedback needs E||C(x) - x||^2 <= (1 - 1/delta)||x||^2 with a finite delta, and for these tensors and options the compressor has none: " + theory::remedy(classes));
}

} // namespace gradcomp::stack
