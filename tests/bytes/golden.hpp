/// @file Digests of what a compressor writes, held against committed numbers.
#pragma once

#include "conformance/coding.hpp"
#include "conformance/inputs.hpp"

#include <doctest/doctest.h>

#include <cstdio>

namespace golden_bytes {

using namespace conformance;

/// FNV-1a with 64 bits.
class digest {
public:
    void add(const void* data, std::size_t bytes)
    {
        const auto* at = static_cast<const unsigned char*>(data);
        for (std::size_t i = 0; i < bytes; ++i) state_ = (state_ ^ at[i]) * 0x100000001b3u;
    }
    std::uint64_t value() const { return state_; }

private:
    std::uint64_t state_ = 0xcbf29ce484222325u;
};

/// Message and memory of three steps, in one number for each.
struct golden {
    std::uint64_t message, memory;
    bool operator==(const golden&) const = default;
};

/// 70 thousand elements, so that two threads share them, and the shapes that go wrong first.
inline const gc::tensor_list& model()
{
    static const gc::tensor_list list{{"w", {257, 255}}, {"b", {255}}, {"no", {0}}, {"s", {}}, {"v", {5001}}};
    return list;
}

template <class T, class C> golden digest_of(const C& compressor, pattern of, std::size_t threads)
{
    digest message, memory;
    coding<T, C> run(compressor, model(), {.threads = threads, .rank = 2, .seed = 0x5eed});
    std::vector<T> owed = input<T>(pattern::heavy, model().total(), 1);
    for (const std::uint32_t step : {0u, 1u, 1000000u}) {
        const auto out = run.encode(input<T>(of, model().total(), 100 + step), owed, step, 0x5a, gc::exec::non_finite::reject);
        message.add(out.message.data(), out.message.size());
        memory.add(out.left.data(), out.left.size() * sizeof(T));
        owed = out.left;
    }
    return {message.value(), memory.value()};
}

/// Heavy-tailed and tied inputs, float and double, against the committed numbers, under every instruction set and several thread counts.
template <class C> void keeps_its_bytes(const C& compressor, const golden (&expected)[4])
{
    const auto all = [&](std::size_t threads, golden (&seen)[4]) {
        seen[0] = digest_of<float>(compressor, pattern::heavy, threads);
        seen[1] = digest_of<float>(compressor, pattern::ties, threads);
        seen[2] = digest_of<double>(compressor, pattern::heavy, threads);
        seen[3] = digest_of<double>(compressor, pattern::ties, threads);
    };
    const auto compare = [&](const golden (&seen)[4]) {
        for (std::size_t j = 0; j < 4; ++j) {
            char text[80];
            std::snprintf(text, sizeof text, "{0x%016llx, 0x%016llx}", static_cast<unsigned long long>(seen[j].message), static_cast<unsigned long long>(seen[j].memory));
            INFO("input ", j, ": ", std::string(text));
            CHECK(seen[j].message == expected[j].message);
            CHECK(seen[j].memory == expected[j].memory);
        }
    };
    golden seen[4];
    all(1, seen); // at the level that the environment or the processor chooses
    compare(seen);
    for (const auto level : supported_isas()) {
        const forced_isa forced(level);
        CAPTURE(gc::exec::name_of(level));
        all(2, seen);
        compare(seen);
    }
}

} // namespace golden_bytes
