/// @file Random blocks on CUDA: which of a tile's elements are sent, and where they stand in the message. No list, no table of all blocks.
#pragma once

#include <gradcomp/core/blocks.hpp>
#include <gradcomp/core/rule.hpp>
#include <gradcomp/exec/cuda/pack.hpp>
#include <gradcomp/exec/cuda/tiles.hpp>

namespace gradcomp::exec {

/// One selection's choice as kernels see it.
struct lane_choice {
    block_choice choice;
    std::size_t payload = 0; ///< its first value's position in the message
    std::uint32_t key = 0;   ///< the tensor word of its random stream
    std::uint32_t begin = 0, end = 0; ///< its pieces
};

/// The choice over one tile, in the shared memory of a block of threads: one run's start, or the slot of every block that the tile touches.
struct tile_choice {
    std::uint64_t start;       ///< of the run
    std::uint64_t first_block; ///< the block of the selection that the tile starts in
    std::uint32_t lead;        ///< elements of that block before the tile
    std::uint32_t slot[1];     ///< of first_block and those behind it; slots_of() entries
};

/// Slots that a tile needs at most. @pre block > 0
constexpr std::size_t slots_of_tile(std::uint32_t block) { return (tile_elements + block - 2) / block + 1; }
/// Bytes of shared memory for tiles of a choice.
constexpr std::size_t tile_choice_bytes(const block_choice& choice)
{
    return sizeof(tile_choice) + (choice.block == 0 ? 0 : slots_of_tile(choice.block) * sizeof(std::uint32_t));
}

/// Fills `to`; every thread of the block calls it, and a barrier follows. Each slot is the inverse of the choice's permutation.
GRADCOMP_DEVICE inline void choose_tile(const block_choice& choice, const random_stream& stream, const tile_range& range, int thread, int threads, tile_choice& to)
{
    if (choice.block == 0) {
        if (thread == 0) to.start = choice.start(stream);
        return;
    }
    const std::uint64_t first = range.first / choice.block, last = (range.first + (range.end - range.begin) - 1) / choice.block;
    if (thread == 0) {
        to.first_block = first;
        to.lead = static_cast<std::uint32_t>(range.first - first * choice.block);
    }
    const auto count = static_cast<std::uint32_t>(last - first + 1);
    if (static_cast<std::uint32_t>(thread) >= count) return;
    const keyed_permutation order = choice.order(stream);
    for (auto b = static_cast<std::uint32_t>(thread); b < count; b += static_cast<std::uint32_t>(threads)) to.slot[b] = order.inverse(static_cast<std::uint32_t>(first) + b);
}

/// Chooser of a lane: what lies in a chosen block goes to the message and leaves nothing behind.
template <class T> struct lane_blocks {
    const tile_choice* tile;
    block_choice choice;
    std::size_t first; ///< position in the selection at which the tile starts
    T* message;        ///< of the selection

    static constexpr std::uint64_t nowhere = ~std::uint64_t{0};

    /// Where an element stands in the message; nowhere when it is not sent. `left` becomes the elements up to the end of its block or run.
    GRADCOMP_DEVICE std::uint64_t place(std::size_t position, std::uint64_t& left) const
    {
        if (choice.block == 0) {
            const std::uint64_t d = position >= tile->start ? position - tile->start : position + choice.size - tile->start;
            const std::uint64_t until_start = position >= tile->start ? choice.size - position : tile->start - position; // where d jumps
            if (d >= choice.kept) {
                left = until_start;
                return nowhere;
            }
            left = choice.kept - d < until_start ? choice.kept - d : until_start;
            return d;
        }
        const auto delta = static_cast<std::uint32_t>(position - first), rest = choice.block - tile->lead; // elements of the tile's first block
        const std::uint32_t block = delta < rest ? 0 : 1 + (delta - rest) / choice.block;
        const std::uint32_t inside = delta < rest ? tile->lead + delta : (delta - rest) % choice.block;
        left = choice.block - inside;
        const std::uint32_t slot = tile->slot[block];
        return slot < choice.slots() ? std::uint64_t{slot} * choice.block + inside : nowhere;
    }

    template <class Access> GRADCOMP_DEVICE bool four(std::size_t position, const pack<T>& p, pack<T>& c) const
    {
        std::uint64_t left;
        const std::uint64_t at = place(position, left);
        if (left < 4) return false; // they do not share their fate
        if (at == nowhere) {
            c = {};
            return true;
        }
        if (!is_packed(message + at) || position + 4 >= choice.size) return false;
        c = p;
        Access::store(message + at, p);
        return true;
    }
    GRADCOMP_DEVICE T one(std::size_t position, T p) const
    {
        std::uint64_t left;
        const std::uint64_t at = place(position, left);
        if (at == nowhere) return T(0);
        message[at] = p;
        if (choice.block != 0 && position + 1 == choice.size)
            for (std::uint64_t j = 1; j < left; ++j) message[at + j] = T(0); // a partial last block ends in zeros
        return p;
    }
};

/// From the message's side: the element of the selection at place `at` of its message; choice.size for padding. @pre a run has its start
GRADCOMP_HD inline std::uint64_t element_of(const block_choice& choice, const keyed_permutation& order, std::uint64_t start, std::uint64_t at)
{
    if (choice.block == 0) {
        const std::uint64_t i = start + at;
        return i >= choice.size ? i - choice.size : i;
    }
    const std::uint64_t slot = at / choice.block, i = std::uint64_t{order(static_cast<std::uint32_t>(slot))} * choice.block + at % choice.block;
    return i < choice.size ? i : choice.size;
}

/// The piece among [begin, end) that holds a position of their selection.
GRADCOMP_HD inline std::uint32_t piece_of(const piece* pieces, std::uint32_t begin, std::uint32_t end, std::size_t position)
{
    while (end - begin > 1) {
        const std::uint32_t middle = begin + (end - begin) / 2;
        if (pieces[middle].first <= position) begin = middle;
        else end = middle;
    }
    return begin;
}
/// The element of the packed streams at a position of a selection.
GRADCOMP_HD inline std::size_t packed_place(const piece* pieces, std::uint32_t begin, std::uint32_t end, std::size_t position)
{
    const piece& at = pieces[piece_of(pieces, begin, end, position)];
    return at.offset + (position - at.first);
}
/// f(piece, from, to) for each piece that holds some of the positions [from, to) of a selection: those that it holds, in order.
template <class F> GRADCOMP_DEVICE void each_piece_between(const piece* pieces, std::uint32_t begin, std::uint32_t end, std::size_t from, std::size_t to, const F& f)
{
    if (from >= to) return;
    for (std::uint32_t number = piece_of(pieces, begin, end, from); from < to; ++number) {
        const piece& at = pieces[number];
        const std::size_t stop = at.first + at.size < to ? at.first + at.size : to;
        if (from < stop) f(at, from, stop); // an empty piece holds none
        from = stop;
    }
}

} // namespace gradcomp::exec
