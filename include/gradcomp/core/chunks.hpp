/// @file One tensor cut into chunks, each of which sends as many of its elements as any other: where these stand in a message, and how their places are written.
#pragma once

#include <gradcomp/core/config.hpp>
#include <gradcomp/core/error.hpp>

#include <cstring>
#include <string>

namespace gradcomp {

/// Elements of the largest chunk: a place in it has 16 bits.
inline constexpr std::size_t most_of_chunk = std::size_t{1} << 16;

/// Follows from sizes alone, so nothing on the wire says it: places of 16 bits within the chunks, chunk after chunk, zeros up to a multiple of 4 bytes.
struct chunk_form {
    std::size_t size = 0;  ///< elements of the tensor
    std::size_t chunk = 1; ///< elements of a chunk; the last one may have fewer
    std::size_t kept = 0;  ///< elements that a chunk sends
    std::size_t last = 0;  ///< elements that the last one sends, at most `kept`

    GRADCOMP_HD constexpr std::size_t chunks() const { return (size + chunk - 1) / chunk; }
    GRADCOMP_HD constexpr std::size_t total() const { return size == 0 ? 0 : (chunks() - 1) * kept + last; } ///< elements of a message
    GRADCOMP_HD constexpr std::size_t index_bytes() const { return (2 * total() + 3) / 4 * 4; }
    GRADCOMP_HD constexpr std::size_t first(std::size_t c) const { return c * chunk; }   ///< the first element of chunk c
    GRADCOMP_HD constexpr std::size_t sent(std::size_t c) const { return c * kept; }     ///< its first place in the message
    GRADCOMP_HD constexpr std::size_t size_of(std::size_t c) const { return c + 1 < chunks() ? chunk : size - first(c); }
    GRADCOMP_HD constexpr std::size_t kept_of(std::size_t c) const { return c + 1 < chunks() ? kept : last; }
    GRADCOMP_HD constexpr std::size_t chunk_of(std::size_t j) const { return j / kept; } ///< whose place j of the message is
};

/// Whether place j of a message is right beside the one before it; the last one answers for the zero behind it.
GRADCOMP_HD inline bool is_place_right(const chunk_form& form, const std::uint16_t* place, std::size_t j)
{
    const std::size_t c = form.chunk_of(j);
    const bool inside = place[j] < form.size_of(c), ascends = j == form.sent(c) || place[j] > place[j - 1];
    return inside && ascends && (j + 1 < form.total() || j % 2 == 1 || place[j + 1] == 0);
}

/// Checks all places of a tensor before anything is applied: within each chunk they ascend strictly and stay inside it, and zeros follow.
/// @param number the number of its first place in the message, for errors. @throws error bad_message naming the place in the message and the value.
inline void check_places(const chunk_form& form, const std::uint16_t* place, std::size_t number)
{
    bool right = true;
    for (std::size_t c = 0, j = 0; c < form.chunks(); ++c) {
        const std::size_t end = j + form.kept_of(c);
        right &= place[end - 1] < form.size_of(c);
        while (++j < end) right &= place[j] > place[j - 1];
    }
    if (right && (form.total() % 2 == 0 || place[form.total()] == 0)) return;
    std::size_t j = 0;
    while (is_place_right(form, place, j)) ++j;
    const std::size_t c = form.chunk_of(j);
    const auto field = [&](std::size_t at) { return "index[" + std::to_string(number + at) + "]"; };
    if (place[j] >= form.size_of(c)) throw error(error_code::bad_message, field(j), std::to_string(place[j]), "must be below " + std::to_string(form.size_of(c)) + ", the elements of its chunk");
    if (j > form.sent(c) && place[j] <= place[j - 1])
        throw error(error_code::bad_message, field(j), std::to_string(place[j]), "must be above the index before it, " + std::to_string(place[j - 1]));
    throw error(error_code::bad_message, field(j + 1), std::to_string(place[j + 1]), "must be 0 behind the last index");
}

} // namespace gradcomp
