/// @file Framing a message on the host, a step of its own: checksums written and checked, against one bare reading of the payload.
#include "floor.hpp"
#include "harness.hpp"
#include "inputs.hpp"

#include <gradcomp/core/frame.hpp>

#include <cstring>

namespace {

using namespace gradcomp;

enum class half { write, check };

void run(benchmark::State& state, half which, bench::record record)
{
    const auto& values = bench::input(bench::data::gauss, record.elements);
    const std::span<const std::byte> payload = std::as_bytes(std::span<const float>(values.data(), values.size()));
    const frame_header expected{.kind = 1, .bytes = payload.size()};
    frame_header header = framed_header(expected, payload);
    std::uint32_t seen = 0;
    check_payload(header, payload);
    bench::take_turns(
        state, {[&] { bench::read_kernel{values.data(), values.size(), &seen}.template run<exec::isa::scalar>(); }}, [] {},
        [&] {
            if (which == half::write) header = framed_header(expected, payload);
            else check_frame_header(expected, header), check_payload(header, payload);
            benchmark::DoNotOptimize(header);
        },
        record);
    benchmark::DoNotOptimize(seen);
}

void register_them(const bench::settings& settings)
{
    for (const half which : {half::write, half::check}) {
        const std::string verb = which == half::write ? "write" : "check";
        bench::record r;
        r.elements = 25'557'032;
        r.name = "frame." + verb + "/cpu/float/gauss/d:" + std::to_string(r.elements) + "/threads:1";
        r.operation = "frame, " + verb;
        r.floor = "read of the payload";
        r.data = "gauss";
        r.ratio = 1;
        r.threads = 1;
        r.bytes_per_element = 4;
        benchmark::RegisterBenchmark(r.name.c_str(), [which, r](benchmark::State& state) { run(state, which, r); })
            ->Iterations(settings.repetitions)->UseManualTime()->Unit(benchmark::kMillisecond);
    }
}

const bench::room here(register_them);

} // namespace
