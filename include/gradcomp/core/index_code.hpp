/// @file Ascending indices on the wire: 16 bits within tiles of 65536 elements, 32 bits or 64, whichever is fewest bytes.
#pragma once

#include <gradcomp/core/config.hpp>
#include <gradcomp/core/error.hpp>
#include <gradcomp/core/layout.hpp>

#include <algorithm>
#include <cstring>

namespace gradcomp {

/// Elements of a tile of 16-bit indices.
inline constexpr std::size_t index_tile = std::size_t{1} << 16;

/// How the indices of one selection are written; they count from its first element. Follows from sizes alone, so nothing on the wire says it.
///
/// Counts of 32 bits, one a tile, then places of 16 bits within the tiles, no counts where one tile holds everything; or 32 bits an index; or 64 bits where
/// there are more than 2^32 elements. Zeros behind the last index, up to a multiple of 4 bytes or where a message has more room than indices.
struct index_form {
    std::size_t size = 0;  ///< elements that indices tell apart
    std::size_t kept = 0;  ///< indices for which there is room
    std::size_t tiles = 0; ///< counts in front of 16-bit places; 0: none
    std::size_t width = 4; ///< bytes of an index: 2, 4 or 8

    GRADCOMP_HD constexpr std::size_t bytes() const { return (first() + width * kept + 3) / 4 * 4; }
    GRADCOMP_HD constexpr std::size_t first() const { return 4 * tiles; } ///< where the first index stands
};

/// The form with the fewest bytes; plain indices where 16 bits would be as many.
constexpr index_form index_form_of(std::size_t size, std::size_t kept)
{
    const std::size_t tiles = (size + index_tile - 1) / index_tile, counts = tiles > 1 ? tiles : 0, plain = size > std::size_t{1} << 32 ? 8 : 4;
    if (4 * counts + 2 * kept < plain * kept) return {size, kept, counts, 2};
    return {size, kept, 0, plain};
}

/// The forms of a layout's selections, which stand one behind the other. @return all of their bytes; each(form, first byte) is called in order
template <class Each> std::size_t each_index_form(const layout& where, Each each)
{
    std::size_t wire = 0;
    for (const selection& s : where.selections) {
        const index_form form = index_form_of(s.size, s.kept);
        each(form, wire);
        wire += form.bytes();
    }
    return wire;
}
inline std::size_t index_bytes(const layout& where)
{
    return each_index_form(where, [](const index_form&, std::size_t) {});
}

/// Indices of 64 bits, which stand at a multiple of 4 bytes.
struct wide_indices {
    const std::byte* at;
    std::uint64_t operator[](std::size_t j) const
    {
        std::uint64_t index;
        std::memcpy(&index, at + 8 * j, 8);
        return index;
    }
};

/// Indices [begin, end) of a selection without a copy: run(places, base, from, to) for pieces in order, index j being base + places[j].
/// @param at aligned to 4 bytes
template <class Run> void each_index_run(const index_form& form, const std::byte* at, std::size_t begin, std::size_t end, const Run& run)
{
    if (begin >= end) return;
    if (form.width == 8) return run(wide_indices{at}, std::size_t{0}, begin, end);
    if (form.width == 4) return run(reinterpret_cast<const std::uint32_t*>(at), std::size_t{0}, begin, end);
    const auto* const places = reinterpret_cast<const std::uint16_t*>(at + form.first());
    if (form.tiles == 0) return run(places, std::size_t{0}, begin, end);
    const auto* const counts = reinterpret_cast<const std::uint32_t*>(at);
    std::size_t first = 0;
    for (std::size_t tile = 0; tile < form.tiles && first < end; ++tile) {
        const std::size_t behind = first + counts[tile], from = std::max(first, begin), to = std::min(behind, end);
        if (from < to) run(places, tile * index_tile, from, to);
        first = behind;
    }
}

namespace detail {

/// Counts of tiles that add up to `count`.
inline void check_index_counts(const index_form& form, std::size_t count, const std::byte* at)
{
    const auto* const counts = reinterpret_cast<const std::uint32_t*>(at);
    std::size_t sum = 0;
    for (std::size_t tile = 0; tile < form.tiles; sum += counts[tile++])
        if (counts[tile] > count - sum)
            throw error(error_code::bad_message, "count[" + std::to_string(tile) + "]", std::to_string(counts[tile]),
                "more indices than the " + std::to_string(count) + " of a message");
    if (form.tiles > 0 && sum != count) throw error(error_code::bad_message, "count", std::to_string(sum), "must add up to " + std::to_string(count));
}

/// Says which index of [from, to) is wrong; `number` is that of the selection's first index in the message.
template <class Places>
[[noreturn]] inline void refuse_index(const index_form& form, Places places, std::size_t base, std::size_t from, std::size_t to, std::size_t number)
{
    std::size_t j = from;
    while (j + 1 < to && base + places[j] < form.size && (j == from || places[j] > places[j - 1])) ++j;
    const std::string field = "index[" + std::to_string(number + j) + "]", value = std::to_string(base + places[j]);
    if (base + places[j] >= form.size) throw error(error_code::bad_message, field, value, "must be below " + std::to_string(form.size));
    throw error(error_code::bad_message, field, value, "must be above the index before it, " + std::to_string(base + places[j - 1]));
}

} // namespace detail

/// Checks all of a selection's indices before anything is applied: `count` of them ascend strictly and stay inside it, and zeros follow.
/// @param number the number of its first index in the message, for errors. @throws error bad_message naming the place in the message and the value.
inline void check_indices(const index_form& form, std::size_t count, const std::byte* at, std::size_t number)
{
    detail::check_index_counts(form, count, at);
    each_index_run(form, at, 0, count, [&](auto places, std::size_t base, std::size_t from, std::size_t to) {
        bool wrong = places[to - 1] >= form.size - base; // a tile that exists begins inside
        for (std::size_t j = from + 1; j < to; ++j) wrong |= places[j] <= places[j - 1];
        if (wrong) detail::refuse_index(form, places, base, from, to, number);
    });
    for (std::size_t b = form.first() + form.width * count; b < form.bytes(); ++b)
        if (at[b] != std::byte{0})
            throw error(error_code::bad_message, "index[" + std::to_string(number + count) + "]", std::to_string(std::to_integer<int>(at[b])), "must be 0 behind the last index");
}

} // namespace gradcomp
