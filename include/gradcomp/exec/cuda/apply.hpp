/// @file What one CUDA thread does with its part of a tile of dense messages: element by element, or four at a time where the target is one stream.
#pragma once

#include <gradcomp/core/coder.hpp>
#include <gradcomp/exec/cuda/pack.hpp>
#include <gradcomp/exec/cuda/tiles.hpp>

#include <concepts>

namespace gradcomp::exec {

/// A target that moves an element of one stream by a value, and looks at nothing else: to(i, v) is to.moved_stream()[i] = to.moved(to.moved_stream()[i], v).
template <class Target, class T> concept moves_one_stream = requires(const Target to, T x) {
    { to.moved(x, x) } -> std::same_as<T>;
    { to.moved_stream() } -> std::same_as<T*>;
};

/// Threads of a block that apply a tile.
inline constexpr int apply_lanes = 256;

namespace detail {

/// A whole tile: all that a thread reads of the stream and of a message is asked for before it writes anything. Each element takes its values in the order of
/// ranks, as one by one.
template <class Access, class T, class Target> GRADCOMP_DEVICE void apply_whole(const Target& to, const tile_range& range, int thread, const gathered_messages& all, std::size_t place)
{
    constexpr std::size_t packs = tile_elements / (4 * apply_lanes), stride = 4 * apply_lanes;
    const std::size_t first = static_cast<std::size_t>(thread) * 4;
    T* const x = to.moved_stream() + range.base + first;
    pack<T> moved[packs], value[packs];
    GRADCOMP_UNROLL
    for (std::size_t n = 0; n < packs; ++n) moved[n] = Access::load(x + n * stride);
    for (std::size_t rank = 0; rank < all.count; ++rank) {
        const T* const from = reinterpret_cast<const T*>(all.at(rank)) + place + first;
        if (is_packed(from)) { // the same for all packs; behind a header a gathered message may lie anywhere
            GRADCOMP_UNROLL
            for (std::size_t n = 0; n < packs; ++n) value[n] = Access::load(from + n * stride);
        } else {
            GRADCOMP_UNROLL
            for (std::size_t n = 0; n < packs; ++n)
                for (std::size_t k = 0; k < 4; ++k) value[n].at[k] = from[n * stride + k];
        }
        GRADCOMP_UNROLL
        for (std::size_t n = 0; n < packs; ++n)
            for (int k = 0; k < 4; ++k) moved[n].at[k] = to.moved(moved[n].at[k], value[n].at[k]);
    }
    GRADCOMP_UNROLL
    for (std::size_t n = 0; n < packs; ++n) Access::store(x + n * stride, moved[n]);
}

} // namespace detail

/// One thread's part of a tile; element range.begin has its value at `place` of each message.
template <class Access, class T, class Target> GRADCOMP_DEVICE void apply_lane(const Target& to, const tile_range& range, int thread, const gathered_messages& all, std::size_t place)
{
    if constexpr (moves_one_stream<Target, T>)
        if (range.begin == range.base && range.end == range.base + tile_elements && is_packed(to.moved_stream() + range.base))
            return detail::apply_whole<Access, T>(to, range, thread, all, place);
    for (std::size_t i = range.begin + static_cast<std::size_t>(thread); i < range.end; i += apply_lanes)
        for (std::size_t rank = 0; rank < all.count; ++rank) to(i, reinterpret_cast<const T*>(all.at(rank))[place + (i - range.begin)]);
}

} // namespace gradcomp::exec
