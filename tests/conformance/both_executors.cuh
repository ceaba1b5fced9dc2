/// @file What exec::cuda promises, as one suite: conformance::same_on_both(policy) compares message, memory, counts and what is decoded with exec::cpu, bit for bit.
#pragma once

#include "inputs.hpp"

#include <gradcomp/cuda.cuh>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace conformance {

namespace gc = gradcomp;
using gc::exec::non_finite;

template <class T> std::vector<T> read(const T* from, std::size_t n)
{
    std::vector<T> copy(n);
    if (n > 0) REQUIRE(cudaMemcpy(copy.data(), from, n * sizeof(T), cudaMemcpyDeviceToHost) == cudaSuccess);
    return copy;
}
/// Equal in every bit, or both NaN (whose payload no rule promises).
template <class T> bool same(const std::vector<T>& a, const std::vector<T>& b)
{
    for (std::size_t i = 0; i < a.size(); ++i)
        if (std::memcmp(&a[i], &b[i], sizeof(T)) != 0 && !(a[i] != a[i] && b[i] != b[i])) return false;
    return a.size() == b.size();
}

/// One rank's coder and its error memory, p = e + g / 2, on one executor.
template <class T, class Executor, class Compressor> class side {
    using direction = gc::plain_gradient::direction<T, false>;
    using rule_type = gc::recurrence_rule<T, T, direction, true, false, false>;
    template <class X> using buffer = typename Executor::template buffer<X>;
    using coder_type = decltype(std::declval<const Compressor&>().template start<T>(std::declval<const Executor&>(), std::declval<const gc::coder_start&>()));

public:
    side(const Compressor& compressor, const gc::tensor_list& list)
        : list_(list), all_(list.numbers()), coder(compressor.template start<T>(on, gc::coder_start{&list_, &all_, 7, 2})), gradient(list.total()), error(list.total()),
          decoded(list.total()), message(coder.bytes() + 64), sum(coder.bytes())
    {
    }
    rule_type rule()
    {
        rule_type r{direction(gc::plain_gradient{})};
        r.gradient = gradient.data();
        r.in[r.error_in] = r.out[r.error_out] = error.data();
        return r;
    }

private:
    gc::tensor_list list_;
    std::vector<std::size_t> all_;

public:
    Executor on;
    coder_type coder;
    buffer<T> gradient, error, decoded;
    buffer<std::byte> message, sum;
};

/// The rounds behind the first one, of one rank, whose messages are their own sums.
template <class Side, class Rules, class Step> void later_rounds(Side& of, const Rules& rules, const Step& now, non_finite policy)
{
    using T = std::remove_cvref_t<decltype(*of.gradient.data())>;
    if constexpr (requires { of.coder.elements(0); }) {
        typename std::remove_cvref_t<decltype(of.on)>::tally tally;
        for (int round = 1; round < 2; ++round) {
            REQUIRE(cudaMemcpy(of.sum.data(), of.message.data(), of.coder.bytes(round - 1), cudaMemcpyDefault) == cudaSuccess);
            of.coder.encode_next(of.on, rules, now, round, reinterpret_cast<const T*>(of.sum.data()), of.message.data(), {.bad_elements = policy}, tally);
        }
        of.coder.accept(of.on, now, reinterpret_cast<const T*>(of.message.data()));
    }
}

/// Some steps on both executors with memories of their own; `spoiled` puts NaN and Inf among the gradients.
template <class T, class Compressor> void steps_agree(const Compressor& compressor, const gc::tensor_list& list, pattern of, non_finite policy, bool spoiled, int steps = 3)
{
    const std::size_t n = list.total();
    side<T, gc::exec::cpu_team, Compressor> host(compressor, list);
    side<T, gc::exec::cuda_stream, Compressor> device(compressor, list);
    gc::exec::device_buffer<gc::step_state<T>> state(1);
    REQUIRE(host.coder.bytes() == device.coder.bytes());
    unsigned long long bad = 0;
    for (int step = 0; step < steps; ++step) {
        CAPTURE(n);
        CAPTURE(static_cast<int>(of));
        CAPTURE(step);
        auto g = input<T>(of, n, static_cast<std::uint64_t>(step));
        if (spoiled) spoil(g, 89);
        std::copy(g.begin(), g.end(), host.gradient.data());
        device.gradient.fill_from(g.data(), n);
        const gc::step_state<T> now{T(0.5), static_cast<std::uint32_t>(step)};
        state.fill_from(&now, 1);
        std::memset(host.message.data(), 0x5a, host.message.size());
        REQUIRE(cudaMemset(device.message.data(), 0x5a, device.message.size()) == cudaSuccess);
        auto rule = host.rule();
        rule.at_step(now);
        const auto rules = [&](const gc::segment& s) {
            auto there = rule;
            there.advance(s.offset);
            return there;
        };
        bad += host.coder.encode(host.on, rules, now, host.message.data(), {.bad_elements = policy}).bad;
        later_rounds(host, rules, now, policy);
        const gc::exec::device_step<T> at{state.data()};
        const auto bound = gc::exec::bind_step(device.on, device.rule(), at);
        const gc::exec::packed_rule<std::remove_const_t<decltype(bound)>> packed{bound};
        device.coder.encode(device.on, packed, at, device.message.data(), {.bad_elements = policy});
        later_rounds(device, packed, at, policy);
        host.coder.check(host.on, host.message.data());
        device.coder.check(device.on, device.message.data());
        T* const to = host.decoded.data();
        host.coder.decode(host.on, host.message.data(), gc::stack::accumulate_target<T>{to});
        device.coder.decode(device.on, device.message.data(), gc::stack::accumulate_target<T>{device.decoded.data()});
        const auto counts = device.on.read_counts();
        CHECK(counts.bad == bad);
        CHECK(counts.unreadable == 0);
        const std::vector<std::byte> sent(host.message.data(), host.message.data() + host.message.size());
        REQUIRE(read(static_cast<const std::byte*>(device.message.data()), sent.size()) == sent);
        REQUIRE(same(read(static_cast<const T*>(device.error.data()), n), {host.error.data(), host.error.data() + n}));
        REQUIRE(same(read(static_cast<const T*>(device.decoded.data()), n), {to, to + n}));
    }
}

/// Lists with the shapes that go wrong first, and one that takes many blocks of threads.
inline std::vector<gc::tensor_list> lists_of_both()
{
    return {gc::tensor_list{}, gc::tensor_list{{"empty", {0, 7}}}, gc::tensor_list{{"scalar", {}}},
        gc::tensor_list{{"no", {0}}, {"w", {13, 19}}, {"b", {13}}, {"none", {5, 0}}, {"s", {}}, {"v", {3, 257}}, {"end", {0}}},
        gc::tensor_list{{"w", {501, 499}}, {"b", {499}}, {"no", {0}}, {"v", {70001}}, {"m", {3, 11000}}}};
}

template <class T, class Compressor> void same_on_both_for(const Compressor& compressor)
{
    for (const std::size_t n : {1u, 2u, 31u, 511u, 512u, 513u, 1025u, 4095u, 4096u, 4097u, 8191u})
        for (const pattern of : {pattern::uniform, pattern::ties, pattern::sparse}) steps_agree<T>(compressor, gc::tensor_list{{"only", {n}}}, of, non_finite::propagate, false, 1);
    for (const auto& list : lists_of_both())
        for (const pattern of : all_patterns) steps_agree<T>(compressor, list, of, non_finite::propagate, false);
    for (const auto& list : lists_of_both())
        for (const pattern of : extreme_patterns) steps_agree<T>(compressor, list, of, non_finite::propagate, false);
    for (const auto& list : lists_of_both()) steps_agree<T>(compressor, list, pattern::heavy, non_finite::zero_and_count, true);
}

/// The suite for one policy.
template <class Compressor> void same_on_both(const Compressor& compressor)
{
    compressor.check();
    same_on_both_for<float>(compressor);
}

} // namespace conformance
