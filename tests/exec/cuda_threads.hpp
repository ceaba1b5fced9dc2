/// @file Blocks of threads and warps of CUDA kernels on the CPU: std::threads and a barrier, so that ThreadSanitizer finds a missing sync().
#pragma once

#include <gradcomp/exec/cuda/measure.hpp>

#include <atomic>
#include <barrier>
#include <cstring>
#include <thread>
#include <vector>

namespace cuda_threads {

/// The block of select_block.hpp.
struct thread_block {
    static constexpr int threads = 16;
    struct storage {
        std::barrier<> gate{threads};
        std::uint32_t partial[threads];
    };
    storage& shared;
    int id;
    int thread() const { return id; }
    void sync() const { shared.gate.arrive_and_wait(); }
    void exclusive_sum(std::uint32_t x, std::uint32_t& before, std::uint32_t& total) const
    {
        shared.partial[id] = x;
        sync();
        before = total = 0;
        for (int t = 0; t < threads; ++t) {
            if (t < id) before += shared.partial[t];
            total += shared.partial[t];
        }
        sync();
    }
    void add(std::uint32_t& counter, std::uint32_t x) const { std::atomic_ref(counter).fetch_add(x, std::memory_order_relaxed); }
    template <class Key> void raise(Key& counter, Key x) const
    {
        const std::atomic_ref shared_counter(counter);
        Key seen = shared_counter.load();
        while (seen < x && !shared_counter.compare_exchange_weak(seen, x)) {}
    }
    void count(std::uint32_t* histogram, std::uint32_t bin, bool flag) const
    {
        if (flag) add(histogram[bin], 1u);
    }
};

/// The warp of measure.hpp. Exchanges take two sets of slots in turn: nobody is two of them ahead, so one barrier each is enough.
struct thread_warp {
    static constexpr int threads = gradcomp::exec::warp_lanes;
    struct storage {
        std::barrier<> gate{threads};
        std::uint64_t slots[2][threads];
    };
    storage& shared;
    int id;
    mutable int turn = 0;
    int lane() const { return id; }
    void sync() const { shared.gate.arrive_and_wait(); }
    template <class X> X exchange(X x, int mask) const
    {
        auto& slot = shared.slots[turn ^= 1];
        std::memcpy(&slot[id], &x, sizeof x);
        sync();
        std::memcpy(&x, &slot[id ^ mask], sizeof x);
        return x;
    }
    std::uint32_t ballot(bool flag) const
    {
        auto& slot = shared.slots[turn ^= 1];
        slot[id] = flag;
        sync();
        std::uint32_t word = 0;
        for (int l = 0; l < threads; ++l) word |= static_cast<std::uint32_t>(slot[l]) << l;
        return word;
    }
    bool any(bool flag) const { return ballot(flag) != 0; }
};

/// The crew of thin_factors.hpp: a block of threads of two warps.
struct thread_crew {
    static constexpr int threads = 2 * thread_warp::threads;
    struct storage {
        std::barrier<> gate{threads};
        thread_warp::storage warps[2];
    };
    storage& shared;
    int id;
    thread_warp own{shared.warps[id / thread_warp::threads], id % thread_warp::threads};
    int thread() const { return id; }
    const thread_warp& warp() const { return own; }
    void sync() const { shared.gate.arrive_and_wait(); }
};

/// f(thread) on all threads of one block, or lanes of one warp.
template <class Threads, class F> void run(const F& f)
{
    typename Threads::storage shared;
    std::vector<std::thread> team;
    for (int t = 0; t < Threads::threads; ++t) team.emplace_back([&, t] { f(Threads{shared, t}); });
    for (std::thread& t : team) t.join();
}

} // namespace cuda_threads
