/// @file The arithmetic of a ring all-reduce: which rank sums which chunk, in which order, and how many bytes travel.
#pragma once

#include <gradcomp/core/config.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace gradcomp::comm {

/// Elements [offset, offset + size) of a message.
struct ring_chunk {
    std::size_t offset = 0, size = 0;
};

/// Chunk `index` of `count` elements cut into `ranks` chunks whose sizes differ by at most one, the larger ones first.
inline constexpr ring_chunk chunk_of(std::size_t count, int ranks, int index)
{
    const std::size_t parts = static_cast<std::size_t>(ranks), at = static_cast<std::size_t>(index);
    const std::size_t least = count / parts, longer = count % parts;
    return {at * least + std::min(at, longer), least + (at < longer ? 1 : 0)};
}

/// The chunk that `rank` holds fully summed after the reduce-scatter. The sum starts at rank `chunk` and ends here.
inline constexpr int chunk_owned_by(int rank, int ranks) { return (rank + 1) % ranks; }

/// The rank that holds `chunk` fully summed after the reduce-scatter.
inline constexpr int owner_of(int chunk, int ranks) { return (chunk + ranks - 1) % ranks; }

/// Elements that `rank` sends in a ring all-reduce: all chunks but its own, then all chunks but its successor's.
///
/// 2 (ranks - 1) / ranks * count where ranks divides count; summed over the ranks always 2 (ranks - 1) * count.
inline constexpr std::uint64_t ring_elements_sent(std::size_t count, int ranks, int rank)
{
    const int own = chunk_owned_by(rank, ranks);
    return 2 * std::uint64_t{count} - chunk_of(count, ranks, own).size - chunk_of(count, ranks, (own + 1) % ranks).size;
}

/// out[i] = ((x_f[i] + x_{f+1}[i]) + x_{f+2}[i]) + ... over all ranks modulo `ranks`, from f = first: the order in which a ring adds.
///
/// @param source source(rank) points to the first of `count` elements of that rank.
/// Time ranks * count; reads every source once; bits independent of the block size.
template <class T, class Source> void sum_in_ring_order(const Source& source, int first, int ranks, std::size_t count, T* out)
{
    constexpr std::size_t block = 1024; // the partial sums stay in the first-level cache
    T sums[block];
    for (std::size_t begin = 0; begin < count; begin += block) {
        const std::size_t size = std::min(block, count - begin);
        std::copy_n(source(first) + begin, size, sums);
        for (int step = 1; step < ranks; ++step) {
            const T* const addend = source((first + step) % ranks) + begin;
            if (size == block) { // a constant trip count, which compilers vectorize without further flags
                GRADCOMP_INDEPENDENT
                for (std::size_t i = 0; i < block; ++i) sums[i] += addend[i];
            } else {
                for (std::size_t i = 0; i < size; ++i) sums[i] += addend[i];
            }
        }
        std::copy_n(sums, size, out + begin);
    }
}

} // namespace gradcomp::comm
