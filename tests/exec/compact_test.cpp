#include "select_inputs.hpp"

#include <doctest/doctest.h>

using namespace gradcomp;
using namespace gradcomp::exec;

namespace {

template <class T> std::vector<std::uint32_t> plain_positions(const std::vector<T>& p, typename key_of<T>::type low)
{
    std::vector<std::uint32_t> at;
    for (std::uint32_t i = 0; i < p.size(); ++i)
        if (magnitude(p[i]) >= low) at.push_back(i);
    return at;
}

template <class T> std::uint32_t find(isa level, bool bytes, const T* p, std::size_t count, typename key_of<T>::type low, std::uint8_t* position)
{
#if GRADCOMP_X86
    if (level == isa::avx512) return bytes ? exec::detail::find_vbmi2(p, count, low, position) : exec::detail::find_avx512(p, count, low, position);
    if constexpr (std::same_as<T, float>)
        if (level == isa::avx2) return exec::detail::find_avx2(p, count, low, position);
#endif
    (void)level, (void)bytes;
    return exec::detail::find_portable(p, count, low, position);
}

} // namespace

TEST_CASE_TEMPLATE("each way of finding candidates finds the same ones", T, float, double)
{
    using limits = bracket<T>;
    for (const data kind : all_data)
        for (const std::size_t count : {1u, 7u, 8u, 15u, 16u, 63u, 64u, 65u, 255u, 256u}) {
            std::vector<T> p = make<T>(kind, count);
            for (const auto low : {decltype(limits::low)(0), magnitude(T(0.75)), magnitude(T(2)), limits::never, key_of<T>::infinity}) {
                const std::vector<std::uint32_t> expected = plain_positions(p, low);
                p.resize(256, T(100)); // what lies behind must not be found
                for (const isa level : levels_here())
                    for (const bool bytes : {false, true}) {
                        if (bytes && !compresses_bytes()) continue;
                        std::uint8_t position[tile_size + 64] = {};
                        const std::uint32_t found = find(level, bytes, p.data(), count, low, position);
                        CHECK(std::vector<std::uint32_t>(position, position + found) == expected);
                    }
                p.resize(count);
            }
        }
}

TEST_CASE_TEMPLATE("a list holds the candidates in index order, from several sweeps", T, float, double)
{
    constexpr std::size_t n = 150000, cut = 70000;
    const std::vector<T> x = make<T>(data::gauss, n);
    const bracket<T> limits{magnitude(T(1.5)), magnitude(T(1.75)), magnitude(T(2))};
    for (const isa level : levels_here()) {
        const forced_level forced(level);
        const cpu_team team;
        candidate_list<T> list(n, 2, n);
        list.start(team.level(), limits, n, n, true);
        const exec::segment parts[] = {{cut, 0}, {n - cut, cut}};
        std::vector<T> memory(x);
        const auto rule_of = [&](std::size_t s) {
            feedback<T> rule;
            rule.scale = 0;
            rule.gradient = x.data() + parts[s].first;
            rule.in[0] = rule.out[0] = memory.data() + parts[s].first;
            return rule;
        };
        std::vector<candidate_list<T>> lists;
        lists.push_back(std::move(list));
        exec::detail::list_candidates<T>(team, 1, parts, n, rule_of, lists, {non_finite::propagate, false});
        const std::vector<std::uint32_t> expected = plain_positions(x, limits.low);
        REQUIRE(lists[0].size() == expected.size());
        std::size_t right = 0, above = 0;
        for (std::size_t r = 0; r < lists[0].runs().size(); ++r)
            for (std::size_t i = lists[0].runs()[r].start; i < lists[0].run_end(r); ++i) {
                const auto run = lists[0].runs()[r];
                const std::size_t at = parts[run.segment].first + run.element + lists[0].places()[i];
                right += at == expected[i] && bits_of(lists[0].values()[i]) == bits_of(x[at]);
                above += magnitude(x[at]) >= limits.sure;
                // What reaches `high` left the memory, the rest stayed.
                right -= magnitude(x[at]) >= limits.high ? memory[at] != 0 : bits_of(memory[at]) != bits_of(x[at]);
            }
        CHECK(right == expected.size());
        CHECK(lists[0].above() == above);
        CHECK(lists[0].keys().size() == expected.size() - above);
        CHECK_FALSE(lists[0].overflowed());
    }
}

TEST_CASE("a list with enough entries takes no more equal ones, and a full list says so")
{
    const std::vector<float> x(10000, 1.0f);
    const cpu_team team;
    const exec::segment parts[] = {{x.size(), 0}};
    const auto rule_of = [&](std::size_t) {
        read_rule<float> rule;
        rule.gradient = x.data();
        return rule;
    };
    std::vector<candidate_list<float>> lists;
    lists.emplace_back(x.size(), 1, 600);
    lists[0].start(team.level(), {magnitude(1.0f), bracket<float>::never, magnitude(1.0f) + 1}, 300, 300, false);
    exec::detail::list_candidates<float>(team, 1, parts, x.size(), rule_of, lists, {});
    CHECK(lists[0].size() == 2 * tile_size);
    CHECK(lists[0].between() == 2 * tile_size);
    CHECK_FALSE(lists[0].overflowed());
    lists[0].start(team.level(), {magnitude(0.5f), bracket<float>::never, magnitude(2.0f)}, 300, 300, false);
    exec::detail::list_candidates<float>(team, 1, parts, x.size(), rule_of, lists, {});
    CHECK(lists[0].overflowed());
}

TEST_CASE_TEMPLATE("ranks are exact", T, float, double)
{
    using key = typename key_of<T>::type;
    exec::detail::digit_counts counts;
    for (const data kind : all_data) {
        const std::vector<T> x = make<T>(kind, 5000);
        std::vector<key> keys, sorted;
        for (const T v : x) keys.push_back(magnitude(v));
        sorted = keys;
        std::sort(sorted.begin(), sorted.end(), std::greater<>());
        const std::span<const key> halves[] = {{keys.data(), 2001}, {keys.data() + 2001, 2999}};
        for (const isa level : levels_here())
            for (const std::size_t rank : {1u, 2u, 100u, 2500u, 4999u, 5000u})
                CHECK(exec::detail::find_rank<key>(level, halves, rank, 0, key_of<T>::sign - 1, counts) == sorted[rank - 1]);
    }
}
