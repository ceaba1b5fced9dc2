// What a block of CUDA threads does with the cosine transform of a chunk, on the CPU: the bits of exec::cpu.
#include "conformance/coding.hpp"
#include "conformance/inputs.hpp"
#include "cuda_threads.hpp"

#include <gradcomp/exec/cuda/dct_block.hpp>

#include <doctest/doctest.h>

namespace gc = gradcomp;
using cuda_threads::thread_block;

TEST_CASE_TEMPLATE("a block of threads transforms a chunk forwards and back as the CPU does", T, float, double)
{
    struct sides {
        std::size_t height, width;
    };
    for (const auto& [height, width] : {sides{1, 1}, sides{1, 30}, sides{12, 7}, sides{64, 64}})
        for (const conformance::pattern of : {conformance::pattern::uniform, conformance::pattern::heavy, conformance::pattern::sparse})
            for (const bool spoiled : {false, true}) {
                CAPTURE(height);
                CAPTURE(width);
                CAPTURE(spoiled);
                const std::size_t n = height * width;
                const gc::dct_form form{height, width, height, width, n};
                const gc::exec::detail::dct_pair<T> down(height), across(width);
                const gc::exec::detail::dct_plan<T> plan{form, &down, &across};
                gc::exec::detail::dct_space<T> space(n);
                auto x = conformance::input<T>(of, n, 5);
                if (spoiled) x[n / 2] = std::numeric_limits<T>::infinity();
                std::copy(x.begin(), x.end(), space.p.data());
                plan.transform(space);
                const std::vector<T> coefficients(space.value.data(), space.value.data() + n);
                std::copy(coefficients.begin(), coefficients.end(), space.chosen.data());
                plan.transform_back(space);
                const std::vector<T> back(space.back.data(), space.back.data() + n);

                const gc::exec::dct_matrices<T> by{down.forward.data(), down.back.data(), across.forward.data(), across.back.data()};
                gc::bits_t<T> largest{};
                std::vector<T> forwards;
                cuda_threads::run<thread_block>([&](const thread_block& block) {
                    gc::exec::transform(block, x.data(), largest, form, by);
                    if (block.thread() == 0) forwards = x;
                    gc::exec::transform_back(block, x.data(), form, by);
                });
                CHECK(conformance::first_difference(forwards, coefficients) == conformance::nowhere);
                CHECK(conformance::first_difference(x, back) == conformance::nowhere);
            }
}
