/// @file A whole step of one rank: local momentum, detached error feedback, random blocks, update, next point; all through the front door.
#include "../floor.hpp"
#include "../harness.hpp"
#include "../inputs.hpp"

#include <gradcomp/gradcomp.hpp>

#include <sstream>

namespace {

namespace gc = gradcomp;

/// m' = beta m + g, e' = e + s m', z = x - lambda e': 28 bytes an element (reads g, m, e, x, writes m, e, z).
template <bool PastCaches> struct step_kernel {
    const float *g, *x;
    float *m, *e, *z;
    std::size_t n;

    template <gc::exec::isa Level> GRADCOMP_INLINE void run() const
    {
        alignas(64) float tile[256];
        for (std::size_t i = 0; i < n; i += 256) {
            const std::size_t count = gc::exec::detail::tile_length(n - i);
            float* const to = PastCaches ? tile : z + i;
            GRADCOMP_INDEPENDENT
            for (std::size_t j = i; j < i + count; ++j) {
                m[j] = gc::multiply_add(0.9f, m[j], g[j]);
                e[j] = gc::multiply_add(1e-3f, m[j], e[j]);
                to[j - i] = gc::multiply_add(-0.3f, e[j], x[j]);
            }
            if constexpr (PastCaches) gc::exec::detail::stream_copy(Level, z + i, tile, count * sizeof(float));
        }
    }
};

struct step_case {
    std::size_t d;
    double ratio;
    std::uint32_t block;
    int threads;
};

void run_step(benchmark::State& state, const step_case& what)
{
    const bench::huge_array<float>& g = bench::input(bench::data::gauss, what.d);
    const bench::huge_array<float> x(what.d), m(what.d), e(what.d), z(what.d), mine(what.d);
    const auto threads = static_cast<std::size_t>(what.threads);
    const gc::exec::cpu_team team(threads);
    gc::comm::in_process_group group(1);
    gc::policy_stack stack{
        .compressor = gc::random_block{.ratio = what.ratio, .block = what.block},
        .memory = gc::def{.lambda = 0.3},
        .reducer = gc::ring{gc::comm::in_process(group, 0)},
        .local = gc::momentum{.beta = 0.9},
        .executor = gc::exec::cpu{.threads = threads}};
    auto exchange = stack.attach(gc::tensor_list{{"all", {what.d}}}, std::span<float>(mine.data(), mine.size()));
    const auto bare = [&](auto kernel_of) {
        return [&team, &what, kernel_of] { bench::on_team(team, what.d, kernel_of); };
    };
    bench::record record;
    std::ostringstream name;
    name << "def+random_block.step/cpu/float/gauss/d:" << what.d << "/ratio:" << what.ratio << "/block:" << what.block << "/threads:" << what.threads;
    record.name = name.str();
    record.operation = "whole step: def + momentum + random_block + update";
    record.floor = "28 B: g, m, e, x in; m, e, point out";
    record.data = "gauss";
    record.elements = what.d;
    record.ratio = what.ratio;
    record.threads = what.threads;
    record.bytes_per_element = 28;
    if (what.threads == 1 && what.d < 30'000'000) {
        record.gate = 1.25;
        record.aim = 1.05;
    }
    bench::take_turns(state,
        {bare([&](std::size_t i, std::size_t n) { return step_kernel<false>{g.data() + i, x.data() + i, m.data() + i, e.data() + i, z.data() + i, n}; }),
            bare([&](std::size_t i, std::size_t n) { return step_kernel<true>{g.data() + i, x.data() + i, m.data() + i, e.data() + i, z.data() + i, n}; })},
        [] {}, [&] { exchange.step(std::span<const float>(g.data(), g.size()), 1e-3); }, record);
}

void register_them(const bench::settings& settings)
{
    std::vector<std::size_t> sizes{25'557'032};
    if (settings.full) sizes.push_back(110'000'000);
    for (const std::size_t d : sizes)
        for (const int threads : {1, 2})
            for (const step_case& what : {step_case{d, 64, 0, threads}, step_case{d, 64, 1024, threads}, step_case{d, 1024, 1024, threads}}) {
                const std::string name = "def+random_block.step/d:" + std::to_string(what.d) + "/ratio:" + std::to_string(static_cast<int>(what.ratio)) + "/block:"
                    + std::to_string(what.block) + "/threads:" + std::to_string(what.threads);
                benchmark::RegisterBenchmark(name.c_str(), [what](benchmark::State& state) { run_step(state, what); })
                    ->Iterations(settings.repetitions)->UseManualTime()->Unit(benchmark::kMillisecond);
            }
}
const bench::room here(register_them);

} // namespace
