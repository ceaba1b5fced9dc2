/// @file What every server rule promises, as one suite: conformance::server(policy) runs it behind a gathering by all, and behind a root.
///
/// Gradients are integers and eta is a power of two, so that sums of messages are exact in any order; what a rule makes of them is compared bit for bit.
#pragma once

#include "coding.hpp"
#include "inputs.hpp"

#include <gradcomp/gradcomp.hpp>

#include <doctest/doctest.h>

#include <type_traits>
#include <utility>
#include <vector>

namespace conformance {

/// One rule on vectors, element by element, with nothing of exchanges: the sum of messages moves the rule's states and x.
template <class T, class Server> struct plain_server {
    Server rule;
    T ranks;
    bool in_model_units;
    std::vector<T> x;
    std::vector<std::vector<T>> states = std::vector<std::vector<T>>(static_cast<std::size_t>(Server::states), std::vector<T>(x.size()));

    void take(const std::vector<T>& sum, T rate)
    {
        for (std::size_t i = 0; i < x.size(); ++i) {
            if constexpr (Server::touches_only_support) {
                x[i] -= sum[i] / ranks;
            } else {
                typename Server::template update<T> update;
                update.set(rule);
                update.scales.in_model_units = in_model_units;
                update.ranks = ranks;
                update.at_step({.learning_rate = rate});
                T in[Server::states + 1], out[Server::states + 1];
                for (std::size_t j = 0; j < states.size(); ++j) in[j] = states[j][i];
                in[states.size()] = x[i];
                update.leave(sum[i], in, update.value(sum[i], in), T(0), out);
                for (std::size_t j = 0; j < states.size(); ++j) states[j][i] = out[j];
                x[i] = out[states.size()];
            }
        }
    }
};

/// x and the server's state follow the plain rule on every rank that updates x; a step that a NaN spoils leaves both bit for bit.
template <class T, class Server, class MakeReducer> void server_follows(const Server& policy, MakeReducer reducer_of)
{
    using memory = std::conditional_t<gc::adds_up_messages<Server>, gc::ef21<>, gc::none<>>;
    static const gc::tensor_list tensors{{"w", {9, 7}}, {"no", {0}}, {"b", {11}}};
    const std::size_t n = tensors.total();
    for (const int ranks : {1, 2, 4})
        gc::comm::run_ranks(ranks, [&](gc::comm::in_process communicator) {
            const gc::policy_stack stack{.compressor = gc::identity{}, .memory = memory{}, .reducer = reducer_of(communicator), .server = policy, .warn = nullptr};
            std::vector<T> x = input<T>(pattern::integers, n, 7);
            plain_server<T, Server> plain{policy, static_cast<T>(ranks), memory::units == gc::units::model, x};
            auto exchange = stack.attach(tensors, x);
            std::vector<T> estimates(n); // the sum of all ranks' h
            const bool updates = !decltype(stack)::reducer_type::updates_at_root || communicator.rank() == 0;
            std::size_t wrong = 0;
            for (int step = 0; step < 10; ++step) {
                const T rate = step < 6 ? T(0.5) : T(0.125);
                auto mine = input<T>(pattern::integers, n, static_cast<std::uint64_t>(100 * communicator.rank() + step));
                if (step == 4) {
                    if (communicator.rank() == ranks - 1) spoil(mine, 5);
                    CHECK_THROWS_AS(exchange.step(mine, rate), gc::error);
                } else {
                    exchange.step(mine, rate);
                    std::vector<T> sum(n);
                    for (int rank = 0; rank < ranks; ++rank) {
                        const auto g = input<T>(pattern::integers, n, static_cast<std::uint64_t>(100 * rank + step));
                        for (std::size_t i = 0; i < n; ++i) sum[i] += gc::adds_up_messages<Server> ? g[i] : rate * g[i];
                    }
                    std::vector<T> messages = sum;
                    for (std::size_t i = 0; i < n && gc::adds_up_messages<Server>; ++i) messages[i] -= std::exchange(estimates[i], sum[i]);
                    plain.take(messages, rate);
                }
                for (std::size_t i = 0; i < n; ++i) {
                    wrong += !same_bits(x[i], plain.x[i]);
                    for (std::size_t j = 0; j < plain.states.size() && updates; ++j) wrong += !same_bits(exchange.server_state(j)[i], plain.states[j][i]);
                }
            }
            CHECK(wrong == 0);
            for (std::size_t j = 0; j < plain.states.size(); ++j) CHECK(exchange.server_state(j).size() == (updates ? n : 0));
            CHECK(x != input<T>(pattern::integers, n, 7));
        });
}

/// The suite for one policy: in double behind a gathering by all, in float behind a root, for each stack costs seconds of compilation.
template <gc::server_rule Server> void server(const Server& policy)
{
    policy.check();
    server_follows<double>(policy, [](gc::comm::in_process c) { return gc::all_gather{c}; });
    server_follows<float>(policy, [](gc::comm::in_process c) { return gc::gather_to_root{c}; });
}

} // namespace conformance
