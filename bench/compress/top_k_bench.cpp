/// @file Top-k with and without error feedback, against bare kernels and against what a user would otherwise call.
#include "floor.hpp"
#include "harness.hpp"
#include "inputs.hpp"

#include <gradcomp/exec/cpu/select.hpp>

#include <sstream>
#include <tuple>

namespace {

using namespace gradcomp;
using namespace gradcomp::exec;
using bench::data;

/// p = e + eta * g, e' = p - c. Staged: e' lies elsewhere, and is never read in the sweep.
template <bool Staged> struct error_feedback : rule_streams<float, float, 1, 1, Staged ? 1u : 0u> {
    float eta = 1;
    GRADCOMP_INLINE float value(float g, const float* x) const { return multiply_add(eta, g, x[0]); }
    GRADCOMP_INLINE void leave(float, const float*, float p, float c, float* y) const { y[0] = p - c; }
    GRADCOMP_INLINE void settle(std::size_t i, float p, float c) const { this->out[0][i] = p - c; }
    GRADCOMP_INLINE float owed_at(std::size_t i) const { return this->in[0][i]; }
};

enum class storage { none, in_place, staged };

struct top_k_case {
    storage memory = storage::none;
    data kind = data::gauss;
    std::size_t d = 0;
    double ratio = 1;
    int threads = 1;
    double gate = 0, aim = 0;

    std::size_t k() const { return static_cast<std::size_t>(static_cast<double>(d) / ratio); }
    std::string name() const
    {
        std::ostringstream text;
        text << (memory == storage::none ? "none" : "ef") << "+top_k.encode/cpu/float/" << bench::name_of(kind) << "/d:" << d << "/ratio:" << ratio << "/threads:" << threads;
        if (memory == storage::staged) text << "/storage:staged";
        return text.str();
    }
    bench::record empty_record() const
    {
        const char* operations[] = {"top_k", "ef + top_k", "ef + top_k, staged"};
        const char* floors[] = {"read", "m += s * g", "m + s * g, out of place"};
        const double streams = memory == storage::none ? 4 : 12;
        bench::record r;
        r.name = name();
        r.operation = operations[static_cast<int>(memory)];
        r.floor = floors[static_cast<int>(memory)];
        r.data = bench::name_of(kind);
        r.elements = d;
        r.ratio = ratio;
        r.threads = threads;
        r.gate = gate;
        r.aim = aim;
        r.bytes_per_element = streams + 4 / ratio + static_cast<double>(index_form_of(d, k()).bytes()) / static_cast<double>(d);
        return r;
    }
};

/// The message must be the k largest of g (the memory starts at 0), by an independent method.
const char* mistake(const bench::huge_array<float>& g, const index_form& form, const std::byte* indices, const float* value)
{
    const std::size_t n = g.size(), k = form.kept;
    check_indices(form, k, indices, 0);
    std::vector<std::size_t> index;
    each_index_run(form, indices, 0, k, [&](auto places, std::size_t base, std::size_t from, std::size_t to) {
        for (std::size_t j = from; j < to; ++j) index.push_back(base + places[j]);
    });
    std::vector<std::uint32_t> keys(n);
    for (std::size_t i = 0; i < n; ++i) keys[i] = magnitude(g[i]);
    std::nth_element(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(k) - 1, keys.end(), std::greater<>());
    const std::uint32_t threshold = keys[k - 1];
    std::size_t ties = k - static_cast<std::size_t>(std::count_if(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(k), [&](std::uint32_t key) { return key > threshold; }));
    std::size_t at = 0;
    for (std::size_t i = 0; i < n; ++i) {
        const std::uint32_t key = magnitude(g[i]);
        if (key < threshold || (key == threshold && ties == 0)) continue;
        ties -= key == threshold;
        if (at == k || index[at] != i || bits_of(value[at]) != bits_of(g[i])) return "the message is not the k largest in index order";
        ++at;
    }
    return at == k ? nullptr : "the message misses elements";
}

void run_top_k(benchmark::State& state, const top_k_case& what)
{
    const bench::huge_array<float>& g = bench::input(what.kind, what.d);
    const std::size_t n = what.d, k = what.k(), lanes = what.memory == storage::none ? 1 : n;
    const bench::huge_array<float> e(lanes), e_out(what.memory == storage::staged ? n : 1), value_store(k + 16);
    const index_form form = index_form_of(n, k);
    const bench::huge_array<std::byte> index_store(form.bytes());
    const cpu_team team(static_cast<std::size_t>(what.threads));
    top_k_workspace<float> workspace(n, k, team.threads());
    const exec::segment whole[] = {{n, 0}};
    bench::record record = what.empty_record();
    std::uint32_t step = 0, seen = 0;

    const auto select = [&](const auto& rule, const float* left) {
        read_rule<float> again;
        again.gradient = left;
        const random_stream sample{1, step++, 0, purpose::sample, 1};
        const select_report report = select_top_k<float>(team, whole, [&](std::size_t) { return rule; }, [&](std::size_t) { return again; }, k, sample,
            form, index_store.data(), value_store.data(), workspace, {non_finite::propagate, what.memory == storage::staged});
        record.fallbacks += report.fallback;
    };
    const auto feed_back = [&](auto rule, float* to) {
        rule.gradient = g.data();
        rule.in[0] = e.data();
        rule.out[0] = to;
        select(rule, to);
    };
    const auto operate = [&] {
        if (what.memory == storage::in_place) return feed_back(error_feedback<false>{}, e.data());
        if (what.memory == storage::staged) return feed_back(error_feedback<true>{}, e_out.data());
        read_rule<float> read;
        read.gradient = g.data();
        select(read, g.data());
    };
    const auto prepare = [&] { e.clear(); };
    std::vector<std::function<void()>> floors;
    if (what.memory == storage::none)
        floors.push_back([&] { bench::on_team(team, n, [&](std::size_t first, std::size_t count) { return bench::read_kernel{g.data() + first, count, &seen}; }); });
    if (what.memory == storage::in_place)
        floors.push_back([&] { bench::on_team(team, n, [&](std::size_t first, std::size_t count) { return bench::update_kernel{g.data() + first, e.data() + first, 1e-9f, count}; }); });
    if (what.memory == storage::staged) {
        floors.push_back([&] { bench::on_team(team, n, [&](std::size_t f, std::size_t count) { return bench::copy_kernel{g.data() + f, e.data() + f, e_out.data() + f, 1, count}; }); });
        floors.push_back([&] { bench::on_team(team, n, [&](std::size_t f, std::size_t count) { return bench::stream_kernel{g.data() + f, e.data() + f, e_out.data() + f, 1, count}; }); });
    }
    prepare();
    operate();
    if (const char* wrong = mistake(g, form, index_store.data(), value_store.data())) return state.SkipWithError(wrong);
    record.fallbacks = 0;
    bench::take_turns(state, floors, prepare, operate, record);
    benchmark::DoNotOptimize(seen);
}

/// Gates and aims of the ratio at ratio 1000, 100 and 10, where one is set.
std::pair<double, double> limits_of(storage memory, data kind, double ratio)
{
    const int at = ratio > 500 ? 0 : ratio > 50 ? 1 : 2;
    constexpr double gates[3][3] = {{1.3, 1.8, 2.5}, {1.25, 1.35, 1.65}, {1.5, 1.6, 1.9}}, aims[3][3] = {{1.1, 1.35, 1.8}, {1.1, 1.2, 1.4}, {1.3, 1.4, 1.6}};
    if (kind == data::gauss || kind == data::heavy) return {gates[static_cast<int>(memory)][at], aims[static_cast<int>(memory)][at]};
    if (memory == storage::none && at > 0) return {8, 4};
    return {0, 0};
}

void register_them(const bench::settings& settings)
{
    for (const std::size_t d : {std::size_t{25'557'032}, std::size_t{110'000'000}})
        for (const data kind : {data::gauss, data::heavy, data::ties, data::zeros, data::nan})
            for (const int threads : {1, 2})
                for (const storage memory : {storage::in_place, storage::staged, storage::none})
                    for (const double ratio : {1000.0, 100.0, 10.0}) {
                        if (d > 50'000'000 && !settings.full) continue;
                        top_k_case what{memory, kind, d, ratio, threads};
                        if (threads == 1 && d < 50'000'000) std::tie(what.gate, what.aim) = limits_of(memory, kind, ratio);
                        benchmark::RegisterBenchmark(what.name().c_str(), [what](benchmark::State& state) { run_top_k(state, what); })
                            ->Iterations(settings.repetitions)->UseManualTime()->Unit(benchmark::kMillisecond);
                    }
}

const bench::room here(register_them);

} // namespace
