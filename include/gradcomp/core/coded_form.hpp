/// @file Where the parameters and the codes of each tensor stand in a quantizer's message.
#pragma once

#include <gradcomp/core/codes.hpp>
#include <gradcomp/core/layout.hpp>

#include <limits>

namespace gradcomp {

/// The parameters of all buckets of all tensors, as T, then each tensor's codes. The codes of each tensor begin at a multiple of 16 bytes, so
/// that kernels load and store whole words; what lies between is 0.
struct coded_form {
    /// One tensor.
    struct place {
        std::size_t parameter = 0; ///< its first parameter, counted in T
        std::size_t codes = 0;     ///< its first byte of codes
        std::size_t end = 0;       ///< the byte behind its last
        unsigned spare = 0;        ///< the upper bits of its last byte that belong to no code: 0
    };
    std::size_t bucket = 0;            ///< elements that share parameters
    std::size_t parameters = 0;        ///< of all tensors together
    std::size_t parameter_bytes = 0;
    std::size_t bytes = 0;             ///< of the message
    std::vector<place> places = {};    ///< of each segment of the layout
};

/// A bucket that holds any tensor.
inline constexpr std::size_t whole_tensor = std::numeric_limits<std::size_t>::max();

/// The form of messages with codes of `bits` bits and `parameters` values of T a bucket.
template <class T> coded_form make_coded_form(const layout& where, int bits, int parameters, std::size_t bucket)
{
    const auto padded = [](std::size_t bytes) { return (bytes + 15) / 16 * 16; };
    coded_form form{.bucket = bucket};
    for (const segment& piece : where.segments) {
        form.places.push_back({.parameter = form.parameters});
        form.parameters += (piece.size / bucket + (piece.size % bucket != 0)) * static_cast<std::size_t>(parameters);
    }
    form.parameter_bytes = form.parameters * sizeof(T);
    form.bytes = padded(form.parameter_bytes);
    for (std::size_t s = 0; s < form.places.size(); ++s) {
        form.places[s].codes = form.bytes;
        form.places[s].end = form.bytes + packed_bytes(where.segments[s].size, bits);
        form.places[s].spare = spare_bits(where.segments[s].size, bits);
        form.bytes = padded(form.places[s].end);
    }
    return form;
}

} // namespace gradcomp
