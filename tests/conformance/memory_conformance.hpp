/// @file What every error memory promises, as one suite: conformance::memory(policy) runs all of it for float and double.
///
/// All inputs are dyadic, so that sums are exact in any order and the promises can be checked for equality.
#pragma once

#include "coding.hpp"
#include "inputs.hpp"

#include <doctest/doctest.h>

namespace conformance {

/// What one rank saw after one exchange.
template <class T> struct snapshot {
    std::vector<T> x, point, owed, evaluated, local, corrected;
};

/// One rank's whole run.
template <class T> struct history {
    std::vector<snapshot<T>> at;       ///< after each exchange
    std::vector<double> gathered;      ///< sum of the gradients that took effect
    std::size_t state_bytes = 0, error_elements = 0;
    bool point_is_x = false;
    std::vector<std::string> errors;   ///< of the steps that failed
};

/// How a run goes.
struct course {
    int ranks = 1;
    std::uint32_t period = 1;
    int steps = 12;
    int bad_step = -1; ///< at which the last rank's gradient holds NaN and Inf
};

inline const gc::tensor_list& small_model()
{
    static const gc::tensor_list list{{"w", {9, 7}}, {"no", {0}}, {"b", {11}}};
    return list;
}

inline constexpr double rate = 0.5;

/// The copies of everything that an exchange shows.
template <class T, class Exchange> snapshot<T> look(Exchange& exchange)
{
    const auto copy = [](std::span<const T> from) { return std::vector<T>(from.begin(), from.end()); };
    const std::size_t n = small_model().total();
    snapshot<T> seen{copy(exchange.parameters()), copy(exchange.gradient_point()), copy(exchange.error()), std::vector<T>(n), std::vector<T>(n), std::vector<T>(n)};
    exchange.evaluate_at(seen.evaluated);
    exchange.evaluate_at(seen.local, gc::evaluation_point::local);
    exchange.evaluate_at(seen.corrected, gc::evaluation_point::mean_corrected);
    return seen;
}

/// Trains on integer gradients that do not depend on the point. `make` builds the stack of a communicator.
template <class T, class Make> std::vector<history<T>> train(const course& how, const Make& make)
{
    std::vector<history<T>> all(static_cast<std::size_t>(how.ranks));
    gc::comm::run_ranks(how.ranks, [&](gc::comm::in_process communicator) {
        const std::size_t n = small_model().total();
        history<T>& mine = all[static_cast<std::size_t>(communicator.rank())];
        std::vector<T> x = input<T>(pattern::integers, n, 77);
        auto stack = make(communicator);
        stack.period = how.period;
        auto exchange = stack.attach(small_model(), x);
        mine.state_bytes = exchange.state_bytes();
        mine.error_elements = exchange.error().size();
        mine.point_is_x = exchange.gradient_point().data() == x.data();
        mine.gathered.assign(n, 0);
        mine.at.push_back(look<T>(exchange));
        for (int step = 0; step < how.steps; ++step) {
            auto gradient = input<T>(pattern::integers, n, static_cast<std::uint64_t>(1000 * communicator.rank() + step));
            if (step == how.bad_step && communicator.rank() == how.ranks - 1) spoil(gradient, 5);
            bool kept = true;
            try {
                exchange.step(gradient, rate);
            } catch (const gc::error& e) {
                mine.errors.push_back(std::string(gc::name_of(e.code())) + " step " + std::to_string(e.step()) + " rank " + std::to_string(e.rank()));
                kept = !decltype(stack)::memory_type::storage::is_staged && decltype(stack)::memory_type::feeds_back;
            }
            for (std::size_t i = 0; i < n; ++i)
                if (kept && gc::is_finite(gradient[i])) mine.gathered[i] += static_cast<double>(gradient[i]);
            if ((static_cast<std::uint32_t>(step) + 1) % how.period == 0) mine.at.push_back(look<T>(exchange));
        }
    });
    return all;
}

/// The points that the memory states, bit for bit, on every rank after every exchange.
template <class T, class Memory> void points_are_as_stated(const Memory& memory, const std::vector<history<T>>& all)
{
    constexpr bool owes = Memory::feeds_back && !gc::keeps_estimate<Memory>;
    const std::size_t n = small_model().total();
    const T owed_scale = memory.units == gc::units::model ? T(1) : static_cast<T>(rate), pull = static_cast<T>(memory.detachment()) * owed_scale;
    std::size_t wrong = 0;
    for (const auto& rank : all)
        for (std::size_t k = 0; k < rank.at.size(); ++k) {
            const snapshot<T>& s = rank.at[k];
            for (std::size_t i = 0; i < n; ++i) {
                const T e = owes ? s.owed[i] : T(0);
                T sum = 0;
                if (owes)
                    for (const auto& other : all) sum += other.at[k].owed[i];
                const T point = gc::multiply_add(-pull, e, s.x[i]), local = gc::multiply_add(-owed_scale, e, s.x[i]),
                        corrected = gc::multiply_add(-owed_scale, sum / static_cast<T>(all.size()), s.x[i]);
                const T evaluated = memory.evaluation() == gc::evaluation_point::parameters ? s.x[i] : memory.evaluation() == gc::evaluation_point::local ? local : corrected;
                wrong += !(s.point[i] == point) + !(s.local[i] == local) + !(s.corrected[i] == corrected) + !(s.evaluated[i] == evaluated);
                wrong += !same_bits(s.x[i], all[0].at[k].x[i]);
            }
        }
    CHECK(wrong == 0);
}

/// x - mean e = x0 - eta * mean of all gradients: what is not in x is in the memories, but for what a decay makes them forget in each exchange; `kept` is one
/// in which nothing was. An average holds the share 1 - beta of what is owed.
template <class T, class Memory> void mass_is_conserved(const Memory& memory, const std::vector<history<T>>& all, [[maybe_unused]] std::size_t kept = nowhere)
{
    double owed_scale = memory.units == gc::units::model ? 1 : rate;
    if constexpr (gc::averages_errors<Memory>) owed_scale /= 1 - memory.beta;
    const double ranks = static_cast<double>(all.size());
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < small_model().total(); ++i) {
        double owed = 0, gathered = 0;
        for (const auto& rank : all) {
            if (Memory::feeds_back) owed += static_cast<double>(rank.at.back().owed[i]);
            if constexpr (gc::states_decay<Memory>)
                for (std::size_t k = 0; k + 1 < rank.at.size(); ++k)
                    if (k != kept) owed += (1 - memory.decay) * static_cast<double>(rank.at[k].owed[i]);
            gathered += rank.gathered[i];
        }
        wrong += !(static_cast<double>(all[0].at.back().x[i]) - owed_scale * owed / ranks == static_cast<double>(all[0].at[0].x[i]) - rate * gathered / ranks);
    }
    CHECK(wrong == 0);
}

/// Of a memory that keeps an estimate: each exchange that took effect moved x by eta times the mean of the ranks' estimates.
template <class T> void estimates_move_x(const std::vector<history<T>>& all, std::size_t rejected = 0)
{
    const double ranks = static_cast<double>(all.size());
    std::size_t wrong = 0;
    for (std::size_t k = 1; k < all[0].at.size(); ++k)
        for (std::size_t i = 0; i < small_model().total() && k != rejected; ++i) {
            double mean = 0;
            for (const auto& rank : all) mean += static_cast<double>(rank.at[k].owed[i]) / ranks;
            wrong += !(static_cast<double>(all[0].at[k].x[i]) == static_cast<double>(all[0].at[k - 1].x[i]) - rate * mean);
        }
    CHECK(wrong == 0);
}

/// How many models of memory a run takes, as the policy's facts say.
template <class Memory> std::size_t models(const Memory& memory, std::uint32_t period)
{
    const bool errors = Memory::feeds_back || period > 1, point = Memory::detached || period > 1;
    const bool dense = memory.averaging() > 0 || (Memory::feeds_back && memory.evaluation() == gc::evaluation_point::mean_corrected);
    if (gc::keeps_estimate<Memory>) // the server's estimate and the sum of messages beside its own
        return 2 + (1 + gc::streams_beside_error<Memory>) * (Memory::storage::is_staged ? 2 : 1);
    const bool momentum = gc::resets_error<Memory>; // which the suite gives it, with beta 0
    return static_cast<std::size_t>(errors + point + momentum) * (Memory::storage::is_staged ? 2 : 1) + dense;
}

template <class T, class Memory, class Make> void courses(const Memory& memory, const Make& make)
{
    for (const int ranks : {1, 2, 4})
        for (const std::uint32_t period : {1u, 3u}) {
            if (gc::exchanges_each_step<Memory> && period > 1) continue;
            CAPTURE(ranks);
            CAPTURE(period);
            const auto all = train<T>({.ranks = ranks, .period = period}, make);
            points_are_as_stated<T>(memory, all);
            if constexpr (gc::keeps_estimate<Memory>) estimates_move_x<T>(all);
            else mass_is_conserved<T>(memory, all);
            for (const auto& rank : all) {
                CHECK(rank.errors.empty());
                CHECK(rank.state_bytes == models(memory, period) * small_model().total() * sizeof(T));
                CHECK(rank.error_elements == (Memory::feeds_back || period > 1 ? small_model().total() : 0));
                CHECK(rank.point_is_x == (!Memory::detached && period == 1));
            }
        }
}

/// A step that one rank's NaN spoils: every rank throws alike; staged leaves every bit, in place x and the sum of what is owed and sent.
template <class T, class Memory, class Make> void rejection_loses_nothing(const Memory& memory, const Make& make)
{
    for (const int ranks : {1, 2, 4}) {
        CAPTURE(ranks);
        const auto all = train<T>({.ranks = ranks, .steps = 8, .bad_step = 4}, make);
        points_are_as_stated<T>(memory, all);
        if constexpr (gc::keeps_estimate<Memory>) estimates_move_x<T>(all, 5);
        else mass_is_conserved<T>(memory, all, Memory::storage::is_staged ? 4 : nowhere);
        for (std::size_t r = 0; r < all.size(); ++r) {
            CHECK(all[r].errors == std::vector<std::string>{"non_finite step 4 rank " + std::to_string(r)});
            const snapshot<T>&before = all[r].at[4], &after = all[r].at[5];
            CHECK(first_difference(before.x, after.x) == nowhere);
            if (Memory::storage::is_staged || gc::keeps_estimate<Memory>) { // an estimate is rewound, exactly where sums are exact
                CHECK(first_difference(before.owed, after.owed) == nowhere);
                CHECK(first_difference(before.point, after.point) == nowhere);
            }
        }
    }
}

template <class T, class Memory> void memory_of(const Memory& memory)
{
    const auto with = [&memory](auto compressor, auto reducer_of) {
        const auto make = [&memory, compressor, reducer_of](gc::comm::in_process communicator) {
            if constexpr (gc::resets_error<Memory>)
                return gc::policy_stack{.compressor = compressor, .memory = memory, .reducer = reducer_of(communicator), .local = gc::momentum{.beta = 0}, .warn = nullptr};
            else if constexpr (gc::keeps_estimate<Memory>)
                return gc::policy_stack{.compressor = compressor, .memory = memory, .reducer = reducer_of(communicator), .server = gc::estimate{}, .warn = nullptr};
            else return gc::policy_stack{.compressor = compressor, .memory = memory, .reducer = reducer_of(communicator), .warn = nullptr};
        };
        courses<T>(memory, make);
        rejection_loses_nothing<T>(memory, make);
    };
    const auto ring = [](gc::comm::in_process c) { return gc::ring{c}; };
    [[maybe_unused]] const auto all_gather = [](gc::comm::in_process c) { return gc::all_gather{c}; };
    [[maybe_unused]] const auto to_root = [](gc::comm::in_process c) { return gc::gather_to_root{c}; };
    if constexpr (!Memory::feeds_back) {
        with(gc::identity{}, ring);
        with(gc::identity{}, to_root);
    } else if constexpr (std::same_as<T, double>) { // one stack for double: each costs seconds of compilation
        with(gc::random_block{.ratio = 4}, ring);
    } else {
        with(gc::random_block{.ratio = 4}, ring);
        if constexpr (!gc::resets_error<Memory> && !gc::keeps_estimate<Memory>) with(gc::random_block{.ratio = 3, .block = 4, .scope = gc::scope::whole_model}, to_root);
        with(gc::top_k{.ratio = 5}, all_gather);
        with(gc::chain{gc::top_k{.ratio = 5}, gc::natural<>{}}, all_gather); // powers of two: sums stay exact
    }
}

/// The suite for one policy. Its numbers must be dyadic, and it must not forget.
template <gc::error_memory Memory> void memory(const Memory& policy)
{
    policy.check();
    SUBCASE("float") { memory_of<float>(policy); }
    SUBCASE("double") { memory_of<double>(policy); }
}

} // namespace conformance
