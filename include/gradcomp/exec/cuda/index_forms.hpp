/// @file Indices in their shortest form as CUDA kernels write and read them, the same bytes as core/index_code.hpp.
#pragma once

#include <gradcomp/core/config.hpp>
#include <gradcomp/core/index_code.hpp>

#include <vector>

namespace gradcomp::exec {

/// A selection's indices on the wire as kernels see them.
struct index_form {
    std::size_t kept = 0, payload = 0, position = 0;
    std::size_t wire = 0;       ///< its first byte
    std::size_t first_tile = 0; ///< in the starts of all selections' tiles
    std::size_t tiles = 0;      ///< counts in front of 16-bit indices; 0: none, one tile holds everything
    bool is_short = false;
};

inline std::vector<index_form> index_forms_of(const layout& where)
{
    std::vector<index_form> forms;
    std::size_t wire = 0, tiles = 0;
    for (const selection& s : where.selections) {
        const bool is_short = has_short_indices(s);
        const std::size_t mine = is_short ? index_counts(s) / 4 : 0;
        forms.push_back({s.kept, s.payload, s.position, wire, tiles, mine, is_short});
        wire += index_bytes(s);
        tiles += mine;
    }
    return forms;
}

/// Writes index j of a selection; `index` are its indices, `wire` its zeroed bytes. Whoever holds the first or the last index of a tile adds its part of
/// the tile's count: add(counter, x), modulo 2^32.
template <class Add> GRADCOMP_DEVICE void write_index(const index_form& s, const std::uint32_t* index, std::size_t j, std::byte* wire, const Add& add)
{
    if (!s.is_short) {
        reinterpret_cast<std::uint32_t*>(wire)[j] = index[j];
        return;
    }
    const auto place_of = [&](std::size_t at) { return index[at] - s.position; };
    const std::size_t i = place_of(j);
    reinterpret_cast<std::uint16_t*>(wire + 4 * s.tiles)[j] = static_cast<std::uint16_t>(i % index_tile);
    if (s.tiles == 0) return;
    std::uint32_t& count = reinterpret_cast<std::uint32_t*>(wire)[i / index_tile];
    if (j == 0 || place_of(j - 1) / index_tile != i / index_tile) add(count, 0u - static_cast<std::uint32_t>(j));
    if (j + 1 == s.kept || place_of(j + 1) / index_tile != i / index_tile) add(count, static_cast<std::uint32_t>(j + 1));
}

/// Where each tile begins, by a block of threads (select_block.hpp); counts are cut so that no sum runs over. @return whether they add up to `kept`
template <class Block> GRADCOMP_DEVICE bool sum_counts(const Block& block, const std::uint32_t* counts, std::size_t tiles, std::size_t kept, std::uint32_t* starts)
{
    std::uint64_t sum = 0;
    bool cut = false;
    for (std::size_t base = 0; base < tiles; base += Block::threads) {
        const std::size_t tile = base + static_cast<std::size_t>(block.thread());
        const std::uint32_t count = tile < tiles ? counts[tile] : 0u;
        const std::uint32_t most = static_cast<std::uint32_t>(index_tile);
        std::uint32_t before, total, wrong_before, wrong;
        block.exclusive_sum(count < most ? count : most, before, total);
        block.exclusive_sum(count > most ? 1u : 0u, wrong_before, wrong);
        if (tile < tiles) starts[tile] = static_cast<std::uint32_t>(sum + before < kept ? sum + before : kept);
        sum += total;
        cut = cut || wrong > 0;
    }
    return !cut && sum == kept;
}

/// Index j of a selection; whether indices ascend inside it is for the check of the indices to say.
GRADCOMP_HD inline std::uint32_t read_index(const index_form& s, const std::uint32_t* starts, const std::byte* wire, std::size_t j)
{
    if (!s.is_short) return reinterpret_cast<const std::uint32_t*>(wire)[j];
    std::size_t low = 0, high = s.tiles;
    while (high > low + 1) { // the last tile that begins at or before j
        const std::size_t middle = (low + high) / 2;
        if (starts[middle] <= j) low = middle;
        else high = middle;
    }
    return static_cast<std::uint32_t>(s.position + low * index_tile + reinterpret_cast<const std::uint16_t*>(wire + 4 * s.tiles)[j]);
}

} // namespace gradcomp::exec
