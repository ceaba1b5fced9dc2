/// @file Memories that keep something else than p - c, around compressors that choose behind their sweep, from p read again: what is sent is what the memory
/// let go.
#include <gradcomp/gradcomp.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace gc = gradcomp;

namespace {

const gc::tensor_list two{{"w", {8, 5}}, {"b", {7}}};

std::vector<double> gradient_of(int step)
{
    std::vector<double> g(two.total());
    for (std::size_t i = 0; i < g.size(); ++i) g[i] = std::sin(static_cast<double>(i * 7 + 1) + step * 0.7);
    return g;
}

/// How far what was sent so far, together with what the memory says, is from all directions: one rank, 30 steps.
template <class Compressor, class Memory> void nothing_is_lost(const Compressor& compressor, const Memory& memory)
{
    gc::comm::run_ranks(1, [&](gc::comm::in_process c) {
        std::vector<double> x(two.total(), 1.0), sent(two.total()), sum(two.total());
        const auto stack = [&] {
            if constexpr (gc::keeps_estimate<Memory>) return gc::policy_stack{.compressor = compressor, .memory = memory, .reducer = gc::all_gather{c}, .server = gc::estimate{}, .warn = nullptr};
            else return gc::policy_stack{.compressor = compressor, .memory = memory, .reducer = gc::all_gather{c}, .warn = nullptr};
        }();
        auto exchange = stack.attach(two, x);
        double lost = 0, moved = 0;
        for (int step = 0; step < 30; ++step) {
            const std::vector<double> g = gradient_of(step), before = x;
            std::vector<double> delta(two.total());
            exchange.step(g, 0.5);
            exchange.decode_own([&delta](std::size_t i, double v) { delta[i] = v; });
            const auto error = exchange.error();
            for (std::size_t i = 0; i < g.size(); ++i) {
                sent[i] += delta[i];
                moved += std::abs(delta[i]);
                if constexpr (gc::keeps_estimate<Memory>) {
                    lost = std::max({lost, std::abs(sent[i] - error[i]), std::abs(before[i] - 0.5 * error[i] - x[i])});
                    sum[i] += g[i] - error[i];
                } else {
                    sum[i] += g[i];
                    lost = std::max(lost, std::abs(sent[i] + error[i] / (1 - memory.beta) - sum[i]));
                }
            }
            if constexpr (gc::streams_beside_error<Memory> > 0)
                for (std::size_t i = 0; i < g.size(); ++i) lost = std::max(lost, std::abs(exchange.memory_state(0)[i] - sum[i]));
        }
        CHECK(lost < 1e-12);
        CHECK(moved > 1);
    });
}
template <class Memory> void with_all(const Memory& memory)
{
    nothing_is_lost(gc::threshold<>{.limit = 0.5, .ratio = 4}, memory);
    nothing_is_lost(gc::block_top_k{.ratio = 4, .block = 4}, memory);
    nothing_is_lost(gc::adaptive_random{.ratio = 4}, memory);
    nothing_is_lost(gc::low_rank{.rank = 2}, memory);
    nothing_is_lost(gc::sign<>{}, memory);
    nothing_is_lost(gc::chunked_top_k{.ratio = 4, .chunk = 8}, memory);
    nothing_is_lost(gc::dct_top_k<>{.k = 3, .chunk = 4}, memory);
}

} // namespace

TEST_CASE("ef21 around late choices: the estimate is the sum of what was sent") { with_all(gc::ef21{}); }
TEST_CASE("econtrol around late choices: the same, and e is the sum of d - h'") { with_all(gc::econtrol{.eta_c = 0.05}); }
TEST_CASE("loco around late choices: what was sent and e / (1 - beta) make up the directions") { with_all(gc::loco{.beta = 0.5, .reset_every = 0}); }
