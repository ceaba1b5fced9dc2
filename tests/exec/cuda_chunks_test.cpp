// What a block of CUDA threads chooses from a chunk, on the CPU: the values, places and slots of exec::cpu.
#include "conformance/coding.hpp"
#include "conformance/inputs.hpp"
#include "cuda_threads.hpp"

#include <gradcomp/exec/cuda/chunk_choice.hpp>

#include <doctest/doctest.h>

namespace gc = gradcomp;
using cuda_threads::thread_block;

TEST_CASE_TEMPLATE("a block of threads takes the largest of a chunk as the CPU does, each once and in order", T, float, double)
{
    for (const conformance::pattern of : conformance::all_patterns)
        for (const std::size_t n : {std::size_t{1}, std::size_t{63}, std::size_t{1000}})
            for (const std::size_t k : {std::size_t{1}, (n + 1) / 2, n}) {
                CAPTURE(n);
                CAPTURE(k);
                auto x = conformance::input<T>(of, n, 7);
                if (n == 1000) conformance::spoil(x, 97);
                conformance::coding<T, gc::chunked_top_k> cpu({.k = k, .chunk = n}, conformance::one_tensor(n));
                const std::vector<T> none(n);
                const auto message = cpu.encode(none, x, 0).message;
                x = conformance::expected_p<T>(none, x); // -0 + 0 is 0
                std::vector<T> value(k);
                std::vector<std::uint16_t> place(k);
                std::vector<std::uint32_t> histogram(gc::radix<T>::most_values);
                std::vector<int> times(k);
                gc::exec::digit_search<T> found{};
                cuda_threads::run<thread_block>([&](const thread_block& block) {
                    gc::exec::take_largest<T>(block, histogram.data(), found, [&](std::size_t i) { return x[i]; }, n, k, [&](std::size_t i, T v, std::uint32_t slot) {
                        value[slot] = v;
                        place[slot] = static_cast<std::uint16_t>(i);
                        ++times[slot];
                    }, [](std::size_t, T) {});
                });
                CHECK(times == std::vector<int>(k, 1));
                CHECK(std::memcmp(place.data(), message.data() + k * sizeof(T), 2 * k) == 0);
                std::vector<T> sent(k);
                std::memcpy(sent.data(), message.data(), k * sizeof(T));
                CHECK(conformance::first_difference(value, sent) == conformance::nowhere);
            }
}
