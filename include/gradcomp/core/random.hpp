/// @file Counter-based random numbers: the same choice on every rank, executor, thread count and replay.
#pragma once

#include <gradcomp/core/config.hpp>

namespace gradcomp {

struct word2 {
    std::uint32_t at[2];
};
struct word4 {
    std::uint32_t at[4];
    friend constexpr bool operator==(const word4&, const word4&) = default;
};

/// Philox4x32-10: a keyed bijection of 128-bit counters.
/// @cite Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
GRADCOMP_HD constexpr word4 philox(word4 counter, word2 key)
{
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t a = std::uint64_t{0xD2511F53u} * counter.at[0];
        const std::uint64_t b = std::uint64_t{0xCD9E8D57u} * counter.at[2];
        counter = {{static_cast<std::uint32_t>(b >> 32) ^ counter.at[1] ^ key.at[0], static_cast<std::uint32_t>(b),
            static_cast<std::uint32_t>(a >> 32) ^ counter.at[3] ^ key.at[1], static_cast<std::uint32_t>(a)}};
        key = {{key.at[0] + 0x9E3779B9u, key.at[1] + 0xBB67AE85u}};
    }
    return counter;
}
static_assert(philox({{0, 0, 0, 0}}, {{0, 0}}) == word4{{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}});
static_assert(philox({{~0u, ~0u, ~0u, ~0u}}, {{~0u, ~0u}}) == word4{{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu}});
static_assert(philox({{0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}}, {{0xa4093822u, 0x299f31d0u}})
    == word4{{0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u}});

/// What a stream of random words is for. The numbers are part of the wire contract: never reuse or renumber one.
enum class purpose : std::uint32_t {
    random_block = 1, ///< which blocks are sent; shared by all ranks
    rand_k = 2,       ///< which coordinates are sent
    sample = 3,       ///< which elements bracket a threshold; changes time, never results
    rounding = 4,     ///< stochastic rounding, 32 bits an element (a block of the counter is 4 elements)
    quantize = 5,     ///< stochastic rounding of quantizers, 16 bits an element (a block of the counter is 8 elements)
    arrival = 6,      ///< waiting times of elements that are chosen in proportion to their magnitude, 32 bits an element
    low_rank = 7,     ///< columns of a factor that starts anew, 32 bits an element; shared by all ranks
    participation = 8 ///< which workers take part in a round; shared by all ranks
};

/// One stream of random words.
///
/// Layout, a contract: key = seed (low word first); counter = {block, step, tensor, purpose | owner << 8}, where owner is 0 for a
/// stream that all ranks share and rank + 1 for a stream that is a rank's own.
struct random_stream {
    std::uint64_t seed;
    std::uint32_t step, tensor;
    purpose use;
    std::uint32_t owner;

    /// Four words of the stream; complexity 10 rounds.
    GRADCOMP_HD constexpr word4 block(std::uint32_t at) const
    {
        return philox({{at, step, tensor, static_cast<std::uint32_t>(use) | owner << 8}},
            {{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)}});
    }

    /// An integer of [0, n), uniform up to n / 2^64.
    GRADCOMP_HD constexpr std::uint64_t below(std::uint64_t n, std::uint32_t at = 0) const
    {
        const word4 w = block(at);
        // The high 64 bits of (64 random bits) * n, in 32-bit halves: no 128-bit type in device code.
        const std::uint64_t nl = n & 0xffffffffu, nh = n >> 32, rl = w.at[0], rh = w.at[1];
        const std::uint64_t low = rl * nl, mid1 = rh * nl, mid2 = rl * nh;
        const std::uint64_t carry = ((low >> 32) + (mid1 & 0xffffffffu) + (mid2 & 0xffffffffu)) >> 32;
        return rh * nh + (mid1 >> 32) + (mid2 >> 32) + carry;
    }
};

} // namespace gradcomp
