/// @file What a user would otherwise call to get the k largest elements with their indices; workspaces are reused.
#include "floor.hpp"
#include "harness.hpp"
#include "inputs.hpp"

#include <functional>
#include <sstream>

#if defined(GRADCOMP_BENCH_THRUST)
#include <thrust/device_vector.h>
#include <thrust/sequence.h>
#include <thrust/sort.h>
#endif
#if defined(GRADCOMP_BENCH_TORCH)
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#endif

namespace {

using bench::data;

struct rival_case {
    const char *tag, *operation;
    data kind;
    std::size_t d;
    double ratio;
    int threads;

    std::size_t k() const { return static_cast<std::size_t>(static_cast<double>(d) / ratio); }
    std::string name() const
    {
        std::ostringstream text;
        text << tag << ".encode/cpu/float/" << bench::name_of(kind) << "/d:" << d << "/ratio:" << ratio << "/threads:" << threads;
        return text.str();
    }
};

/// The smallest magnitude of a correct message.
std::uint32_t threshold_of(const bench::huge_array<float>& g, std::size_t k)
{
    std::vector<std::uint32_t> keys(g.size());
    for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = gradcomp::magnitude(g[i]);
    std::nth_element(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(k) - 1, keys.end(), std::greater<>());
    return keys[k - 1];
}

/// Checks and measures `select`, which fills index and value with k entries.
void measure(benchmark::State& state, const rival_case& what, std::vector<std::uint32_t>& index, std::vector<float>& value, const std::function<void()>& select)
{
    const bench::huge_array<float>& g = bench::input(what.kind, what.d);
    const gradcomp::exec::cpu_team team(static_cast<std::size_t>(what.threads));
    std::uint32_t seen = 0;
    select();
    const std::uint32_t threshold = threshold_of(g, what.k());
    for (std::size_t j = 0; j < what.k(); ++j)
        if (gradcomp::magnitude(value[j]) < threshold || gradcomp::bits_of(g[index[j]]) != gradcomp::bits_of(value[j])) return state.SkipWithError("the rival's message is wrong");
    bench::record record;
    record.name = what.name();
    record.operation = what.operation;
    record.floor = "read";
    record.data = bench::name_of(what.kind);
    record.elements = what.d;
    record.ratio = what.ratio;
    record.threads = what.threads;
    record.bytes_per_element = 4 + 8 / what.ratio;
    const auto floor = [&] {
        bench::on_team(team, what.d, [&](std::size_t first, std::size_t count) { return bench::read_kernel{g.data() + first, count, &seen}; });
    };
    bench::take_turns(state, {floor}, [] {}, select, record);
    benchmark::DoNotOptimize(seen);
}

void run_nth_element(benchmark::State& state, const rival_case& what)
{
    const bench::huge_array<float>& g = bench::input(what.kind, what.d);
    struct entry {
        std::uint32_t key, index;
    };
    std::vector<entry> entries(what.d);
    std::vector<std::uint32_t> index(what.k());
    std::vector<float> value(what.k());
    measure(state, what, index, value, [&] {
        for (std::size_t i = 0; i < what.d; ++i) entries[i] = {gradcomp::magnitude(g[i]), static_cast<std::uint32_t>(i)};
        std::nth_element(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(what.k()) - 1, entries.end(), [](const entry& a, const entry& b) { return a.key > b.key; });
        for (std::size_t j = 0; j < what.k(); ++j) value[j] = g[index[j] = entries[j].index];
    });
}

#if defined(GRADCOMP_BENCH_THRUST)
void run_thrust(benchmark::State& state, const rival_case& what)
{
    const bench::huge_array<float>& g = bench::input(what.kind, what.d);
    thrust::device_vector<std::uint32_t> keys(what.d), order(what.d);
    std::vector<std::uint32_t> index(what.k());
    std::vector<float> value(what.k());
    measure(state, what, index, value, [&] {
        std::uint32_t* const key = thrust::raw_pointer_cast(keys.data());
        for (std::size_t i = 0; i < what.d; ++i) key[i] = ~gradcomp::magnitude(g[i]); // ascending, so that the largest come first
        thrust::sequence(order.begin(), order.end());
        thrust::stable_sort_by_key(keys.begin(), keys.end(), order.begin());
        const std::uint32_t* const first = thrust::raw_pointer_cast(order.data());
        for (std::size_t j = 0; j < what.k(); ++j) value[j] = g[index[j] = first[j]];
    });
}
#endif

#if defined(GRADCOMP_BENCH_TORCH)
void run_torch(benchmark::State& state, const rival_case& what)
{
    const bench::huge_array<float>& g = bench::input(what.kind, what.d);
    at::set_num_threads(what.threads);
    const auto n = static_cast<std::int64_t>(what.d), k = static_cast<std::int64_t>(what.k());
    const at::Tensor gradient = at::from_blob(g.data(), {n}, at::kFloat);
    at::Tensor size = at::empty({n}, at::kFloat), top = at::empty({k}, at::kFloat), places = at::empty({k}, at::kLong), values = at::empty({k}, at::kFloat);
    std::vector<std::uint32_t> index(what.k());
    std::vector<float> value(what.k());
    measure(state, what, index, value, [&] {
        at::abs_out(size, gradient);
        at::topk_out(top, places, size, k, 0, true, false);
        at::gather_out(values, gradient, 0, places);
        for (std::size_t j = 0; j < what.k(); ++j) {
            index[j] = static_cast<std::uint32_t>(places.data_ptr<std::int64_t>()[j]);
            value[j] = values.data_ptr<float>()[j];
        }
    });
}
#endif

void add(const rival_case& what, void (*run)(benchmark::State&, const rival_case&))
{
    benchmark::RegisterBenchmark(what.name().c_str(), [what, run](benchmark::State& state) { run(state, what); })
        ->Iterations(5)->UseManualTime()->Unit(benchmark::kMillisecond);
}

void register_them(const bench::settings&)
{
    constexpr std::size_t d = 25'557'032;
    for (const data kind : {data::gauss, data::heavy})
        for (const double ratio : {1000.0, 100.0, 10.0}) {
            add({"nth_element", "std::nth_element", kind, d, ratio, 1}, run_nth_element);
#if defined(GRADCOMP_BENCH_THRUST)
            add({"thrust_sort", "thrust sort, OpenMP", kind, d, ratio, 2}, run_thrust);
#endif
#if defined(GRADCOMP_BENCH_TORCH)
            add({"torch_topk", "torch topk + gather", kind, d, ratio, 1}, run_torch);
            add({"torch_topk", "torch topk + gather", kind, d, ratio, 2}, run_torch);
#endif
        }
}

const bench::room here(register_them);

} // namespace
