/// @file The one place around CUB's decoupled look-back, whose classes are no documented interface: sums over tiles, anew for each selection.
#pragma once

#include <gradcomp/exec/cuda/compact.hpp>

#include <cub/agent/single_pass_scan_operators.cuh>
#include <cub/block/block_scan.cuh>

namespace gradcomp::exec {

/// The state of all tiles in device memory; reset() and one launch belong together.
class look_back_state {
public:
    using state = cub::ScanTileState<unsigned long long>;

    static std::size_t bytes(unsigned tiles)
    {
        std::size_t bytes = 0;
        state::AllocationSize(static_cast<int>(tiles), bytes);
        return bytes;
    }
    look_back_state() = default;
    look_back_state(void* memory, unsigned tiles) { state_.Init(static_cast<int>(tiles), memory, bytes(tiles)); }

    /// By threads of any grid that covers `tiles` and the few words before them.
    __device__ void reset(unsigned tiles) { state_.InitializeStatus(static_cast<int>(tiles)); }

    struct storage {
        typename cub::TilePrefixCallbackOp<unsigned long long, add_in_selection, state>::TempStorage prefix;
    };
    /// How many of the selection come before this tile. Called by one warp; the first tile of the launch must start a selection.
    __device__ listed_counts before(storage& shared, unsigned tile, bool starts, const listed_counts& here)
    {
        const unsigned long long mine = add_in_selection::packed(here, starts);
        if (tile == 0) {
            if (threadIdx.x == 0) state_.SetInclusive(0, mine);
            return {0, 0};
        }
        cub::TilePrefixCallbackOp<unsigned long long, add_in_selection, state> prefix(state_, shared.prefix, {}, static_cast<int>(tile));
        const unsigned long long all = prefix(mine);
        return starts ? listed_counts{0, 0} : add_in_selection::counts(all);
    }

private:
    state state_;
};

namespace detail {
template <class T> __global__ void reset_tiles_kernel(look_back_state tiles, unsigned count) { tiles.reset(count); }
} // namespace detail

/// The block of select_block.hpp on the device.
template <int Threads> struct device_block {
    static constexpr int threads = Threads;
    using scan = cub::BlockScan<std::uint32_t, Threads>;
    typename scan::TempStorage& shared;
    __device__ int thread() const { return static_cast<int>(threadIdx.x); }
    __device__ void sync() const { __syncthreads(); }
    __device__ void exclusive_sum(std::uint32_t x, std::uint32_t& before, std::uint32_t& total) const
    {
        scan(shared).ExclusiveSum(x, before, total);
        __syncthreads();
    }
    __device__ void add(std::uint32_t& counter, std::uint32_t x) const { atomicAdd(&counter, x); }
    /// counter = max(counter, x); 32 bits or 64.
    template <class Key> __device__ void raise(Key& counter, Key x) const
    {
        if constexpr (sizeof(Key) == 4) atomicMax(&counter, x);
        else atomicMax(reinterpret_cast<unsigned long long*>(&counter), static_cast<unsigned long long>(x));
    }
    /// Lanes with the same bin add once: most keys near a threshold have the same digits, and atomics at one address wait for each other. All lanes of the
    /// warp are here (select_block.hpp: all threads call together), and those of `asked` are exactly those that reach the match.
    __device__ void count(std::uint32_t* histogram, std::uint32_t bin, bool flag) const
    {
        const unsigned asked = __ballot_sync(~0u, flag);
        if (!flag) return;
        const unsigned peers = __match_any_sync(asked, bin);
        if (static_cast<unsigned>(__ffs(static_cast<int>(peers))) == threadIdx.x % 32 + 1) atomicAdd(&histogram[bin], static_cast<std::uint32_t>(__popc(peers)));
    }
};

} // namespace gradcomp::exec
