// Top-k as the CUDA kernels do it, on the CPU: lanes that list candidates, and the code of a block of threads, on real threads.
#include "conformance/indices.hpp"
#include "cuda_lanes.hpp"
#include "cuda_threads.hpp"

#include <gradcomp/core/kept.hpp>
#include <gradcomp/exec/cuda/compact.hpp>
#include <gradcomp/exec/cuda/select_block.hpp>
#include <gradcomp/memory/recurrence.hpp>
#include <gradcomp/optim/plain_gradient.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace gc = gradcomp;
using cuda_threads::thread_block;
using gc::exec::lane_counts;

namespace {

/// Inputs: continuous, tied, constant, with NaN and Inf; mostly NaN of several payloads.
template <class T> std::vector<T> inputs(std::size_t n, int flavour, std::uint64_t seed)
{
    std::mt19937_64 random(seed);
    std::normal_distribution<double> normal;
    std::vector<T> x(n);
    for (std::size_t i = 0; i < n; ++i) {
        const double v = normal(random);
        x[i] = static_cast<T>(flavour == 1 ? std::round(v) : flavour == 2 ? 0.0 : v);
        if (flavour == 4 && i % 3 > 0) x[i] = __builtin_bit_cast(T, static_cast<gc::bits_t<T>>(gc::magnitude(std::numeric_limits<T>::quiet_NaN()) + i % 5));
        if (flavour == 3 && i % 97 == 5) x[i] = i % 2 ? std::numeric_limits<T>::quiet_NaN() : -std::numeric_limits<T>::infinity();
    }
    return x;
}

/// The k largest, ties to the lowest index, in index order.
template <class T> std::vector<std::size_t> largest(const std::vector<T>& x, std::size_t k)
{
    std::vector<std::size_t> order(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return gc::rank_key(x[a]) > gc::rank_key(x[b]); });
    order.resize(k);
    std::sort(order.begin(), order.end());
    return order;
}

/// Lists the candidates of one selection as compact_kernel does: phases of all lanes, a scan, phases again.
template <class T, class Rule, class Pick> std::uint32_t list_candidates(const gc::layout& where, std::size_t number, const Rule& rule, const Pick& pick, const gc::exec::lane_list<T>& list)
{
    using gc::exec::tile_threads;
    const gc::exec::tile_table table = gc::exec::cut_into_tiles(where);
    using sum = gc::exec::add_in_selection;
    sum::word listed = sum::packed({77, 5}, true); // of a selection before it, whose counts must not enter
    for (const auto& place : table.tiles) {
        const auto range = gc::exec::range_of(table.pieces[place.piece], place);
        if (range.selection != number) continue;
        std::vector<gc::exec::compact_lane<T>> lanes(tile_threads);
        std::vector<typename gc::exec::compact_lane<T>::places> before(tile_threads);
        typename gc::exec::compact_lane<T>::places total;
        const bool whole = gc::exec::is_whole(rule, range);
        for (int t = 0; t < tile_threads; ++t) {
            auto& lane = lanes[static_cast<std::size_t>(t)];
            if (whole) lane.template sweep<gc::exec::host_access, true>(rule, range, t, false, pick);
            else lane.template sweep<gc::exec::host_access, false>(rule, range, t, false, pick);
        }
        for (std::size_t t = 0; t < lanes.size(); ++t) {
            before[t] = total;
            total = {total.above + lanes[t].above(), total.equal + lanes[t].equal()};
        }
        const bool starts = range.first == 0;
        const gc::exec::listed_counts earlier = starts ? gc::exec::listed_counts{0, 0} : sum::counts(listed);
        for (int t = tile_threads - 1; t >= 0; --t)
            lanes[static_cast<std::size_t>(t)].emit(rule, range, t, before[static_cast<std::size_t>(t)], total, earlier, pick, list);
        listed = sum()(listed, sum::packed({total.above.total(), total.equal.total()}, starts));
    }
    return sum::counts(listed).listed(pick.room);
}

} // namespace

TEST_CASE_TEMPLATE("a block of threads finds the k largest, ties to the lowest index, in order", T, float, double)
{
    using gc::radix;
    for (const std::size_t n : {1u, 15u, 16u, 17u, 1000u, 5000u})
        for (const int flavour : {0, 1, 2, 3, 4})
            for (const std::uint32_t k : {1u, 7u, 500u}) {
                if (k > n) continue;
                const std::vector<T> x = inputs<T>(n, flavour, n + k);
                std::vector<std::size_t> got(k, n), passed(n, 0);
                std::vector<std::uint32_t> histogram(radix<T>::most_values);
                gc::exec::digit_search<T> shared{};
                std::uint32_t above_sum = 0, ties_sum = 0;
                cuda_threads::run<thread_block>([&](const thread_block& block) {
                    const auto source = [&](std::size_t i) { return x[i]; };
                    gc::exec::digit_search<T> found{0, k};
                    for (int digit = 0; digit < radix<T>::digits; ++digit) {
                        gc::exec::clear_digits<T>(block, histogram.data());
                        gc::exec::count_digits<T>(block, histogram.data(), found, source, 0, n / 3, digit); // in two goes, as pieces of a part
                        gc::exec::count_digits<T>(block, histogram.data(), found, source, n / 3, n, digit);
                        block.sync();
                        found = gc::exec::narrow<T>(block, shared, histogram.data(), found, digit);
                    }
                    std::uint32_t above = 0, ties = 0, ties_before = 0, slot = 0;
                    gc::exec::count_winners<T>(block, source, 0, n / 2, found.prefix, above, ties);
                    gc::exec::count_winners<T>(block, source, n / 2, n, found.prefix, above, ties);
                    block.add(above_sum, above);
                    block.add(ties_sum, ties);
                    const auto take = [&](std::size_t i, T, std::uint32_t at) { got.at(at) = i; };
                    const auto pass = [&](std::size_t i, T) { ++passed[i]; };
                    gc::exec::take_winners<T>(block, source, 0, n / 3, found.prefix, found.rank, ties_before, slot, take, pass);
                    gc::exec::take_winners<T>(block, source, n / 3, n, found.prefix, found.rank, ties_before, slot, take, pass);
                });
                CHECK(got == largest(x, k));
                CHECK(above_sum < k);
                CHECK(above_sum + ties_sum >= k);
                CHECK(static_cast<std::size_t>(std::count(passed.begin(), passed.end(), 1u)) == n - k);
            }
}

TEST_CASE("parts of a selection write side by side what one would write alone")
{
    const std::vector<float> x = inputs<float>(3000, 1, 8);
    const std::uint32_t k = 700;
    const auto expected = largest(x, k);
    const gc::bits_t<float> threshold = [&] {
        std::vector<gc::bits_t<float>> keys;
        for (const float v : x) keys.push_back(gc::magnitude(v));
        std::nth_element(keys.begin(), keys.begin() + (k - 1), keys.end(), std::greater<>());
        return keys[k - 1];
    }();
    std::uint32_t above = 0;
    for (const float v : x) above += gc::magnitude(v) > threshold;
    const std::uint32_t quota = k - above;
    std::vector<std::size_t> got(k, 99999);
    std::uint32_t ties_before = 0, above_before = 0;
    for (std::size_t from = 0; from < x.size(); from += 733) {
        const std::size_t to = std::min(x.size(), from + 733);
        cuda_threads::run<thread_block>([&](const thread_block& block) {
            std::uint32_t ties = ties_before, slot = above_before + std::min(ties_before, quota);
            gc::exec::take_winners<float>(
                block, [&](std::size_t i) { return x[i]; }, from, to, threshold, quota, ties, slot,
                [&](std::size_t i, float, std::uint32_t at) { got.at(at) = i; }, [](std::size_t, float) {});
        });
        for (std::size_t i = from; i < to; ++i) above_before += gc::magnitude(x[i]) > threshold, ties_before += gc::magnitude(x[i]) == threshold;
    }
    CHECK(got == expected);
}

TEST_CASE_TEMPLATE("lanes list every candidate in index order, and what does not fit stays in the memory", T, float, double)
{
    const gc::tensor_list list{{"a", {13}}, {"b", {9000}}, {"none", {0}}, {"c", {4096}}, {"d", {3, 7}}};
    const std::vector<std::size_t> all{0, 1, 2, 3, 4};
    int masses = 0;
    for (const gc::scope over : {gc::scope::per_tensor, gc::scope::whole_model})
        for (const int flavour : {0, 1, 3, 4})
            for (const std::size_t skew : {0u, 1u})
                for (const double ratio : {2.0, 10.0, 300.0}) {
                    const auto where = gc::make_layout(list, all, over, [&](std::size_t d) { return gc::kept_of(d, ratio, {}); });
                    gc::exec::host_buffer<T> g(list.total() + 8), e(list.total() + 8), x(list.total() + 8), z(list.total() + 8);
                    const auto values = inputs<T>(list.total(), flavour, 4);
                    std::copy(values.begin(), values.end(), g.data() + skew);
                    gc::recurrence_rule<T, T, gc::plain_gradient::direction<T, false>, true, true, false> rule(
                        gc::plain_gradient::direction<T, false>(gc::plain_gradient{}), {.in_model_units = false});
                    rule.at_step({T(1), 0, T(0.5)});
                    rule.gradient = g.data() + skew;
                    rule.in[rule.error_in] = rule.out[rule.error_out] = e.data() + skew;
                    rule.in[rule.parameters_in] = x.data() + skew;
                    rule.out[rule.point_out] = z.data() + skew;
                    for (std::size_t number = 0; number < where.selections.size(); ++number) {
                        const gc::selection& s = where.selections[number];
                        if (s.size == 0) continue;
                        std::vector<T> p;
                        std::vector<std::size_t> packed;
                        for (std::size_t at = s.begin; at < s.end; ++at)
                            for (std::size_t i = 0; i < where.segments[at].size; ++i) {
                                packed.push_back(where.segments[at].offset + i);
                                p.push_back(gc::multiply_add(T(1), values[packed.back()], T(0))); // a -0 becomes +0
                            }
                        auto keys = p;
                        std::stable_sort(keys.begin(), keys.end(), [](T a, T b) { return gc::rank_key(a) > gc::rank_key(b); });
                        const gc::bracket<T> limits{gc::rank_key(keys[std::min(keys.size() - 1, s.kept * 3 / 2)]), gc::rank_key(keys[s.kept / 2]), gc::bracket<T>::never};
                        for (const bool all_equal : {false, true}) // only the first equal ones, or all
                            for (const std::uint32_t capacity : {static_cast<std::uint32_t>(s.size), static_cast<std::uint32_t>(s.kept / 3)}) {
                                std::fill(e.data(), e.data() + e.size(), T(0));
                                std::vector<std::uint32_t> index(s.size + 1, 0xffffffffu);
                                std::vector<T> value(s.size + 1, T(-5));
                                const auto room = static_cast<std::uint32_t>(s.kept);
                                const bool every = all_equal && limits.low > 0;
                                const gc::exec::pick_large<T> pick{limits.low, gc::exec::leaving_from(limits), gc::exec::equal_up_to<T>(limits.low, every), every ? ~0u : room};
                                const std::uint32_t listed = list_candidates<T>(where, number, rule, pick, {index.data(), value.data(), capacity});
                                std::uint32_t n = 0, equal = 0;
                                bool right = true;
                                for (std::size_t i = 0; i < p.size(); ++i) {
                                    const auto key = gc::rank_key(p[i]);
                                    bool candidate = key >= limits.low;
                                    if (key == limits.low && !every) candidate = equal++ < room;
                                    const bool leaves = candidate && n < capacity && key != limits.low && limits.low < gc::key_of<T>::nan && key >= limits.high;
                                    if (candidate && n < capacity) right &= index[n] == i && gc::bits_of(value[n]) == gc::bits_of(p[i]);
                                    n += candidate;
                                    const T left = e.data()[skew + packed[i]], expected = p[i] - (leaves ? p[i] : T(0));
                                    right &= gc::bits_of(left) == gc::bits_of(expected) || (left != left && expected != expected);
                                    const T point = gc::multiply_add(T(-0.5), left, T(0));
                                    right &= gc::bits_of(z.data()[skew + packed[i]]) == gc::bits_of(point) || point != point;
                                }
                                CHECK(right);
                                CHECK(listed == n);
                                CHECK(index[std::min(n, capacity)] == 0xffffffffu);
                                masses += equal > room;
                            }
                    }
                }
    CHECK(masses > 10); // more equal ones than room, often enough
}

TEST_CASE("counts of candidates add up in any order of additions, start anew at each selection, and stop where 31 bits end")
{
    using sum = gc::exec::add_in_selection;
    const sum add;
    std::mt19937_64 random(3);
    const std::uint32_t large = sum::most_equal;
    for (int round = 0; round < 2000; ++round) {
        sum::word x[3];
        for (sum::word& one : x) one = sum::packed({static_cast<std::uint32_t>(random() % 100000), random() % 3 == 0 ? large - static_cast<std::uint32_t>(random() % 3) : static_cast<std::uint32_t>(random() % 9)}, random() % 3 == 0);
        REQUIRE(add(add(x[0], x[1]), x[2]) == add(x[0], add(x[1], x[2])));
    }
    const auto both = sum::counts(add(sum::packed({4000000000u, 2}, true), sum::packed({200000000u, 3}, false)));
    CHECK(both.above == 4200000000u);
    CHECK(both.equal == 5);
    CHECK(sum::counts(add(sum::packed({1, 2}, false), sum::packed({7, 8}, true))).above == 7);
    CHECK(sum::counts(add(sum::packed({0, large}, false), sum::packed({0, large}, false))).equal == large);
    CHECK(gc::exec::listed_counts{5, 9}.listed(3) == 8);
    CHECK(gc::exec::listed_counts{5, 2}.listed(3) == 7);
}

TEST_CASE("positions of a part are walked piece by piece, empty pieces and borders included")
{
    const gc::tensor_list list{{"none", {0}}, {"a", {13}}, {"b", {1}}, {"no", {0}}, {"nil", {0}}, {"c", {40}}, {"end", {0}}};
    const auto where = gc::make_layout(list, {0, 1, 2, 3, 4, 5, 6}, gc::scope::whole_model, [](std::size_t) { return std::size_t{1}; });
    const auto table = gc::exec::cut_into_tiles(where);
    const auto end = static_cast<std::uint32_t>(table.pieces.size());
    for (std::size_t from = 0; from <= 54; ++from)
        for (std::size_t to = from; to <= 54; ++to) {
            std::size_t next = from;
            bool right = true;
            gc::exec::each_piece_between(table.pieces.data(), 0, end, from, to, [&](const gc::exec::piece& at, std::size_t begin, std::size_t stop) {
                right &= begin == next && begin < stop && begin >= at.first && stop <= at.first + at.size;
                for (std::size_t i = begin; i < stop; ++i) right &= i + (at.offset - at.first) == gc::exec::packed_place(table.pieces.data(), 0, end, i);
                next = stop;
            });
            CHECK(right);
            CHECK(next == to);
        }
}

TEST_CASE("entries of a list are shared out by the parts that their indices lie in, none twice and none left")
{
    std::vector<std::uint32_t> index;
    for (std::uint32_t i = 0; i < 3000; ++i)
        if (i % 7 == 0 || (i > 900 && i < 1000)) index.push_back(i);
    const auto count = static_cast<std::uint32_t>(index.size());
    for (const std::size_t share : {1u, 10u, 733u, 5000u}) {
        std::uint32_t next = 0;
        for (std::size_t from = 0; from < 3000; from += share) {
            const std::uint32_t begin = gc::exec::first_not_below(index.data(), count, from), end = gc::exec::first_not_below(index.data(), count, std::min<std::size_t>(3000, from + share));
            CHECK(begin == next);
            next = end;
            for (std::uint32_t j = begin; j < end; ++j) CHECK((index[j] >= from && index[j] < from + share));
        }
        CHECK(next == count);
    }
    CHECK(gc::exec::first_not_below(index.data(), 0, 5) == 0);
}

TEST_CASE_TEMPLATE("lanes that send marked coordinates equal exec::cpu's random subset", T, float, double)
{
    const gc::tensor_list list{{"a", {13}}, {"b", {9000}}, {"none", {0}}, {"c", {4096}}, {"d", {3, 7}}};
    const std::vector<std::size_t> all{0, 1, 2, 3, 4};
    const gc::exec::cpu_team team;
    const gc::exec::choice_key key{.seed = 5};
    for (const gc::scope over : {gc::scope::per_tensor, gc::scope::whole_model})
        for (const T factor : {T(1), T(7)}) {
                const auto where = gc::make_layout(list, all, over, [](std::size_t d) { return gc::kept_of(d, 6, {}); });
                gc::exec::host_buffer<T> g(list.total()), e(list.total()), d(list.total()), one(where.kept + 1), two(where.kept + 1);
                const auto values = inputs<T>(list.total(), 0, 4);
                std::copy(values.begin(), values.end(), g.data());
                using rule_type = gc::recurrence_rule<T, T, gc::plain_gradient::direction<T, false>, true, false, false>;
                const auto rule_over = [&](T* memory) {
                    rule_type rule(gc::plain_gradient::direction<T, false>(gc::plain_gradient{}));
                    rule.at_step({T(0.5), 0});
                    rule.gradient = g.data();
                    rule.in[rule.error_in] = rule.out[rule.error_out] = memory;
                    return rule;
                };
                std::vector<std::uint32_t> first(gc::index_bytes(where) / 4), second(where.kept + 1, 7);
                auto* const sent = reinterpret_cast<std::byte*>(first.data());
                gc::exec::subset_engine<gc::exec::cpu_team, T> engine(team, where, [&](const gc::selection&) { return factor; });
                const auto rules = [&](const gc::segment& s) {
                    auto at = rule_over(e.data());
                    at.advance(s.offset);
                    return at;
                };
                engine.encode(team, where, rules, {T(0.5), 3}, key, one.data(), sent, {});
                for (std::size_t number = 0; number < where.selections.size(); ++number) {
                    const gc::selection& s = where.selections[number];
                    if (s.size == 0) continue;
                    std::vector<std::uint32_t> bits(s.size / 32 + 1);
                    const gc::keyed_permutation order(static_cast<std::uint32_t>(s.size), key.stream(3, s.key, gc::purpose::rand_k));
                    for (std::uint32_t j = 0; j < s.kept; ++j) bits[order(j) / 32] |= 1u << (order(j) % 32);
                    CHECK(list_candidates<T>(where, number, rule_over(d.data()), gc::exec::pick_marked<T>{bits.data(), factor},
                              {second.data() + s.payload, two.data() + s.payload, static_cast<std::uint32_t>(s.kept)}) == s.kept);
                    const auto index = conformance::read_indices(engine.form(number), engine.indices(number, sent), s.kept);
                    CHECK(std::equal(index.begin(), index.end(), second.begin() + static_cast<std::ptrdiff_t>(s.payload)));
                }
                CHECK(std::equal(one.data(), one.data() + where.kept, two.data()));
                CHECK(std::equal(e.data(), e.data() + list.total(), d.data()));
            }
}
