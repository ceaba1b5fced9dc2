/// @file The decoding loops: every element exactly once, for any number of threads and instruction set.
#include <gradcomp/exec/cpu/scatter.hpp>

#include <doctest/doctest.h>

#include "conformance/coding.hpp"

#include <algorithm>
#include <numeric>

using namespace conformance;

namespace {

constexpr std::size_t sizes[] = {0, 1, 63, 1000, 32767, 32768, 65537, 300001};

/// f(team) for 1, 2, 3 and 7 threads under every instruction set.
template <class F> void on_all_teams(F f)
{
    for (const auto level : supported_isas())
        for (const std::size_t threads : {1u, 2u, 3u, 7u}) {
            const forced_isa forced(level);
            f(gc::exec::cpu_team(threads));
        }
}

} // namespace

TEST_CASE("for_each calls every index once")
{
    on_all_teams([](const gc::exec::cpu_team& team) {
        for (const std::size_t n : sizes) {
            std::vector<std::uint32_t> seen(n);
            std::uint32_t* const at = seen.data();
            gc::exec::for_each(team, n, [at](std::size_t i) { at[i] += static_cast<std::uint32_t>(i) + 1; });
            std::vector<std::uint32_t> expected(n);
            std::iota(expected.begin(), expected.end(), 1u);
            REQUIRE(seen == expected);
        }
    });
}

TEST_CASE("apply_run hands every value to the element behind the first")
{
    on_all_teams([](const gc::exec::cpu_team& team) {
        for (const std::size_t n : sizes) {
            std::vector<float> value(n), out(n + 10, -1.0f);
            std::iota(value.begin(), value.end(), 1.0f);
            float* const to = out.data();
            gc::exec::apply_run(team, [to](std::size_t i, float v) { to[i] += v; }, 7, value.data(), n);
            std::size_t wrong = 0;
            for (std::size_t i = 0; i < out.size(); ++i) wrong += out[i] != (i < 7 || i >= 7 + n ? -1.0f : static_cast<float>(i - 7));
            REQUIRE(wrong == 0);
        }
    });
}
