// The warps of quantizers' kernels, run on the CPU, against exec::cpu: the same message, memory and counts, bit for bit.
#include "cuda_threads.hpp"

#include <gradcomp/compress/block_sign.hpp>
#include <gradcomp/compress/cast.hpp>
#include <gradcomp/compress/exponential_dithering.hpp>
#include <gradcomp/compress/natural.hpp>
#include <gradcomp/compress/qsgd.hpp>
#include <gradcomp/compress/sign.hpp>
#include <gradcomp/exec/cpu/buffer.hpp>
#include <gradcomp/exec/cpu/code_engines.hpp>
#include <gradcomp/exec/cuda/codes.hpp>
#include <gradcomp/memory/recurrence.hpp>
#include <gradcomp/optim/momentum.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <random>

namespace gc = gradcomp;
using cuda_threads::thread_warp;
using gc::exec::non_finite;

namespace {

// Few tiles, for each is up to a hundred barriers of 32 threads. With no skew two of them are whole and start on the grid of packs.
const gc::tensor_list list{{"a", {12}}, {"b", {512}}, {"none", {0}}, {"c", {527}}, {"d", {3}}};
const std::vector<std::size_t> all{0, 1, 2, 3, 4};

/// The streams of one step of DEF with momentum and weight decay; some may start off the grid of packs.
template <class T> struct step_streams {
    using direction = gc::momentum::direction<T, true>;
    using rule_type = gc::recurrence_rule<T, T, direction, true, true, false>;
    gc::exec::host_buffer<T> memory[5];
    std::size_t skew;
    step_streams(std::size_t shift, bool spoiled, T size) : skew(shift)
    {
        std::mt19937_64 random(5);
        std::normal_distribution<double> normal;
        const std::size_t n = list.total() + 8;
        for (auto& m : memory) {
            m = gc::exec::host_buffer<T>(n);
            for (std::size_t i = 0; i < n; ++i) m.data()[i] = static_cast<T>(normal(random)) * size;
        }
        for (std::size_t i = 600; spoiled && i < n; i += 397) memory[0].data()[i] = i % 2 ? std::numeric_limits<T>::quiet_NaN() : std::numeric_limits<T>::infinity();
        for (std::size_t i = 13; i < 45; ++i) memory[0].data()[i] = memory[1].data()[i] = memory[2].data()[i] = memory[3].data()[i] = 0; // buckets of zeros
    }
    rule_type rule()
    {
        const auto at = [&](int j) { return memory[j].data() + skew; };
        rule_type rule(direction(gc::momentum{.beta = 0.9, .weight_decay = 0.01}), {.in_model_units = true});
        rule.at_step({T(0.1), 5, T(0.3)});
        rule.gradient = at(0);
        rule.in[0] = rule.out[0] = at(1);
        rule.in[direction::point_in] = rule.out[rule.point_out] = at(3);
        rule.in[rule.error_in] = rule.out[rule.error_out] = at(2);
        rule.in[rule.parameters_in] = at(4);
        return rule;
    }
};

template <class T> bool same(const T* a, const T* b, std::size_t n)
{
    for (std::size_t i = 0; i < n; ++i)
        if (gc::bits_of(a[i]) != gc::bits_of(b[i]) && !(a[i] != a[i] && b[i] != b[i])) return false;
    return true;
}

/// The zeros that encode_kernel's launch clears before it.
void clear_gap(const gc::coded_form& form, std::byte* message)
{
    for (std::size_t i = form.parameter_bytes; i < std::min(form.bytes, (form.parameter_bytes + 15) / 16 * 16); ++i) message[i] = std::byte{0};
}

/// All tiles of a layout by one warp, as the blocks of encode_kernel sweep them. wire_of(segment) is where a tensor's parameters go. @return bad elements
template <class Code, class Rule, class WireOf>
std::size_t encode_by_warp(const gc::layout& where, const gc::coded_form& form, const Rule& rule, const Code& code, std::size_t bucket, const gc::exec::choice_key& key, std::uint32_t step,
    bool mends, std::byte* message, WireOf wire_of)
{
    auto tile = std::make_unique<gc::exec::code_shared<Code>>();
    std::vector<std::size_t> bad(thread_warp::threads);
    cuda_threads::run<thread_warp>([&](const thread_warp& warp) {
        for (std::size_t s = 0; s < where.segments.size(); ++s) {
            const gc::segment& piece = where.segments[s];
            for (std::size_t first = 0; first < piece.size; first += gc::code_tile) {
                const gc::exec::code_job<Code> job{first, std::min(piece.size - first, gc::code_tile), bucket, wire_of(s),
                    reinterpret_cast<std::uint32_t*>(message + form.places[s].codes), key.stream(step, static_cast<std::uint32_t>(piece.tensor), gc::purpose::quantize), mends};
                bad[static_cast<std::size_t>(warp.lane())] += gc::exec::encode_tile<gc::exec::host_access>(warp, rule, code, piece.offset, job, *tile);
                warp.sync(); // in the kernel every tile has a warp and memory of its own
            }
        }
    });
    std::size_t sum = 0;
    for (const std::size_t b : bad) sum += b;
    return sum;
}

template <class T, class Code> void compare(const Code& code, std::size_t bucket, T size = 1)
{
    const gc::exec::cpu_team team;
    const auto where = gc::make_layout(list, all, gc::scope::per_tensor, [](std::size_t d) { return d; });
    const auto form = gc::make_coded_form<T>(where, code.bits(), Code::parameters, bucket);
    const gc::exec::choice_key key{.seed = 3, .owner = 2};
    gc::exec::code_engine<gc::exec::cpu_team, T, Code> engine(team, where, form);
    for (const std::size_t skew : {0u, 1u}) {
        const non_finite policy = skew == 0 ? non_finite::zero_and_count : non_finite::propagate;
        CAPTURE(skew);
        step_streams<T> a(skew, true, size), b(skew, true, size);
        gc::exec::host_buffer<std::byte> one(form.bytes + 64), two(form.bytes + 64);
        std::fill_n(one.data(), one.size(), std::byte{0x5a});
        std::fill_n(two.data(), two.size(), std::byte{0x5a});
        const auto rules = [&](const gc::segment& s) {
            auto at = a.rule();
            at.advance(s.offset);
            return at;
        };
        const auto tally = engine.encode(team, where, rules, {T(0.1), 5}, key, code, form, one.data(), {.bad_elements = policy});
        clear_gap(form, two.data());
        T* const wire = reinterpret_cast<T*>(two.data());
        const std::size_t bad = encode_by_warp(where, form, b.rule(), code, bucket, key, 5, policy != non_finite::propagate, two.data(), [&](std::size_t s) { return wire + form.places[s].parameter; });
        CHECK(bad == tally.bad);
        CHECK(std::equal(one.data(), one.data() + one.size(), two.data()));
        for (int j = 0; j < 5; ++j) CHECK(same(a.memory[j].data(), b.memory[j].data(), list.total() + 8));
        std::vector<T> expected(list.total());
        engine.decode(team, where, [&](std::size_t i, T v) { expected[i] = v; }, code, form, one.data());
        bool right = true;
        for (std::size_t s = 0; s < where.segments.size(); ++s)
            for (std::size_t i = 0; i < where.segments[s].size; ++i) {
                const T c = gc::exec::decode_at(code, wire + form.places[s].parameter, reinterpret_cast<const std::uint32_t*>(two.data() + form.places[s].codes), i, bucket);
                right &= same(&c, &expected[where.segments[s].offset + i], 1);
            }
        CHECK(right);
    }
}

} // namespace

TEST_CASE("warps that quantize give the CPU's message and memory, whatever a bucket measures and however many bits a code has")
{
    using T = float;
    SUBCASE("mean") { compare<T>(gc::sign_code<T>{}, 16); }
    SUBCASE("nothing, 1 bit") { compare<T>(gc::known_sign_code<T>{}, 512); }
    SUBCASE("nothing, 9 bits") { compare<T>(gc::natural_code<T>{}, 512); }
    SUBCASE("largest, 8 bits") { compare<T>(gc::natural8_code<T>{}, 512); }
    SUBCASE("norm, 3 bits") { compare<T>(gc::linear_code<T, gc::norm::two>(3), 64); }
    SUBCASE("norm, squares that would overflow") { compare<T>(gc::linear_code<T, gc::norm::two>(8), 512, T(1e30)); }
    SUBCASE("sum") { compare<T>(gc::linear_code<T, gc::norm::one>(7), 8); }
    SUBCASE("range") { compare<T>(gc::range_code<T, gc::rounding::stochastic>(5), 32); }
    SUBCASE("range, nearest") { compare<T>(gc::range_code<T, gc::rounding::nearest>(8), 8); }
    SUBCASE("largest, 16 bits") { compare<T>(gc::cast_code<T, gc::half, gc::rounding::nearest>{}, 512); }
    SUBCASE("levels") { compare<T>(gc::exponential_dithering<>{}.template code<T>(), 128); }
}

TEST_CASE("warps that quantize numbers of 64 bits give the CPU's message and memory")
{
    using T = double;
    SUBCASE("nothing, 12 bits") { compare<T>(gc::natural_code<T>{}, 512); }
    SUBCASE("norm, squares that would overflow") { compare<T>(gc::linear_code<T, gc::norm::two>(4), 64, T(1e200)); }
    SUBCASE("range") { compare<T>(gc::range_code<T, gc::rounding::stochastic>(5), 32); }
    SUBCASE("levels") { compare<T>(gc::exponential_dithering<>{}.template code<T>(), 128); }
}

TEST_CASE_TEMPLATE("codes with means, then scales by a warp, then what stays: sign with one scale for each tensor", T, float, double)
{
    const gc::exec::cpu_team team;
    const auto where = gc::make_layout(list, all, gc::scope::per_tensor, [](std::size_t d) { return d; });
    const auto form = gc::make_coded_form<T>(where, 1, 1, gc::whole_tensor);
    gc::exec::sign_engine<gc::exec::cpu_team, T> engine(team, where, form);
    for (const non_finite policy : {non_finite::zero_and_count, non_finite::propagate}) {
        step_streams<T> a(0, true, 1), b(0, true, 1);
        gc::exec::host_buffer<std::byte> one(form.bytes), two(form.bytes);
        const auto rules = [&](const gc::segment& s) {
            auto at = a.rule();
            at.advance(s.offset);
            return at;
        };
        engine.encode(team, where, rules, {T(0.1), 5}, {}, {}, form, one.data(), {.bad_elements = policy});
        clear_gap(form, two.data());
        std::vector<std::vector<T>> means(where.segments.size());
        for (std::size_t s = 0; s < means.size(); ++s) means[s].resize(where.segments[s].size / gc::code_tile + 1);
        encode_by_warp(where, form, b.rule(), gc::measured_sign_code<T>{}, gc::code_tile, {}, 5, policy != non_finite::propagate, two.data(), [&](std::size_t s) { return means[s].data(); });
        T* const wire = reinterpret_cast<T*>(two.data());
        for (std::size_t s = 0; s < means.size(); ++s) {
            const gc::segment& piece = where.segments[s];
            if (piece.size == 0) continue;
            cuda_threads::run<thread_warp>([&](const thread_warp& warp) {
                const T scale = gc::exec::scale_of_means(warp, means[s].data(), piece.size);
                if (warp.lane() == 0) wire[form.places[s].parameter] = scale;
            });
            const auto rule = b.rule();
            const auto again = rule.again();
            for (std::size_t i = piece.offset; i < piece.offset + piece.size; ++i) {
                const T p = gc::exec::detail::value_at(again, i), scale = wire[form.places[s].parameter];
                rule.settle(i, p, p < T(0) ? -scale : scale);
            }
        }
        CHECK(std::equal(one.data(), one.data() + one.size(), two.data()));
        for (int j = 0; j < 5; ++j) CHECK(same(a.memory[j].data(), b.memory[j].data(), list.total() + 8));
    }
}

TEST_CASE("a warp sums many buckets' means in the order of tree_sum()")
{
    std::vector<float> means(1000);
    for (std::size_t i = 0; i < means.size(); ++i) means[i] = 1.0f / static_cast<float>(i + 3);
    const double expected = gc::tree_sum<double>(means.size(), [&](std::size_t i, double sum) { return gc::multiply_add(static_cast<double>(means[i]), 0.3, sum); });
    std::vector<double> got(thread_warp::threads);
    cuda_threads::run<thread_warp>([&](const thread_warp& warp) {
        got[static_cast<std::size_t>(warp.lane())] = gc::exec::detail::warp_tree_sum<double>(
            warp, means.size(), gc::exec::warp_lanes, [&](std::size_t i, double sum) { return gc::multiply_add(static_cast<double>(means[i]), 0.3, sum); });
    });
    for (const double sum : got) CHECK(gc::bits_of(sum) == gc::bits_of(expected));
}
