/// @file Inputs of the conformance suites: functions of (pattern, size, seed), from integers alone, so every compiler makes the same bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace conformance {

/// splitmix64: a bijection of 64 bits that scatters neighbouring inputs.
constexpr std::uint64_t scramble(std::uint64_t z)
{
    z += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
constexpr std::uint64_t scramble(std::uint64_t seed, std::uint64_t at) { return scramble(scramble(seed) ^ at); }

/// What an input looks like.
enum class pattern {
    zeros,        ///< all +0
    one_hot,      ///< one element is not 0
    denormals,    ///< a few smallest steps above and below 0
    ties,         ///< +1, -1 and nothing else
    uniform,      ///< 24 random bits in (-1, 1)
    heavy,        ///< magnitudes over 24 binary decades
    sparse,       ///< 95 percent zeros, half of them -0
    integers,     ///< from -8 to 8: sums are exact
    huge,         ///< squares are beyond T
    tiny          ///< squares vanish in T
};
inline constexpr pattern all_patterns[] = {pattern::zeros, pattern::one_hot, pattern::denormals, pattern::ties,
    pattern::uniform, pattern::heavy, pattern::sparse, pattern::integers};
inline constexpr pattern extreme_patterns[] = {pattern::huge, pattern::tiny};

/// What extreme inputs are multiplied by: a power of two.
template <class T> inline constexpr T extreme_factor = sizeof(T) == sizeof(float) ? T(0x1p100) : static_cast<T>(0x1p600);

/// Element i of an input.
template <class T> constexpr T element(pattern of, std::size_t i, std::size_t n, std::uint64_t seed)
{
    const std::uint64_t r = scramble(seed, i);
    const T unit = static_cast<T>(static_cast<std::int64_t>(r >> 40) - (std::int64_t{1} << 23)) * static_cast<T>(0x1p-23);
    switch (of) {
    case pattern::zeros: return T(0);
    case pattern::one_hot: return i == scramble(seed, n) % (n ? n : 1) ? T(-1.5) : T(0);
    case pattern::denormals: return static_cast<T>(static_cast<std::int64_t>(r >> 59) - 16) * std::numeric_limits<T>::denorm_min();
    case pattern::ties: return r >> 63 ? T(1) : T(-1);
    case pattern::uniform: return unit;
    case pattern::heavy: return unit / static_cast<T>(std::uint64_t{1} << (r % 25));
    case pattern::sparse: return r % 20 == 0 ? unit : r & 0x10000 ? T(0) : -T(0);
    case pattern::integers: return static_cast<T>(static_cast<std::int64_t>(r % 17) - 8);
    case pattern::huge: return unit * extreme_factor<T>;
    case pattern::tiny: return unit / extreme_factor<T>;
    }
    return T(0);
}

template <class T> std::vector<T> input(pattern of, std::size_t n, std::uint64_t seed)
{
    std::vector<T> x(n);
    for (std::size_t i = 0; i < n; ++i) x[i] = element<T>(of, i, n, seed);
    return x;
}

/// Puts NaN, Inf and -Inf in turn on every `stride`-th element. @return how many elements were changed.
template <class T> std::size_t spoil(std::vector<T>& x, std::size_t stride)
{
    constexpr T bad[] = {std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::infinity(), -std::numeric_limits<T>::infinity()};
    std::size_t count = 0;
    for (std::size_t i = stride / 2; i < x.size(); i += stride) x[i] = bad[count++ % 3];
    return count;
}

} // namespace conformance
