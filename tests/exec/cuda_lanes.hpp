/// @file Lanes of CUDA kernels on the CPU: the threads of a tile run one after another, so tests see exactly the code that nvcc compiles.
#pragma once

#include <gradcomp/exec/cpu/engines.hpp>
#include <gradcomp/exec/cuda/gather_blocks.hpp>
#include <gradcomp/exec/cuda/lane.hpp>

#include <cstring>
#include <memory>
#include <vector>

namespace cuda_lanes {

namespace gc = gradcomp;

/// A rule at one tensor, with that tensor's gradient.
template <class Rule> Rule at_piece(Rule rule, const typename Rule::gradient_type* gradient) { return rule.gradient = gradient, rule; }

/// Sweeps a layout as sweep_kernel does; choose(range) gives a tile's chooser. @return bad elements
template <class Rule, class ChooseOf> std::size_t sweep(const gc::layout& where, const Rule& rule, gc::exec::non_finite policy, ChooseOf choose_of)
{
    const gc::exec::tile_table table = gc::exec::cut_into_tiles(where);
    std::size_t bad = 0;
    for (const auto& place : table.tiles) {
        const auto range = gc::exec::range_of(table.pieces[place.piece], place);
        const auto choose = choose_of(range);
        for (int t = 0; t < gc::exec::tile_threads; ++t)
            bad += gc::exec::is_whole(rule, range) ? gc::exec::sweep_lane<gc::exec::host_access, true>(rule, range, t, policy != gc::exec::non_finite::propagate, choose)
                                                   : gc::exec::sweep_lane<gc::exec::host_access, false>(rule, range, t, policy != gc::exec::non_finite::propagate, choose);
    }
    return bad;
}

/// Shared memory of one block of threads that gathers blocks.
class shared_choice {
public:
    explicit shared_choice(const gc::block_choice& choice) : bytes_(gc::exec::tile_choice_bytes(choice) + 8) {}
    gc::exec::tile_choice& fill(const gc::block_choice& choice, const gc::random_stream& stream, const gc::exec::tile_range& range)
    {
        auto& tile = *reinterpret_cast<gc::exec::tile_choice*>(bytes_.data());
        for (int t = gc::exec::tile_threads - 1; t >= 0; --t) gc::exec::choose_tile(choice, stream, range, t, gc::exec::tile_threads, tile);
        return tile;
    }

private:
    std::vector<std::uint64_t> bytes_;
};

} // namespace cuda_lanes
