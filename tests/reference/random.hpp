/// @file Reproducible pseudo-random numbers for the plain transcriptions: functions of their arguments, no state, nothing of the library.
#pragma once

#include <cmath>
#include <cstdint>

namespace reference {

/// The finaliser of splitmix64: a bijection of 64 bits that scatters neighbouring inputs.
constexpr std::uint64_t scatter(std::uint64_t z)
{
    z += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/// Uniform in [0, 1), 53 bits, a function of (seed, a, b) alone.
constexpr double uniform(std::uint64_t seed, std::uint64_t a, std::uint64_t b)
{
    return static_cast<double>(scatter(scatter(scatter(seed) ^ a) ^ b) >> 11) * 0x1p-53;
}

/// Standard Gaussian (Box and Muller), a function of (seed, a, b) alone.
inline double gaussian(std::uint64_t seed, std::uint64_t a, std::uint64_t b)
{
    const double radius = std::sqrt(-2 * std::log1p(-uniform(seed, a, 2 * b)));
    return radius * std::cos(6.283185307179586476925 * uniform(seed, a, 2 * b + 1));
}

} // namespace reference
