/// @file Indices on the wire as CUDA kernels write and read them, the same bytes as core/index_code.hpp. Kernels choose with plain indices of 32 bits.
#pragma once

#include <gradcomp/core/config.hpp>
#include <gradcomp/core/index_code.hpp>

#include <vector>

namespace gradcomp::exec {

/// Where a selection's indices stand.
struct placed_indices {
    index_form form;
    std::size_t payload = 0;    ///< the number of its first index in the message
    std::size_t wire = 0;       ///< the first byte
    std::size_t first_tile = 0; ///< in the starts of all selections' tiles
};

/// Elements among which kernels choose at most. They count and step by blocks of threads in 32 bits, so a last step must not run over either: the grids of
/// selections stay below 2^20 threads.
inline constexpr std::size_t most_chosen_from = (std::size_t{1} << 32) - (std::size_t{1} << 20);

/// @throws error size_overflow for a selection of more than that.
inline std::vector<placed_indices> placed_indices_of(const layout& where)
{
    std::vector<placed_indices> all;
    std::size_t tiles = 0;
    each_index_form(where, [&](const index_form& form, std::size_t wire) {
        if (form.size > most_chosen_from)
            throw error(error_code::size_overflow, "size", std::to_string(form.size), "exec::cuda chooses among at most 2^32 - 2^20 elements");
        all.push_back({form, where.selections[all.size()].payload, wire, tiles});
        tiles += form.tiles;
    });
    return all;
}

/// Writes index j of `count`; `index` are the selection's, `wire` its zeroed bytes. Whoever holds the first or the last index of a tile adds its part of
/// the tile's count: add(counter, x), modulo 2^32.
template <class Add> GRADCOMP_DEVICE void write_index(const index_form& form, const std::uint32_t* index, std::size_t count, std::size_t j, std::byte* wire, const Add& add)
{
    const std::uint32_t i = index[j];
    if (form.width != 2) {
        reinterpret_cast<std::uint32_t*>(wire)[j * (form.width / 4)] = i;
        return;
    }
    reinterpret_cast<std::uint16_t*>(wire + form.first())[j] = static_cast<std::uint16_t>(i % index_tile);
    if (form.tiles == 0) return;
    std::uint32_t& counter = reinterpret_cast<std::uint32_t*>(wire)[i / index_tile];
    if (j == 0 || index[j - 1] / index_tile != i / index_tile) add(counter, 0u - static_cast<std::uint32_t>(j));
    if (j + 1 == count || index[j + 1] / index_tile != i / index_tile) add(counter, static_cast<std::uint32_t>(j + 1));
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
GRADCOMP_HD inline std::size_t read_index(const index_form& form, const std::uint32_t* starts, const std::byte* wire, std::size_t j)
{
    const auto* const words = reinterpret_cast<const std::uint32_t*>(wire);
    if (form.width == 8) return words[2 * j] | static_cast<std::uint64_t>(words[2 * j + 1]) << 32;
    if (form.width == 4) return words[j];
    std::size_t low = 0, high = form.tiles;
    while (high > low + 1) { // the last tile that begins at or before j
        const std::size_t middle = (low + high) / 2;
        if (starts[middle] <= j) low = middle;
        else high = middle;
    }
    return low * index_tile + reinterpret_cast<const std::uint16_t*>(wire + form.first())[j];
}

/// Whether what must be zero behind the last of `count` indices is zero, as far as place j of `form.kept` sees it. @pre j >= count or j + 1 == form.kept
GRADCOMP_HD inline bool is_clear_at(const index_form& form, std::size_t count, const std::byte* wire, std::size_t j)
{
    const auto* const halves = reinterpret_cast<const std::uint16_t*>(wire + form.first());
    const std::size_t each = form.width / 2;
    std::uint32_t seen = 0;
    if (j >= count)
        for (std::size_t h = 0; h < each; ++h) seen |= halves[j * each + h];
    if (j + 1 == form.kept && form.width == 2 && form.kept % 2 == 1) seen |= halves[form.kept];
    return seen == 0;
}

/// Whether index j is right beside the one before it, and what lies behind the last one is zero. @pre counts add up to `count`
GRADCOMP_HD inline bool is_index_right(const index_form& form, std::size_t count, const std::uint32_t* starts, const std::byte* wire, std::size_t j)
{
    if (j < count) {
        const std::size_t i = read_index(form, starts, wire, j);
        if (i >= form.size || (j > 0 && i <= read_index(form, starts, wire, j - 1))) return false;
    }
    return (j < count && j + 1 < form.kept) || is_clear_at(form, count, wire, j);
}

/// Some of a message's indices, one behind the other.
struct index_span {
    std::size_t begin, end;
};
/// Those that lie in a tile of 65536 elements. @pre they ascend
GRADCOMP_HD inline index_span indices_in_tile(const index_form& form, const std::uint32_t* starts, std::size_t count, const std::byte* wire, std::size_t tile)
{
    if (form.width == 2) {
        if (form.tiles == 0) return {0, count};
        const std::size_t begin = starts[tile], end = tile + 1 < form.tiles ? starts[tile + 1] : count;
        return {begin, end < count ? end : count};
    }
    std::size_t at[2];
    for (int side = 0; side < 2; ++side) {
        const std::size_t element = (tile + static_cast<std::size_t>(side)) * index_tile;
        std::size_t low = 0, high = count;
        while (low < high) {
            const std::size_t middle = (low + high) / 2;
            if (read_index(form, starts, wire, middle) < element) low = middle + 1;
            else high = middle;
        }
        at[side] = low;
    }
    return {at[0], at[1]};
}
/// Index j, which lies in this tile.
GRADCOMP_HD inline std::size_t index_in_tile(const index_form& form, const std::byte* wire, std::size_t tile, std::size_t j)
{
    if (form.width == 2) return tile * index_tile + reinterpret_cast<const std::uint16_t*>(wire + form.first())[j];
    return read_index(form, nullptr, wire, j); // needs no starts
}

} // namespace gradcomp::exec
