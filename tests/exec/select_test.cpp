#include "select_inputs.hpp"

#include <doctest/doctest.h>

using namespace gradcomp;
using namespace gradcomp::exec;

namespace {

template <class T> bool same_bits(T a, T b) { return bits_of(a) == bits_of(b); }

/// The message is the k largest of p, its neighbours are untouched, and message and memory together are p, bit for bit.
template <class T> bool right(const trial<T>& what, const std::vector<T>& p, const std::vector<std::uint32_t>& winners, const selected<T>& out)
{
    const std::size_t k = what.k;
    if (out.words.front() != 77u || out.words.back() != 77u || out.value[0] != T(77) || out.value[k + 1] != T(77)) return false;
    const std::vector<std::size_t> index(winners.begin(), winners.end());
    if (!std::equal(out.words.begin() + 1, out.words.end() - 1, conformance::written_indices(out.form, index).begin())) return false;
    std::vector<T> rest = p;
    for (std::size_t j = 0; j < k; ++j) {
        if ( !same_bits(out.value[j + 1], p[winners[j]])) return false;
        rest[winners[j]] = p[winners[j]] - p[winners[j]];
    }
    if (what.memory.empty()) return true;
    for (std::size_t i = 0; i < p.size(); ++i)
        if (!same_bits(out.memory[i], rest[i])) return false;
    return true;
}

template <class T> trial<T> one_tensor(data kind, std::size_t n, std::size_t k, bool memory, std::uint32_t seed = 1)
{
    trial<T> what{make<T>(kind, n, seed), {}, {{n, 0}}, k};
    if (memory) what.memory = make<T>(data::gauss, n, seed + 1);
    if (memory && kind != data::gauss && kind != data::nan) what.memory.assign(n, T(0));
    return what;
}

template <class T> void check(const trial<T>& what, const std::vector<T>& p, const std::vector<std::uint32_t>& winners)
{
    const selected<T> out = what.run();
    INFO("n ", what.gradient.size(), " k ", what.k, " threads ", what.threads, " segments ", what.segments.size());
    CHECK(right(what, p, winners, out));
}
template <class T> void check(const trial<T>& what)
{
    const std::vector<T> p = what.p();
    check(what, p, largest(p, what.k));
}

std::vector<std::size_t> some_k(std::size_t n)
{
    std::vector<std::size_t> ks;
    for (const std::size_t k : {std::size_t{0}, std::size_t{1}, std::size_t{2}, n / 1000, n / 100, n / 10, n / 2, n - 1, n})
        if (k <= n && std::find(ks.begin(), ks.end(), k) == ks.end()) ks.push_back(k);
    return ks;
}

} // namespace

TEST_CASE_TEMPLATE("top-k equals a full sort for every size up to 1025", T, float, double)
{
    for (const isa level : levels_here()) {
        const forced_level forced(level);
        for (const data kind : all_data)
            for (std::size_t n = 0; n <= 1025; n += n < 70 ? 1 : 37)
                for (const std::size_t k : some_k(n)) check(one_tensor<T>(kind, n, k, n % 2 == 0));
    }
}

TEST_CASE_TEMPLATE("top-k equals a full sort around powers of two", T, float, double)
{
    for (const data kind : all_data)
        for (int power = 11; power <= 17; power += 2)
            for (const std::size_t n : {(std::size_t{1} << power) - 1, std::size_t{1} << power, (std::size_t{1} << power) + 1}) {
                const trial<T> base = one_tensor<T>(kind, n, n, true);
                const std::vector<T> p = base.p();
                for (const std::size_t k : {n / 1000, n / 100, n / 10, n - 1}) {
                    const std::vector<std::uint32_t> winners = largest(p, k);
                    for (const isa level : levels_here()) {
                        const forced_level forced(level);
                        trial<T> what = base;
                        what.k = k;
                        check(what, p, winners);
                    }
                }
            }
}

TEST_CASE_TEMPLATE("threads and instruction sets change no bit of message or memory", T, float, double)
{
    for (const data kind : all_data)
        for (const std::size_t k : {std::size_t{300}, std::size_t{30000}})
            for (const bool memory : {false, true}) {
                trial<T> what = one_tensor<T>(kind, 300007, k, memory);
                const std::vector<T> p = what.p();
                const std::vector<std::uint32_t> winners = largest(p, k);
                for (const isa level : levels_here())
                    for (const std::size_t threads : {1u, 2u, 3u, 7u}) {
                        const forced_level forced(level);
                        what.threads = threads;
                        what.staged = memory && threads == 2;
                        what.options.streamed = threads != 1;
                        check(what, p, winners);
                    }
            }
}

TEST_CASE_TEMPLATE("several tensors are one selection", T, float, double)
{
    for (const data kind : {data::gauss, data::heavy, data::zeros}) {
        trial<T> what = one_tensor<T>(kind, 200000, 0, true);
        what.segments = {{1, 0}, {0, 1}, {100000, 1}, {17, 100001}, {4095, 100018}, {70000, 104113}, {25887, 174113}};
        const std::vector<T> p = what.p();
        for (const std::size_t k : {std::size_t{0}, std::size_t{200}, std::size_t{20000}, std::size_t{200000}}) {
            what.k = k;
            const std::vector<std::uint32_t> winners = largest(p, k);
            for (const isa level : levels_here())
                for (const std::size_t threads : {1u, 3u}) {
                    const forced_level forced(level);
                    what.threads = threads;
                    check(what, p, winners);
                }
        }
    }
}

TEST_CASE("indices start where a segment says")
{
    const std::vector<float> gradient{1, 9, 3, 7, 8, 2};
    const exec::segment segments[] = {{3, 100}, {3, 500}};
    const cpu_team team;
    top_k_workspace<float> workspace(6, 3, 1, 2);
    std::uint16_t index[4];
    float value[3];
    const auto rule_of = [&](std::size_t s) {
        read_rule<float> rule;
        rule.scale = -2;
        rule.gradient = gradient.data() + 3 * s;
        return rule;
    };
    select_top_k<float>(team, segments, rule_of, rule_of, 3, {1, 0, 0, purpose::sample, 0}, index_form_of(503, 3), reinterpret_cast<std::byte*>(index), value, workspace);
    CHECK(std::vector<std::uint16_t>(index, index + 4) == std::vector<std::uint16_t>{101, 500, 501, 0});
    CHECK(std::vector<float>(value, value + 3) == std::vector<float>{-18, -14, -16});
}

TEST_CASE_TEMPLATE("indices of 16 bits in tiles, of 32 and of 64 name the same elements, wherever segments lie in the tiles", T, float, double)
{
    for (const std::size_t gap : {std::size_t{0}, std::size_t{1}, std::size_t{30000}, std::size_t{5} << 32}) { // elements that nobody holds before the others
        const std::size_t n = 300007, k = 30001;
        std::vector<T> p = make<T>(data::heavy, n);
        const auto rule_of_segments = [&](std::span<const exec::segment> segments) {
            return [&p, segments, gap](std::size_t s) {
                read_rule<T> rule;
                rule.gradient = p.data() + (segments[s].first - gap);
                return rule;
            };
        };
        const exec::segment segments[] = {{70001, gap}, {0, gap + 70001}, {100000, gap + 70001}, {130006, gap + 170001}};
        const auto rule_of = rule_of_segments(segments);
        const std::vector<std::uint32_t> winners = largest(p, k);
        std::vector<std::size_t> index;
        for (const std::uint32_t i : winners) index.push_back(gap + i);
        const std::size_t size = gap + n;
        for (const index_form& form : {index_form{size, k, (size + index_tile - 1) / index_tile, 2}, index_form{size, k + 3, 0, 4}, index_form{size, k, 0, 8}}) {
            if (form.width == 4 && gap > n) continue;
            const std::vector<std::uint32_t> expected = conformance::written_indices(form, index);
            for (const isa level : levels_here())
                for (const std::size_t threads : {1u, 3u}) {
                    const forced_level forced(level);
                    const cpu_team team(threads);
                    top_k_workspace<T> workspace(n, k, threads, 4);
                    std::vector<std::uint32_t> words(expected.size() + 2, 77u);
                    std::vector<T> value(k);
                    select_top_k<T>(team, segments, rule_of, rule_of, k, {1, 0, 0, purpose::sample, 0}, form, reinterpret_cast<std::byte*>(words.data() + 1), value.data(), workspace);
                    CAPTURE(gap);
                    CAPTURE(form.width);
                    CHECK((words.front() == 77u && words.back() == 77u));
                    CHECK(std::equal(expected.begin(), expected.end(), words.begin() + 1));
                }
        }
    }
}

TEST_CASE_TEMPLATE("any bracket gives the exact result", T, float, double)
{
    using limits = bracket<T>;
    const auto key = [](double x) { return magnitude(static_cast<T>(x)); };
    const auto never = limits::never;
    const limits brackets[] = {{key(3), key(4), key(5)}, {key(1e9), never, never}, {0, 0, 0}, {0, never, never}, {0, key(0.1), key(0.2)}, {key(1), key(1), key(1)},
        {key(1.5), key(1.6), key(1.55)}, {0, 0, never}, {key(0.5), never, static_cast<decltype(key(0))>(key(0.5) + 1)}, {never, never, never}};
    for (const data kind : all_data)
        for (const bool memory : {false, true}) {
            trial<T> what = one_tensor<T>(kind, 140000, 14000, memory); // three runs of places, and enough for two members
            const std::vector<T> p = what.p();
            const std::vector<std::uint32_t> winners = largest(p, what.k);
            for (const limits& wrong : brackets)
                for (const isa level : levels_here())
                    for (const std::size_t threads : {1u, 2u}) {
                        const forced_level forced(level);
                        what.limits = wrong;
                        what.threads = threads;
                        check(what, p, winners);
                    }
        }
}

TEST_CASE("too high a bracket and a full list are fallbacks, a sampled bracket is none")
{
    trial<float> what = one_tensor<float>(data::gauss, 400000, 1000, true);
    CHECK_FALSE(what.run().report.fallback);
    what.limits = bracket<float>{magnitude(100.0f), magnitude(100.0f), magnitude(100.0f)};
    CHECK(what.run().report.fallback);
    what.limits = bracket<float>{0, 0, 0};
    CHECK(what.run().report.fallback);
    check(what);
}

TEST_CASE("elements that are not finite count as 0 when the policy says so")
{
    for (const bool memory : {false, true})
        for (const bool miss : {false, true}) {
            trial<float> what = one_tensor<float>(data::nan, 50000, 600, memory);
            what.options.bad_elements = non_finite::zero_and_count;
            if (miss) what.limits = bracket<float>{bracket<float>::never, 0, 0};
            trial<float> clean = what;
            for (float& g : clean.gradient)
                if (!is_finite(g)) g = 0;
            const selected<float> out = what.run();
            const std::vector<float> p = clean.p();
            CHECK(right(clean, p, largest(p, what.k), out));
            CHECK(out.report.tally.bad == 50000 / 97 + 1);
            CHECK(out.report.fallback == miss);
        }
}

TEST_CASE_TEMPLATE("NaN of any payload and sign are equally large, so the lowest indices win among them, with any bracket", T, float, double)
{
    using limits = bracket<T>;
    const bits_t<T> quiet = magnitude(std::numeric_limits<T>::quiet_NaN()), nan = key_of<T>::nan;
    const limits brackets[] = {{nan, nan, limits::never}, {nan, limits::never, static_cast<bits_t<T>>(nan + 1)}, {quiet, quiet, limits::never}, {static_cast<bits_t<T>>(quiet + 5), limits::never, limits::never}, {0, nan, nan},
        {magnitude(T(2)), quiet, limits::never}};
    for (const std::size_t one_in : {7u, 97u}) // more NaN than are sent, and fewer
        for (const bool memory : {false, true}) {
            trial<T> what = one_tensor<T>(data::gauss, 40000, 2000, memory);
            if (memory) what.memory.assign(40000, T(0));
            for (std::size_t i = 5; i < 40000; i += one_in)
                what.gradient[i] = __builtin_bit_cast(T, static_cast<bits_t<T>>((quiet + (i * 40503) % 1000) | (i % 2 ? key_of<T>::sign : 0)));
            const std::vector<T> p = what.p();
            const std::vector<std::uint32_t> winners = largest(p, what.k);
            for (const isa level : levels_here())
                for (const std::size_t threads : {1u, 2u}) {
                    const forced_level forced(level);
                    what.threads = threads;
                    what.limits.reset();
                    check(what, p, winners);
                    for (const limits& wrong : brackets) {
                        what.limits = wrong;
                        check(what, p, winners);
                    }
                }
        }
}
