/// @file How a layout is cut for one launch: which block of threads sweeps which elements of which tensor.
#pragma once

#include <gradcomp/core/config.hpp>
#include <gradcomp/core/layout.hpp>

#include <cstdint>
#include <vector>

namespace gradcomp::exec {

/// A segment as kernels see it.
struct piece {
    std::size_t offset = 0; ///< first element in the packed streams
    std::size_t size = 0;
    std::size_t first = 0;  ///< position in its selection
    std::uint32_t tensor = 0, selection = 0;
};

/// One block of threads: the part of a piece that lies in [base, base + tile_elements) of the packed streams.
///
/// Tiles start at multiples of their length, not where tensors start, so that packed streams are read four at a time whatever the tensors'
/// sizes; only a tensor's ends are read one by one.
struct tile_place {
    std::uint32_t piece = 0;
    std::uint32_t number = 0; ///< base / tile_elements
};
inline constexpr std::size_t tile_elements = 4096;

/// What every launch over a layout needs, as host vectors; attach() moves them to the device. 8 bytes for 4096 elements.
struct tile_table {
    std::vector<piece> pieces;
    std::vector<tile_place> tiles; ///< in the order of selections and positions, so that a scan over tiles keeps index order
};

/// @throws error size_overflow beyond 2^44 elements.
inline tile_table cut_into_tiles(const layout& where)
{
    tile_table table;
    for (std::size_t n = 0; n < where.selections.size(); ++n)
        for (std::size_t at = where.selections[n].begin; at < where.selections[n].end; ++at) {
            const gradcomp::segment& s = where.segments[at];
            const auto number = static_cast<std::uint32_t>(table.pieces.size());
            table.pieces.push_back({s.offset, s.size, s.first, static_cast<std::uint32_t>(s.tensor), static_cast<std::uint32_t>(n)});
            if (s.size == 0) continue;
            const std::size_t last = (s.offset + s.size - 1) / tile_elements;
            if (last > 0xffffffffu) throw error(error_code::size_overflow, "size", std::to_string(s.offset + s.size), "a kernel numbers its tiles with 32 bits");
            for (std::size_t t = s.offset / tile_elements; t <= last; ++t) table.tiles.push_back({number, static_cast<std::uint32_t>(t)});
        }
    return table;
}

/// Blocks of threads that count their elements from where their segment starts, `number` times 4096: for what is cut by tensor, as buckets are.
inline std::vector<tile_place> cut_by_segments(const layout& where)
{
    std::vector<tile_place> tiles;
    for (std::size_t s = 0; s < where.segments.size(); ++s)
        for (std::size_t t = 0; t * tile_elements < where.segments[s].size; ++t) tiles.push_back({static_cast<std::uint32_t>(s), static_cast<std::uint32_t>(t)});
    return tiles;
}

/// The elements of one tile: packed positions [begin, end), read from `base` on.
struct tile_range {
    std::size_t base, begin, end;
    std::size_t first; ///< of element `begin`: its position in the selection
    std::uint32_t tensor, selection;
};

GRADCOMP_HD inline tile_range range_of(const piece& p, const tile_place& place)
{
    const std::size_t base = place.number * tile_elements, stop = p.offset + p.size;
    const std::size_t begin = p.offset > base ? p.offset : base, end = stop < base + tile_elements ? stop : base + tile_elements;
    return {base, begin, end, p.first + (begin - p.offset), p.tensor, p.selection};
}

} // namespace gradcomp::exec
