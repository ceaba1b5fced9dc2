// What CUDA threads do for choices that need all of p, and for indices in their shortest form, on the CPU: the same bits as exec::cpu.
#include "conformance/indices.hpp"
#include "cuda_lanes.hpp"
#include "cuda_threads.hpp"

#include <gradcomp/core/kept.hpp>
#include <gradcomp/exec/cuda/index_forms.hpp>
#include <gradcomp/exec/cuda/late_choice.hpp>
#include <gradcomp/memory/recurrence.hpp>
#include <gradcomp/optim/plain_gradient.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <random>

namespace gc = gradcomp;
using cuda_threads::thread_block, cuda_threads::thread_warp;
using gc::exec::non_finite;

namespace {

template <class T> std::vector<T> noise(std::size_t n, std::uint64_t seed)
{
    std::mt19937_64 random(seed);
    std::normal_distribution<double> normal;
    std::vector<T> x(n);
    for (T& v : x) v = static_cast<T>(normal(random));
    return x;
}

/// k indices out of n, ascending.
std::vector<std::uint32_t> chosen(std::size_t n, std::size_t k, std::uint64_t seed)
{
    std::vector<std::uint32_t> all(n);
    for (std::size_t i = 0; i < n; ++i) all[i] = static_cast<std::uint32_t>(i);
    std::shuffle(all.begin(), all.end(), std::mt19937_64(seed));
    all.resize(k);
    std::sort(all.begin(), all.end());
    return all;
}

} // namespace

TEST_CASE_TEMPLATE("lanes note the rates of arrival that the CPU notes, wherever a tensor starts, and leave everything behind", T, float, double)
{
    const gc::tensor_list list{{"a", {13}}, {"b", {9000}}, {"none", {0}}, {"c", {4096}}, {"d", {3, 7}}};
    const std::vector<std::size_t> all{0, 1, 2, 3, 4};
    const gc::exec::cpu_team team;
    const gc::exec::choice_key key{.seed = 5, .owner = 3};
    for (const gc::scope over : {gc::scope::per_tensor, gc::scope::whole_model})
        for (const non_finite policy : {non_finite::zero_and_count, non_finite::propagate}) {
            const auto where = gc::make_layout(list, all, over, [](std::size_t d) { return gc::kept_of(d, 6, {}); });
            gc::exec::host_buffer<T> g(list.total()), e(list.total()), d(list.total()), one(list.total()), two(list.total());
            const auto values = noise<T>(list.total(), 4);
            std::copy(values.begin(), values.end(), g.data());
            if (policy != non_finite::propagate) g.data()[77] = std::numeric_limits<T>::quiet_NaN();
            for (std::size_t i = 100; i < 200; ++i) g.data()[i] = 0;
            using rule_type = gc::recurrence_rule<T, T, gc::plain_gradient::direction<T, false>, true, false, false>;
            const auto rule_over = [&](T* memory) {
                rule_type rule(gc::plain_gradient::direction<T, false>(gc::plain_gradient{}));
                rule.at_step({T(0.5), 0});
                rule.gradient = g.data();
                rule.in[rule.error_in] = rule.out[rule.error_out] = memory;
                return rule;
            };
            std::size_t bad = 0;
            for (const gc::selection& s : where.selections)
                for (std::size_t at = s.begin; at < s.end; ++at) {
                    const gc::segment& piece = where.segments[at];
                    const gc::exec::detail::list_rates<T> rates(one.data() + s.position + piece.first, piece.first, key.stream(8, s.key, gc::purpose::arrival));
                    auto rule = rule_over(e.data());
                    rule.advance(piece.offset);
                    bad += gc::exec::sweep(team, rule, piece.size, rates, {.bad_elements = policy}).bad;
                }
            const std::size_t bad_lanes = cuda_lanes::sweep(where, rule_over(d.data()), policy, [&](const gc::exec::tile_range& r) {
                const gc::selection& s = where.selections[r.selection];
                return gc::exec::lane_rates<T>{two.data() + s.position, key.stream(8, s.key, gc::purpose::arrival)};
            });
            CHECK(bad == bad_lanes);
            CHECK(std::equal(one.data(), one.data() + one.size(), two.data()));
            CHECK(std::equal(e.data(), e.data() + e.size(), d.data()));
        }
}

TEST_CASE_TEMPLATE("eight lanes of a warp measure a tile as the CPU does, four tiles at once, and a warp adds the tiles as tree_sum() does", T, float, double)
{
    auto x = noise<T>(5000, 3);
    constexpr std::size_t tile = gc::exec::tile_size;
    const std::size_t tiles = (x.size() + tile - 1) / tile;
    if (sizeof(T) == sizeof(double)) // tiles whose squares overflow or vanish
        for (std::size_t i = 0; i < x.size(); ++i) x[i] *= static_cast<T>(i / tile % 4 == 0 ? 1e180 : i / tile % 4 == 1 ? 1e-180 : 1);
    std::vector<T> largest(tiles), expected_largest(tiles);
    std::vector<double> squares(tiles), expected_squares(tiles);
    gc::exec::detail::measure_tiles<T> measure;
    measure.largest = expected_largest.data();
    measure.squares = expected_squares.data();
    for (std::size_t t = 0; t < tiles; ++t) measure.template choose<gc::exec::isa::scalar>(t * tile, std::min(tile, x.size() - t * tile), x.data() + t * tile, nullptr);
    gc::measured_magnitudes seen;
    cuda_threads::run<thread_warp>([&](const thread_warp& warp) {
        for (std::size_t base = 0; base < tiles; base += 4) {
            const std::size_t t = base + static_cast<std::size_t>(warp.lane() / 8), first = t * tile;
            const std::size_t count = first < x.size() ? std::min(tile, x.size() - first) : 0;
            const auto found = gc::exec::measure_by_eight<T>(warp, count, [&](std::size_t i) { return x[first + i]; });
            if (count == 0 || warp.lane() % 8 != 0) continue;
            largest[t] = __builtin_bit_cast(T, found.largest);
            squares[t] = found.squares;
        }
        warp.sync();
        const auto all = gc::exec::magnitudes_of_tiles(warp, largest.data(), squares.data(), tiles);
        if (warp.lane() == 17) seen = all;
    });
    CHECK(largest == expected_largest);
    CHECK(squares == expected_squares);
    const auto exponent_of = [&](std::size_t t) { return gc::square_exponent<T>(gc::bits_of(largest[t])); };
    int common = exponent_of(0);
    for (std::size_t t = 0; t < tiles; ++t) common = std::max(common, exponent_of(t));
    CHECK(seen.exponent == common);
    CHECK(seen.squares == gc::tree_sum<double>(tiles, [&](std::size_t t, double sum) { return sum + gc::squares_in(squares[t], exponent_of(t), common); }));
    CHECK(gc::is_finite(seen.squares));
    CHECK(seen.largest == static_cast<double>(*std::max_element(largest.begin(), largest.end())));
}

TEST_CASE("a least magnitude never lies above its limit, and is never 0")
{
    CHECK(gc::least_magnitude<float>(0.1) <= 0.1);
    CHECK(static_cast<double>(gc::least_magnitude<float>(1 + 0x1p-24 + 0x1p-40)) == 1.0);
    CHECK(gc::least_magnitude<double>(0.1) == 0.1);
    CHECK(gc::least_magnitude<float>(0) == std::numeric_limits<float>::denorm_min());
}

TEST_CASE("threads write and read indices in the bytes of the CPU, 16 bits, tiles of 16 bits, 32 and 64")
{
    const gc::tensor_list list{{"a", {50}}, {"none", {0}}, {"b", {300000}}, {"c", {200000}}, {"d", {65536}}};
    const std::vector<std::size_t> all{0, 1, 2, 3, 4};
    for (const gc::scope over : {gc::scope::per_tensor, gc::scope::whole_model}) {
        const auto where = gc::make_layout(list, all, over, [](std::size_t d) { return d == 200000 ? 3 : d / 20 + (d > 0); });
        auto places = gc::exec::placed_indices_of(where);
        std::size_t tiles = 0;
        for (const auto& s : places) tiles += s.form.tiles;
        places.push_back({gc::index_form{300000, 77, 0, 8}, 0, 0, tiles}); // what no selection of this size takes
        std::vector<std::uint32_t> starts(tiles + 1, 0xffffffffu);
        for (std::size_t n = 0; n < places.size(); ++n) {
            const auto& s = places[n];
            const gc::index_form& form = s.form;
            for (const std::size_t count : {form.kept, form.kept / 2}) { // a message may have room for more
                const auto plain = chosen(form.size, count, n);
                const auto expected = conformance::written_indices(form, {plain.begin(), plain.end()});
                std::vector<std::uint32_t> words(form.bytes() / 4);
                auto* const wire = reinterpret_cast<std::byte*>(words.data());
                for (std::size_t j = count; j-- > 0;) gc::exec::write_index(form, plain.data(), count, j, wire, [](std::uint32_t& counter, std::uint32_t x) { counter += x; });
                CHECK(words == expected);
                std::atomic<int> right{0};
                cuda_threads::run<thread_block>([&](const thread_block& block) {
                    right += form.tiles == 0 || gc::exec::sum_counts(block, words.data(), form.tiles, count, starts.data() + s.first_tile);
                });
                CHECK(right == thread_block::threads);
                std::size_t wrong = 0;
                for (std::size_t j = 0; j < count; ++j) wrong += gc::exec::read_index(form, starts.data() + s.first_tile, wire, j) != plain[j];
                for (std::size_t j = 0; j < form.kept; ++j) wrong += !gc::exec::is_index_right(form, count, starts.data() + s.first_tile, wire, j);
                CHECK(wrong == 0);
            }
        }
        CHECK(starts[tiles] == 0xffffffffu);
    }
}

TEST_CASE("threads refuse what the CPU refuses")
{
    const auto verdicts = [](const gc::index_form& form, std::size_t count, const std::vector<std::uint32_t>& words) {
        const auto* const wire = reinterpret_cast<const std::byte*>(words.data());
        bool cpu = true, lanes = true;
        try {
            gc::check_indices(form, count, wire, 0);
        } catch (const gc::error&) {
            cpu = false;
        }
        std::vector<std::uint32_t> starts(form.tiles);
        std::atomic<bool> adds_up{true};
        cuda_threads::run<thread_block>([&](const thread_block& block) {
            if (form.tiles > 0 && !gc::exec::sum_counts(block, words.data(), form.tiles, count, starts.data())) adds_up = false;
        });
        for (std::size_t j = 0; j < form.kept; ++j) lanes &= gc::exec::is_index_right(form, count, starts.data(), wire, j);
        return std::pair(cpu, adds_up && lanes);
    };
    std::mt19937_64 random(9);
    int refused = 0, accepted = 0;
    for (const gc::index_form& form : {gc::index_form_of(1000, 7), gc::index_form_of(1000, 8), gc::index_form_of(140000, 21), gc::index_form{140000, 9, 0, 4}, gc::index_form{140000, 9, 0, 8}})
        for (const std::size_t count : {form.kept, form.kept - 3}) {
            const auto plain = chosen(form.size, count, 3);
            const auto good = conformance::written_indices(form, {plain.begin(), plain.end()});
            CHECK(verdicts(form, count, good) == std::pair(true, true));
            for (int flip = 0; flip < 200; ++flip) {
                auto bad = good;
                bad[random() % bad.size()] ^= 1u << (random() % 32);
                const auto [cpu, lanes] = verdicts(form, count, bad);
                CHECK(cpu == lanes);
                (cpu ? accepted : refused) += 1;
            }
        }
    CHECK((refused > 100 && accepted > 100));
}

TEST_CASE("elements that 32 bits do not number, with a step of a grid behind the last, are refused by name")
{
    const auto place = [](std::size_t size) {
        const gc::tensor_list list{{"huge", {size}}};
        gc::exec::placed_indices_of(gc::make_layout(list, {0}, gc::scope::per_tensor, [](std::size_t) { return std::size_t{3}; }));
    };
    const std::size_t most = 4293918720; // 2^32 - 2^20
    CHECK_NOTHROW(place(most));
    for (const std::size_t size : {most + 1, std::size_t{1} << 32, std::size_t{1} << 33}) {
        try {
            place(size);
            FAIL("accepted");
        } catch (const gc::error& e) {
            CHECK(e.code() == gc::error_code::size_overflow);
            CHECK(e.field() == "size");
            CHECK(e.value() == std::to_string(size));
        }
    }
}

TEST_CASE("counts of a message that do not add up are noticed, and what is read of it stays in bounds")
{
    constexpr std::uint32_t huge = 0xffffffffu;
    const std::vector<std::vector<std::uint32_t>> wrong{{0, 0, 0}, {5, 5, 5}, {huge, 11, 0}, {huge, huge, huge}, {9, 0, 0}, {0, 65537, 0}};
    for (const auto& counts : wrong) {
        const gc::index_form form{3 * gc::index_tile, 10, 3, 2};
        std::vector<std::uint32_t> wire(3 + 5), starts(4, 77);
        std::copy(counts.begin(), counts.end(), wire.begin());
        std::atomic<int> right{0};
        cuda_threads::run<thread_block>([&](const thread_block& block) { right += gc::exec::sum_counts(block, wire.data(), 3, form.kept, starts.data()); });
        CHECK(right == 0);
        CHECK(starts[3] == 77);
        for (std::size_t j = 0; j < form.kept; ++j) CHECK(gc::exec::read_index(form, starts.data(), reinterpret_cast<const std::byte*>(wire.data()), j) < form.size);
    }
}
