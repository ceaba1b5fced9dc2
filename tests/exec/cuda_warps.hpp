/// @file Warps of CUDA kernels on the CPU: 32 std::threads and a barrier, so that ThreadSanitizer finds a missing sync().
#pragma once

#include <gradcomp/exec/cuda/measure.hpp>

#include <barrier>
#include <cstring>
#include <thread>
#include <vector>

namespace cuda_warps {

/// The warp of measure.hpp.
struct thread_warp {
    static constexpr int lanes = gradcomp::exec::warp_lanes;
    struct storage {
        std::barrier<> gate{lanes};
        std::uint64_t slot[lanes];
    };
    storage& shared;
    int id;
    int lane() const { return id; }
    void sync() const { shared.gate.arrive_and_wait(); }
    template <class X> X exchange(X x, int mask) const
    {
        std::memcpy(&shared.slot[id], &x, sizeof x);
        sync();
        std::memcpy(&x, &shared.slot[id ^ mask], sizeof x);
        sync();
        return x;
    }
    std::uint32_t ballot(bool flag) const
    {
        shared.slot[id] = flag;
        sync();
        std::uint32_t word = 0;
        for (int l = 0; l < lanes; ++l) word |= static_cast<std::uint32_t>(shared.slot[l]) << l;
        sync();
        return word;
    }
    bool any(bool flag) const { return ballot(flag) != 0; }
};

/// f(warp) on the 32 threads of one warp.
template <class F> void run_warp(const F& f)
{
    thread_warp::storage shared;
    std::vector<std::thread> team;
    for (int t = 0; t < thread_warp::lanes; ++t) team.emplace_back([&, t] { f(thread_warp{shared, t}); });
    for (std::thread& t : team) t.join();
}

} // namespace cuda_warps
