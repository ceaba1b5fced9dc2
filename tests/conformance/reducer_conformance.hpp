/// @file What every reducer promises, as one suite: conformance::reducer(maker) runs all of it on 1 to 8 ranks, float and double.
#pragma once

#include "coding.hpp"
#include "inputs.hpp"

#include <doctest/doctest.h>

namespace conformance {

inline const gc::tensor_list& reduced_model()
{
    static const gc::tensor_list list{{"w", {17, 6}}, {"no", {0}}, {"b", {13}}};
    return list;
}

/// Bytes that one rank sends in one step, as the reducers document it.
template <class C> std::uint64_t sent_in_a_step(const gc::ring<C>& of, std::size_t elements, std::size_t, std::size_t sizeof_value)
{
    return gc::comm::ring_elements_sent(elements + 1, of.size(), of.rank()) * sizeof_value; // one lane more: the vote
}
template <class C> std::uint64_t sent_in_a_step(const gc::all_gather<C>& of, std::size_t, std::size_t bytes, std::size_t)
{
    return static_cast<std::uint64_t>(of.size() - 1) * gc::gathered_stride(bytes);
}
template <class C> std::uint64_t sent_in_a_step(const gc::gather_to_root<C>& of, std::size_t, std::size_t bytes, std::size_t sizeof_value)
{
    const bool forwards = (of.rank() + 1) % of.size() != of.root; // the parameters go round from the root
    return (of.rank() == of.root ? 0 : gc::gathered_stride(bytes)) + (forwards ? 16 + reduced_model().total() * sizeof_value : 0);
}
template <class R> std::uint64_t sent_in_a_step(const gc::framed<R>& of, std::size_t elements, std::size_t bytes, std::size_t sizeof_value)
{
    return sent_in_a_step(of.of, elements, 48 + bytes, sizeof_value);
}

/// What one rank saw.
template <class T> struct reduced {
    std::vector<T> x, owed;
    std::vector<double> gathered; ///< sum of this rank's gradients
    std::uint64_t sent = 0, expected = 0;
    std::size_t header = 0;
};

/// Steps with `memory` at the learning rate `rate_of(ranks)`; inputs of one pattern, a different one for each rank and step.
template <class T, class MakeReducer, class Compressor, class Memory>
std::vector<reduced<T>> reduce_on(int ranks, const MakeReducer& make, const Compressor& compressor, const Memory& memory, double learning_rate, pattern of)
{
    constexpr int steps = 5;
    std::vector<reduced<T>> all(static_cast<std::size_t>(ranks));
    gc::comm::run_ranks(ranks, [&](gc::comm::in_process communicator) {
        const std::size_t n = reduced_model().total();
        reduced<T>& mine = all[static_cast<std::size_t>(communicator.rank())];
        mine.x = input<T>(pattern::integers, n, 5);
        mine.gathered.assign(n, 0);
        const auto how = make(communicator);
        gc::policy_stack stack{.compressor = compressor, .memory = memory, .reducer = how, .warn = nullptr};
        auto exchange = stack.attach(reduced_model(), mine.x);
        coding<T, Compressor> alone(compressor, reduced_model());
        const std::uint64_t before = communicator.bytes_sent();
        for (int step = 0; step < steps; ++step) {
            const auto gradient = input<T>(of, n, static_cast<std::uint64_t>(100 * communicator.rank() + step));
            for (std::size_t i = 0; i < n; ++i) mine.gathered[i] += static_cast<double>(gradient[i]);
            exchange.step(gradient, learning_rate);
        }
        mine.sent = communicator.bytes_sent() - before;
        mine.expected = steps * sent_in_a_step(how, alone.elements(), exchange.message_bytes(), sizeof(T));
        mine.owed.assign(exchange.error().begin(), exchange.error().end());
        mine.header = exchange.header_bytes();
        CHECK(exchange.message_bytes() == alone.bytes());
        CHECK(exchange.wire_bytes() == exchange.message_bytes() + exchange.header_bytes());
    });
    return all;
}

/// x0 - x = the sum of what all ranks sent, exactly: gradient units at a learning rate of `ranks`, where the mean's factor is 1.
template <class T, class MakeReducer, class Compressor> void sums_are_exact(const MakeReducer& make, const Compressor& compressor)
{
    const auto start = input<T>(pattern::integers, reduced_model().total(), 5);
    for (int ranks = 1; ranks <= 8; ++ranks) {
        CAPTURE(ranks);
        const auto all = reduce_on<T>(ranks, make, compressor, gc::ef<>{.units = gc::units::gradient}, ranks, pattern::integers);
        std::size_t wrong = 0;
        for (std::size_t i = 0; i < start.size(); ++i) {
            double sum = 0;
            for (const auto& rank : all) sum += rank.gathered[i] - static_cast<double>(rank.owed[i]);
            wrong += !(static_cast<double>(all[0].x[i]) == static_cast<double>(start[i]) - sum);
        }
        CHECK(wrong == 0);
        for (const auto& rank : all) {
            CHECK(first_difference(rank.x, all[0].x) == nowhere);
            CHECK(rank.sent == rank.expected);
        }
    }
}

/// Inputs whose sums round: still the same bits on every rank.
template <class T, class MakeReducer, class Compressor> void ranks_stay_alike(const MakeReducer& make, const Compressor& compressor)
{
    for (int ranks = 1; ranks <= 8; ++ranks) {
        const auto all = reduce_on<T>(ranks, make, compressor, gc::def<>{.lambda = 0.3}, 0.1, pattern::heavy);
        CAPTURE(ranks);
        for (const auto& rank : all) CHECK(first_difference(rank.x, all[0].x) == nowhere);
    }
}

template <class T, class MakeReducer> void reducer_of(const MakeReducer& make)
{
    const auto both = [&](const auto& compressor) {
        sums_are_exact<T>(make, compressor);
        ranks_stay_alike<T>(make, compressor);
    };
    both(gc::random_block{.ratio = 6});
    if constexpr (std::same_as<T, float>) both(gc::identity{}); // each stack costs seconds of compilation, so double has fewer
    if constexpr (std::same_as<T, float> && !std::invoke_result_t<MakeReducer, gc::comm::in_process>::needs_additive) {
        both(gc::top_k{.ratio = 7});
        both(gc::by_tensor{gc::vectors(gc::identity{}), gc::otherwise(gc::rand_k<gc::indices::own, gc::scaling::none>{.ratio = 7})});
    }
}

/// The suite for one policy: `make` builds it on a communicator.
template <class MakeReducer> void reducer(const MakeReducer& make)
{
    SUBCASE("float") { reducer_of<float>(make); }
    SUBCASE("double") { reducer_of<double>(make); }
}

/// Two reducers give the same parameters, bit for bit, where sums are exact.
template <class A, class B, class Compressor> void agree(const A& a, const B& b, const Compressor& compressor)
{
    for (int ranks = 1; ranks <= 8; ++ranks) {
        const gc::ef<> memory{.units = gc::units::gradient};
        const auto by_a = reduce_on<float>(ranks, a, compressor, memory, ranks, pattern::integers), by_b = reduce_on<float>(ranks, b, compressor, memory, ranks, pattern::integers);
        CAPTURE(ranks);
        CHECK(first_difference(by_a[0].x, by_b[0].x) == nowhere);
    }
}

} // namespace conformance
