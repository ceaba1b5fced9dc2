// The lanes of CUDA sweeps, run on the CPU, against exec::cpu: the same message, memory and counts, bit for bit.
#include "cuda_lanes.hpp"

#include <gradcomp/compress/random_block.hpp>
#include <gradcomp/exec/cuda/apply.hpp>
#include <gradcomp/memory/recurrence.hpp>
#include <gradcomp/optim/momentum.hpp>
#include <gradcomp/stack/streams.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <random>

namespace gc = gradcomp;
using gc::exec::non_finite;

namespace {

struct model {
    gc::tensor_list list;
    std::vector<std::size_t> all;
    explicit model(std::vector<std::size_t> sizes)
    {
        std::vector<gc::tensor> tensors;
        for (std::size_t t = 0; t < sizes.size(); ++t) tensors.push_back({"t" + std::to_string(t), {sizes[t]}}), all.push_back(t);
        list = gc::tensor_list(tensors);
    }
};

std::vector<model> models()
{
    return {model({}), model({0}), model({1}), model({3, 0, 5}), model({4096}), model({4095, 4097, 1}), model({13, 8192, 2, 2, 2, 5000, 0, 7}), model({20001})};
}

/// Streams that may start off the grid of packs, in host memory aligned for packs otherwise.
template <class T> struct streams {
    gc::exec::host_buffer<T> memory[8];
    std::size_t skew;
    streams(std::size_t n, std::size_t shift, std::uint64_t seed) : skew(shift)
    {
        std::mt19937_64 random(seed);
        std::normal_distribution<double> normal;
        for (auto& m : memory) {
            m = gc::exec::host_buffer<T>(n + 16);
            for (std::size_t i = 0; i < n + 16; ++i) m.data()[i] = static_cast<T>(normal(random));
        }
    }
    T* operator[](std::size_t j) { return memory[j].data() + skew; }
};

template <class T, bool Decay, bool Staged> auto make_rule(streams<T>& s, T* out_of_place)
{
    using direction = gc::momentum::direction<T, Decay>;
    gc::recurrence_rule<T, T, direction, true, true, Staged> rule(direction(gc::momentum{.beta = 0.9, .weight_decay = 0.01}), {.in_model_units = true});
    rule.at_step({T(0.1), 5, T(0.3)});
    rule.gradient = s[0];
    rule.in[0] = s[1];
    if (Decay) rule.in[direction::point_in] = s[3];
    rule.in[rule.error_in] = s[2];
    rule.in[rule.parameters_in] = s[4];
    rule.out[0] = Staged ? s[5] : s[1];
    rule.out[rule.error_out] = Staged ? s[6] : s[2];
    rule.out[rule.point_out] = Staged ? out_of_place : s[3];
    return rule;
}

template <class T> bool same(const T* a, const T* b, std::size_t n)
{
    for (std::size_t i = 0; i < n; ++i)
        if (gc::bits_of(a[i]) != gc::bits_of(b[i]) && !(a[i] != a[i] && b[i] != b[i])) return false;
    return true;
}

/// Runs one layout through both executors: CPU engine and lanes. cpu(rules, message) and lanes(rule, message) give the bad elements.
template <class T, bool Decay, bool Staged, class Cpu, class Lanes>
void compare(const gc::layout& where, std::size_t total, std::size_t skew, bool spoiled, Cpu cpu, Lanes lanes)
{
    streams<T> a(total, skew, 7), b(total, skew, 7);
    if (spoiled)
        for (std::size_t i = 3; i < total; i += 97) a[0][i] = b[0][i] = i % 2 ? std::numeric_limits<T>::quiet_NaN() : std::numeric_limits<T>::infinity();
    const auto rule = make_rule<T, Decay, Staged>(a, a[7]);
    gc::exec::host_buffer<T> one(where.kept + 64), two(where.kept + 64);
    for (std::size_t j = 0; j < where.kept + 64; ++j) one.data()[j] = two.data()[j] = T(-77);
    const auto rules = [&](const gc::segment& s) {
        auto at = rule;
        at.advance(s.offset);
        return at;
    };
    const std::size_t bad = cpu(rules, one.data());
    const std::size_t bad_lanes = lanes(make_rule<T, Decay, Staged>(b, b[7]), two.data());
    CHECK(bad == bad_lanes);
    CHECK(same(one.data(), two.data(), where.kept + 64));
    for (std::size_t j = 0; j < 8; ++j) {
        CAPTURE(j);
        CHECK(same(a.memory[j].data(), b.memory[j].data(), total + 16));
    }
}

} // namespace

TEST_CASE_TEMPLATE("a sweep of lanes that send everything, a share or nothing equals the CPU's", T, float, double)
{
    const gc::exec::cpu_team team;
    for (const model& m : models())
        for (const std::size_t skew : {0u, 1u})
            for (const non_finite policy : {non_finite::zero_and_count, non_finite::propagate}) {
                const auto where = gc::make_layout(m.list, m.all, gc::scope::per_tensor, [](std::size_t d) { return d; });
                gc::exec::dense_engine<gc::exec::cpu_team, T> engine(team, where);
                const auto run = [&](auto share, auto chooser) {
                    compare<T, true, false>(
                        where, m.list.total(), skew, policy != non_finite::propagate,
                        [&](const auto& rules, T* message) { return engine.encode(team, where, rules, {}, share, message, {.bad_elements = policy}).bad; },
                        [&](const auto& rule, T* message) {
                            return cuda_lanes::sweep(where, rule, policy, [&](const gc::exec::tile_range& r) { return chooser(message + where.selections[r.selection].payload); });
                        });
                };
                run(gc::exec::whole_share{}, [](T* to) { return gc::exec::lane_all<T, false>{to, T(1)}; });
                run(gc::exec::scaled_share<T>{T(0.3)}, [](T* to) { return gc::exec::lane_all<T, true>{to, T(0.3)}; });
                run(gc::exec::empty_share{}, [](T*) { return gc::exec::lane_none{}; });
            }
}

TEST_CASE_TEMPLATE("lanes that gather random blocks send what the CPU sends, runs and blocks, padding included", T, float, double)
{
    const gc::exec::cpu_team team;
    for (const model& m : models())
        for (const gc::random_block& policy : {gc::random_block{.ratio = 4}, gc::random_block{.ratio = 3, .block = 1}, gc::random_block{.ratio = 3, .block = 16},
                 gc::random_block{.ratio = 2, .block = 1024}, gc::random_block{.ratio = 4, .block = 1000, .scope = gc::scope::whole_model},
                 gc::random_block{.ratio = 5, .scope = gc::scope::whole_model}, gc::random_block{}})
            for (std::uint32_t step = 0; step < 3; ++step) {
                const auto where = gc::make_layout(m.list, m.all, policy.scope, [&](std::size_t d) { return policy.choice(d).kept; });
                const auto choice_of = [&](const gc::selection& s) { return policy.choice(s.size); };
                const gc::exec::choice_key key{.seed = 11};
                gc::exec::block_engine<gc::exec::cpu_team, T> engine(team, where, choice_of);
                CAPTURE(policy.block);
                CAPTURE(m.list.total());
                compare<T, false, true>(
                    where, m.list.total(), step % 2, true,
                    [&](const auto& rules, T* message) { return engine.encode(team, where, rules, {T(0), step}, key, message, {.bad_elements = non_finite::zero_and_count}).bad; },
                    [&](const auto& rule, T* message) {
                        std::vector<std::unique_ptr<cuda_lanes::shared_choice>> shared;
                        return cuda_lanes::sweep(where, rule, non_finite::zero_and_count, [&](const gc::exec::tile_range& r) {
                            const gc::selection& s = where.selections[r.selection];
                            const gc::block_choice choice = choice_of(s);
                            shared.push_back(std::make_unique<cuda_lanes::shared_choice>(choice));
                            const auto& tile = shared.back()->fill(choice, key.stream(step, s.key, gc::purpose::random_block), r);
                            return gc::exec::lane_blocks<T>{&tile, choice, r.first, message + s.payload};
                        });
                    });
            }
}

TEST_CASE("from the message's side the same elements are named as from the streams' side")
{
    const model m({13, 8192, 2, 0, 5000});
    const gc::exec::cpu_team team;
    for (const gc::random_block& policy : {gc::random_block{.ratio = 4}, gc::random_block{.ratio = 3, .block = 16, .scope = gc::scope::whole_model},
             gc::random_block{.ratio = 2, .block = 1000}, gc::random_block{.ratio = 5, .scope = gc::scope::whole_model}}) {
        const auto where = gc::make_layout(m.list, m.all, policy.scope, [&](std::size_t d) { return policy.choice(d).kept; });
        const auto choice_of = [&](const gc::selection& s) { return policy.choice(s.size); };
        gc::exec::block_engine<gc::exec::cpu_team, float> engine(team, where, choice_of);
        const gc::exec::choice_key key{.seed = 3};
        gc::exec::host_buffer<float> stream(m.list.total()), message(where.kept);
        const auto rules = [&](const gc::segment& s) {
            gc::read_rule<float> rule;
            rule.gradient = stream.data() + s.offset;
            return rule;
        };
        engine.encode(team, where, rules, {0, 9}, key, message.data(), {});
        std::vector<float> expected(m.list.total(), -1), seen(m.list.total(), -1);
        for (std::size_t j = 0; j < where.kept; ++j) message.data()[j] = static_cast<float>(j);
        engine.decode(team, where, [&](std::size_t i, float v) { expected[i] = v; }, message.data());
        const auto table = gc::exec::cut_into_tiles(where);
        for (const gc::selection& s : where.selections) {
            const gc::block_choice choice = choice_of(s);
            if (s.size == 0) continue;
            const auto stream_of = key.stream(9, s.key, gc::purpose::random_block);
            const gc::keyed_permutation order = choice.block ? choice.order(stream_of) : gc::keyed_permutation(1, stream_of);
            for (std::size_t at = 0; at < s.kept; ++at) {
                const auto position = gc::exec::element_of(choice, order, choice.block ? 0 : choice.start(stream_of), at);
                if (position == choice.size) continue;
                seen[gc::exec::packed_place(table.pieces.data(), static_cast<std::uint32_t>(s.begin), static_cast<std::uint32_t>(s.end), position)] = message.data()[s.payload + at];
            }
        }
        CHECK(seen == expected);
    }
}

TEST_CASE_TEMPLATE("dense messages applied four at a time move x as one by one, ranks in order, wherever messages lie", T, float, double)
{
    const std::size_t n = 3 * gc::exec::tile_elements + 77;
    std::mt19937_64 random(5);
    std::normal_distribution<double> normal;
    const auto fill = [&](gc::exec::host_buffer<T>& x) { std::generate(x.data(), x.data() + x.size(), [&] { return static_cast<T>(normal(random)); }); };
    for (const std::size_t offset : {std::size_t{0}, std::size_t{5}, gc::exec::tile_elements}) // where the tensor starts
        for (const std::size_t ranks : {1u, 3u})
            for (const std::size_t skew : {0u, 1u, 6u}) {
                gc::exec::host_buffer<T> x(n + 8), y(n + 8), messages(ranks * (n + 3) + 8);
                fill(x), fill(messages);
                std::copy(x.data(), x.data() + x.size(), y.data());
                const gc::exec::piece piece{.offset = offset, .size = n - offset};
                gc::gathered_messages all{reinterpret_cast<const std::byte*>(messages.data() + skew), (n + 3) * sizeof(T), ranks};
                gc::stack::update_target<T, false> one{x.data(), nullptr, nullptr, {}, static_cast<T>(ranks)}, two{y.data(), nullptr, nullptr, {}, static_cast<T>(ranks)};
                one.at_step({T(0.3), 0}), two.at_step({T(0.3), 0});
                for (std::size_t tile = offset / gc::exec::tile_elements; tile * gc::exec::tile_elements < n; ++tile) {
                    const auto range = gc::exec::range_of(piece, {.number = static_cast<std::uint32_t>(tile)});
                    for (int t = gc::exec::apply_lanes - 1; t >= 0; --t) gc::exec::apply_lane<gc::exec::host_access, T>(one, range, t, all, range.first);
                }
                for (std::size_t i = offset; i < n; ++i)
                    for (std::size_t r = 0; r < ranks; ++r) two(i, reinterpret_cast<const T*>(all.at(r))[i - offset]);
                CHECK(std::memcmp(x.data(), y.data(), x.size_bytes()) == 0);
            }
    static_assert(gc::exec::moves_one_stream<gc::stack::update_target<T, false>, T> && !gc::exec::moves_one_stream<gc::stack::update_target<T, true>, T>);
}
