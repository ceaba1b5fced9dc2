/// @file A small random generator whose numbers are the same on every platform (std distributions are not).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace apps {

/// SplitMix64: 64 random bits per call from one 64-bit state. Good enough for shuffles, initial weights and stand-in data.
class generator {
public:
    /// Streams with different `stream` numbers are unrelated, also for neighbouring seeds.
    explicit generator(std::uint64_t seed, std::uint64_t stream = 0) : state_(mix(seed + 0x9e3779b97f4a7c15u) ^ mix(~stream)) {}

    std::uint64_t next() { return mix(state_ += 0x9e3779b97f4a7c15u); }

    /// Uniform in [0, 1), a multiple of 2^-24, so that float holds it exactly.
    float uniform() { return static_cast<float>(next() >> 40) * 0x1p-24f; }

    /// Uniform in [low, high).
    float uniform(float low, float high) { return low + (high - low) * uniform(); }

    /// Nearly normal with mean 0 and standard deviation 1: twelve 16-bit uniforms, so that no library's logarithm decides the bits.
    float normal()
    {
        std::uint32_t sum = 0;
        for (int draw = 0; draw < 3; ++draw) {
            const std::uint64_t bits = next();
            for (int part = 0; part < 4; ++part) sum += static_cast<std::uint32_t>((bits >> (16 * part)) & 0xffffu);
        }
        return static_cast<float>(sum) * 0x1p-16f - 6.0f;
    }

    /// Uniform in [0, bound) up to a bias of bound / 2^64; bound > 0.
    std::size_t below(std::size_t bound) { return static_cast<std::size_t>((static_cast<unsigned __int128>(next()) * bound) >> 64); }

private:
    static std::uint64_t mix(std::uint64_t z)
    {
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }

    std::uint64_t state_;
};

/// Fisher-Yates: every order is equally likely.
inline void shuffle(std::span<std::uint32_t> order, generator& random)
{
    for (std::size_t left = order.size(); left > 1; --left) std::swap(order[left - 1], order[random.below(left)]);
}

} // namespace apps
