/// @file What CUDA threads do for choices that need all of p: rates of arrival in a sweep that sends nothing, and sums of squares by eight lanes.
#pragma once

#include <gradcomp/core/arrival.hpp>
#include <gradcomp/core/magnitude_limit.hpp>
#include <gradcomp/exec/cuda/measure.hpp>

namespace gradcomp::exec {

/// Chooser of a lane: everything stays behind, and each element's rate of arrival is noted.
template <class T> struct lane_rates {
    T* rates; ///< of the selection
    random_stream stream;

    template <class Access> GRADCOMP_DEVICE bool four(std::size_t position, const pack<T>& p, pack<T>& c) const
    {
        if (position % 4 != 0) return false; // neighbours of two blocks of the counter
        const word4 words = stream.block(static_cast<std::uint32_t>(position / 4));
        GRADCOMP_UNROLL
        for (std::size_t k = 0; k < 4; ++k) rates[position + k] = arrival_rate(p.at[k], words.at[k]);
        c = {};
        return true;
    }
    GRADCOMP_DEVICE T one(std::size_t position, T p) const
    {
        rates[position] = arrival_rate(p, stream.block(static_cast<std::uint32_t>(position / 4)).at[position % 4]);
        return T(0);
    }
};

/// What eight lanes of a warp found in up to 256 elements, or in a block: every one of them returns it.
template <class T> struct squares_and_largest {
    double squares;
    bits_t<T> largest;
};

/// Lane j of eight adds the squares of terms j, j + 8, ... in this order, then the lanes fold by halves: the CPU's order. For double two reads of p.
template <class T, class Warp, class Source> GRADCOMP_DEVICE squares_and_largest<T> measure_by_eight(const Warp& warp, std::size_t count, const Source& p)
{
    constexpr bool scaled = sizeof(T) > sizeof(float);
    squares_and_largest<T> found{0, 0};
    const auto look = [&found](T x) { found.largest = magnitude(x) > found.largest ? magnitude(x) : found.largest; };
    const auto lane = static_cast<std::size_t>(warp.lane() % 8);
    if constexpr (scaled) {
        for (std::size_t i = lane; i < count; i += 8) look(p(i));
        found.largest = detail::warp_largest(warp, found.largest, 8);
    }
    const double down = two_to(-square_exponent<T>(found.largest));
    for (std::size_t i = lane; i < count; i += 8) {
        const T value = p(i);
        double x = static_cast<double>(value);
        if constexpr (scaled) x *= down;
        else look(value);
        found.squares = multiply_add(x, x, found.squares);
    }
    for (int width = 4; width > 0; width /= 2) found.squares += warp.exchange(found.squares, width);
    if constexpr (!scaled) found.largest = detail::warp_largest(warp, found.largest, 8);
    return found;
}

/// What a limit on magnitudes is relative to, from the tiles of a selection by one warp; every lane returns it.
template <class T, class Warp> GRADCOMP_DEVICE measured_magnitudes magnitudes_of_tiles(const Warp& warp, const T* largest, const double* squares, std::size_t tiles)
{
    measured_magnitudes all;
    const auto exponent_of = [largest](std::size_t tile) { return square_exponent<T>(bits_of(largest[tile])); };
    all.exponent = tiles > 0 ? exponent_of(0) : 0;
    for (auto tile = static_cast<std::size_t>(warp.lane()); tile < tiles; tile += warp_lanes) {
        all.largest = larger(all.largest, static_cast<double>(largest[tile]));
        all.exponent = larger(all.exponent, exponent_of(tile));
    }
    for (int width = warp_lanes / 2; width > 0; width /= 2) {
        all.largest = larger(all.largest, warp.exchange(all.largest, width));
        all.exponent = larger(all.exponent, warp.exchange(all.exponent, width));
    }
    all.squares = detail::warp_tree_sum<double>(warp, tiles, warp_lanes, [&](std::size_t tile, double sum) { return sum + squares_in(squares[tile], exponent_of(tile), all.exponent); });
    return all;
}

} // namespace gradcomp::exec
