/// @file Random blocks with error feedback: one sweep that moves the chosen blocks into the message.
#include "floor.hpp"
#include "harness.hpp"
#include "inputs.hpp"

#include <gradcomp/compress/random_block.hpp>
#include <gradcomp/exec/cpu/engines.hpp>
#include <gradcomp/memory/recurrence.hpp>
#include <gradcomp/optim/plain_gradient.hpp>

#include <algorithm>
#include <sstream>

namespace {

namespace gc = gradcomp;

struct block_case {
    std::size_t d;
    double ratio;
    std::uint32_t block;
    int threads;

    std::string name() const
    {
        std::ostringstream text;
        text << "ef+random_block.encode/cpu/float/gauss/d:" << d << "/ratio:" << ratio << "/threads:" << threads << "/block:" << block;
        return text.str();
    }
};

/// Every sent element must be 1 in the message and 0 in the memory, every other one the reverse.
bool moved(const bench::huge_array<float>& g, const bench::huge_array<float>& e, std::size_t kept, std::span<const float> message)
{
    std::size_t left = 0, sent = 0;
    for (std::size_t i = 0; i < g.size(); ++i) left += gc::bits_of(e[i]) == gc::bits_of(g[i]) && e[i] != 0;
    for (const float v : message) sent += v != 0;
    return left + sent == g.size() && message.size() == kept;
}

void run_random_block(benchmark::State& state, const block_case& what)
{
    const bench::huge_array<float>& g = bench::input(bench::data::gauss, what.d);
    const bench::huge_array<float> e(what.d);
    const gc::exec::cpu_team team(static_cast<std::size_t>(what.threads));
    const gc::tensor_list list{{"all", {what.d}}};
    const std::vector<std::size_t> tensors{0};
    const gc::random_block compressor{.ratio = what.ratio, .block = what.block};
    auto coder = compressor.start<float>(team, gc::coder_start{&list, &tensors, 1, 0});
    const auto bytes_a_tile = static_cast<std::size_t>(512 * sizeof(float) / what.ratio);
    const bench::huge_array<std::byte> message(std::max(coder.bytes(), what.d / 512 * bytes_a_tile)); // whole blocks may be fewer bytes than 4 / ratio an element
    using direction = gc::plain_gradient::direction<float, false>;
    gc::recurrence_rule<float, float, direction, true, false, false> rule{direction(gc::plain_gradient{})};
    rule.gradient = g.data();
    rule.in[0] = rule.out[0] = e.data();
    gc::step_state<float> step;
    const auto operate = [&] {
        coder.encode(team, [&](const gc::segment&) { return rule; }, step, message.data(), {});
        ++step.step;
    };
    operate();
    if (!moved(g, e, coder.elements(), {reinterpret_cast<const float*>(message.data()), coder.bytes() / sizeof(float)}))
        return state.SkipWithError("what was sent and what stayed do not make up the input");
    bench::record record;
    record.name = what.name();
    record.operation = "ef + random_block";
    record.floor = "m += s * g and a write of the message";
    record.data = "gauss";
    record.elements = what.d;
    record.ratio = what.ratio;
    record.threads = what.threads;
    record.bytes_per_element = 12 + 4 / what.ratio;
    if (what.threads == 1 && what.d < 30'000'000) {
        record.gate = 1.05;
        record.aim = 1.00;
    }
    const auto floor = [&] {
        bench::on_team(team, what.d / 512 * 512, [&](std::size_t first, std::size_t count) {
            return bench::code_kernel{g.data() + first, e.data() + first, message.data() + first / 512 * bytes_a_tile, bytes_a_tile, 1e-9f, count};
        });
    };
    bench::take_turns(state, {floor}, [] {}, operate, record);
}

void register_them(const bench::settings& settings)
{
    std::vector<std::size_t> sizes{25'557'032};
    if (settings.full) sizes.push_back(110'000'000);
    for (const std::size_t d : sizes)
        for (const int threads : {1, 2})
            for (const double ratio : {16.0, 64.0, 1024.0})
                for (const std::uint32_t block : {0u, 1024u}) {
                    const block_case what{d, ratio, block, threads};
                    benchmark::RegisterBenchmark(what.name().c_str(), [what](benchmark::State& state) { run_random_block(state, what); })
                        ->Iterations(settings.repetitions)->UseManualTime()->Unit(benchmark::kMillisecond);
                }
}
const bench::room here(register_them);

} // namespace
