/// @file Ascending indices on the wire: 16 bits within tiles of 65536 elements, or 32 bits, whichever is fewer bytes.
#pragma once

#include <gradcomp/core/error.hpp>
#include <gradcomp/core/layout.hpp>

#include <cstring>

namespace gradcomp {

/// Elements of a tile of 16-bit indices.
inline constexpr std::size_t index_tile = std::size_t{1} << 16;

/// Bytes of the counts in front of 16-bit indices: 4 a tile, none where one tile holds everything.
constexpr std::size_t index_counts(const selection& s)
{
    const std::size_t tiles = (s.size + index_tile - 1) / index_tile;
    return tiles > 1 ? 4 * tiles : 0;
}
/// Whether the indices of a selection go as 16 bits: follows from sizes alone, so nothing on the wire says so.
constexpr bool has_short_indices(const selection& s) { return index_counts(s) + 2 * s.kept < 4 * s.kept; }

/// Bytes of a selection's indices, a multiple of 4.
constexpr std::size_t index_bytes(const selection& s) { return has_short_indices(s) ? (index_counts(s) + 2 * s.kept + 3) / 4 * 4 : 4 * s.kept; }

/// Writes a selection's indices, ascending and counted within the group; all of index_bytes(s). @param at aligned to 4 bytes
inline void encode_indices(const selection& s, const std::uint32_t* index, std::byte* at)
{
    if (!has_short_indices(s)) {
        if (s.kept > 0) std::memcpy(at, index, 4 * s.kept);
        return;
    }
    std::memset(at, 0, index_bytes(s));
    auto* const counts = reinterpret_cast<std::uint32_t*>(at);
    auto* const places = reinterpret_cast<std::uint16_t*>(at + index_counts(s));
    for (std::size_t j = 0; j < s.kept; ++j) {
        const std::size_t i = index[j] - s.position;
        places[j] = static_cast<std::uint16_t>(i % index_tile);
        if (index_counts(s) > 0) ++counts[i / index_tile];
    }
}

/// Reads what encode_indices() wrote; whether they ascend inside the selection is for check_indices() to say.
/// @throws error bad_message for counts that do not add up to the selection's kept elements.
inline void decode_indices(const selection& s, const std::byte* at, std::uint32_t* index)
{
    if (!has_short_indices(s)) {
        if (s.kept > 0) std::memcpy(index, at, 4 * s.kept);
        return;
    }
    const auto* const counts = reinterpret_cast<const std::uint32_t*>(at);
    const auto* const places = reinterpret_cast<const std::uint16_t*>(at + index_counts(s));
    const std::size_t tiles = index_counts(s) / 4;
    std::size_t j = 0;
    for (std::size_t tile = 0; tile < (tiles > 0 ? tiles : 1); ++tile) {
        const std::size_t here = tiles > 0 ? counts[tile] : s.kept;
        if (here > s.kept - j)
            throw error(error_code::bad_message, "count[" + std::to_string(tile) + "]", std::to_string(here), "more indices than the " + std::to_string(s.kept) + " of a message");
        for (const std::size_t end = j + here; j < end; ++j) index[j] = static_cast<std::uint32_t>(s.position + tile * index_tile + places[j]);
    }
    if (j != s.kept) throw error(error_code::bad_message, "count", std::to_string(j), "must add up to " + std::to_string(s.kept));
}

} // namespace gradcomp
