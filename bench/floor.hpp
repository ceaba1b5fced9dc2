/// @file Bare kernels: the memory traffic of an operation and nothing else, on as many threads, with the best instructions at hand.
#pragma once

#include <gradcomp/exec/cpu/sweep.hpp>

namespace bench {

using gradcomp::exec::cpu_team;
using gradcomp::exec::isa;

/// m += s * g: 12 bytes an element.
struct update_kernel {
    const float* g;
    float* m;
    float scale;
    std::size_t n;

    template <isa> GRADCOMP_INLINE void run() const
    {
        GRADCOMP_INDEPENDENT
        for (std::size_t i = 0; i < n; ++i) m[i] = gradcomp::multiply_add(scale, g[i], m[i]);
    }
};

/// to = m + s * g with ordinary stores: 12 bytes an element, and 4 more that the processor reads only to overwrite them.
struct copy_kernel {
    const float *g, *m;
    float* to;
    float scale;
    std::size_t n;

    template <isa> GRADCOMP_INLINE void run() const
    {
        GRADCOMP_INDEPENDENT
        for (std::size_t i = 0; i < n; ++i) to[i] = gradcomp::multiply_add(scale, g[i], m[i]);
    }
};

/// The same with stores past the caches.
struct stream_kernel {
    const float *g, *m;
    float* to;
    float scale;
    std::size_t n;

    template <isa Level> GRADCOMP_INLINE void run() const
    {
        alignas(64) float tile[256];
        for (std::size_t i = 0; i < n; i += 256) {
            const std::size_t count = gradcomp::exec::detail::tile_length(n - i);
            GRADCOMP_INDEPENDENT
            for (std::size_t j = 0; j < count; ++j) tile[j] = gradcomp::multiply_add(scale, g[i + j], m[i + j]);
            gradcomp::exec::detail::stream_copy(Level, to + i, tile, count * sizeof(float));
        }
    }
};

/// Reads 4 bytes an element.
struct read_kernel {
    const float* g;
    std::size_t n;
    std::uint32_t* seen;

    template <isa> GRADCOMP_INLINE void run() const
    {
        std::uint32_t lanes[64] = {};
        for (std::size_t i = 0; i + 64 <= n; i += 64)
            for (std::size_t j = 0; j < 64; ++j) lanes[j] ^= gradcomp::bits_of(g[i + j]);
        for (const std::uint32_t lane : lanes) *seen ^= lane;
    }
};

/// m += s * g, and `bits` bits an element written beside it, tile by tile: the traffic of a quantizer with a memory.
struct code_kernel {
    const float* g;
    float* m;
    std::byte* codes;
    std::size_t bytes_a_tile; ///< 512 elements
    float scale;
    std::size_t n;

    template <isa> GRADCOMP_INLINE void run() const
    {
        for (std::size_t base = 0, tile = 0; base < n; base += 512, ++tile) {
            std::size_t count = n - base < 512 ? n - base : 512;
            asm("" : "+r"(count));
            GRADCOMP_INDEPENDENT
            for (std::size_t i = base; i < base + count; ++i) m[i] = gradcomp::multiply_add(scale, g[i], m[i]);
            std::memset(codes + tile * bytes_a_tile, static_cast<int>(tile), bytes_a_tile);
        }
    }
};

/// Reads `bits` bits an element and writes a float past the caches (or adds to it in place): the traffic of decoding.
template <bool Update> struct decode_kernel {
    const std::byte* codes;
    float* x;
    std::size_t bytes_a_tile; ///< 512 elements
    std::size_t n;
    std::uint32_t* seen;

    template <isa Level> GRADCOMP_INLINE void run() const
    {
        alignas(64) float tile[512];
        for (std::size_t i = 0; i < 512; ++i) tile[i] = static_cast<float>(i + 1); // some memory takes lines of zeros faster than any others
        std::uint64_t lanes[8] = {};
        for (std::size_t base = 0, t = 0; base < n; base += 512, ++t) {
            std::size_t count = n - base < 512 ? n - base : 512;
            asm("" : "+r"(count));
            const std::byte* at = codes + t * bytes_a_tile;
            for (std::size_t b = 0; b + 64 <= bytes_a_tile; b += 64)
                for (std::size_t j = 0; j < 8; ++j) {
                    std::uint64_t word;
                    std::memcpy(&word, at + b + 8 * j, 8);
                    lanes[j] ^= word;
                }
            if constexpr (Update) {
                GRADCOMP_INDEPENDENT
                for (std::size_t i = base; i < base + count; ++i) x[i] -= 1e-9f;
            } else {
                gradcomp::exec::detail::stream_copy(Level, x + base, tile, count * sizeof(float));
            }
        }
        for (const std::uint64_t lane : lanes) *seen ^= static_cast<std::uint32_t>(lane);
    }
};

/// Fills past the caches, one element in `every` not 0: some memory takes lines of zeros faster than any others, so as many must hold something as in a message.
struct fill_kernel {
    float* x;
    std::size_t every, n;

    template <isa Level> GRADCOMP_INLINE void run() const
    {
        alignas(64) float tile[4096] = {};
        for (std::size_t i = 0; i < 4096; i += every) tile[i] = 1;
        for (std::size_t base = 0; base < n; base += 4096) gradcomp::exec::detail::stream_copy(Level, x + base, tile, (n - base < 4096 ? n - base : 4096) * sizeof(float));
    }
};

/// Runs kernel_of(first, count) on every member's share of n elements.
template <class KernelOf> void on_team(const cpu_team& team, std::size_t n, KernelOf kernel_of)
{
    const std::size_t members = team.members_for(n);
    team.run(members, [&](std::size_t t) {
        const std::size_t first = n / 16 * t / members * 16, last = t + 1 == members ? n : n / 16 * (t + 1) / members * 16;
        gradcomp::exec::at_level(team.level(), kernel_of(first, last - first));
    });
}

} // namespace bench
