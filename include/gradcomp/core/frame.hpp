/// @file The frame around a message that goes into a file or to another process: what it is, to what it belongs, and a checksum.
#pragma once

#include <gradcomp/core/error.hpp>
#include <gradcomp/core/tensors.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <vector>

namespace gradcomp {

namespace detail {
/// Row k: the CRC of each byte with k zero bytes behind it. Not constexpr: in the compiler it would cost every user up to a tenth of a second.
inline std::array<std::array<std::uint32_t, 256>, 8> crc32c_table()
{
    std::array<std::array<std::uint32_t, 256>, 8> all{};
    for (std::uint32_t n = 0; n < 256; ++n) {
        std::uint32_t c = n;
        for (int bit = 0; bit < 8; ++bit) c = c & 1u ? c >> 1 ^ 0x82F63B78u : c >> 1;
        all[0][n] = c;
    }
    for (std::size_t n = 0; n < 256; ++n)
        for (std::size_t k = 1; k < 8; ++k) all[k][n] = all[k - 1][n] >> 8 ^ all[0][all[k - 1][n] & 0xff];
    return all;
}
} // namespace detail

/// CRC32C (polynomial 0x1EDC6F41, reflected) of bytes, continued from `before`. 8 bytes at a time, about 1 byte a cycle.
/// @cite RFC 3720, appendix B.4, for the test vectors.
inline std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t before = 0)
{
    static const auto table = detail::crc32c_table();
    std::uint32_t crc = ~before;
    std::size_t i = 0;
    for (; i + 8 <= bytes.size(); i += 8) {
        std::uint32_t word[2];
        std::memcpy(word, bytes.data() + i, 8);
        word[0] ^= crc;
        crc = 0;
        for (std::size_t k = 0; k < 4; ++k) crc ^= table[7 - k][word[0] >> (8 * k) & 0xff] ^ table[3 - k][word[1] >> (8 * k) & 0xff];
    }
    for (; i < bytes.size(); ++i) crc = crc >> 8 ^ table[0][(crc ^ static_cast<std::uint32_t>(bytes[i])) & 0xff];
    return ~crc;
}

/// A number that two lists share only when their names and shapes agree (CRC32C of their text, with lengths).
inline std::uint32_t hash_of(const tensor_list& list)
{
    std::uint32_t hash = 0;
    const auto add = [&hash](const void* at, std::size_t n) { hash = crc32c({static_cast<const std::byte*>(at), n}, hash); };
    const auto add_number = [&add](std::uint64_t n) { add(&n, sizeof n); };
    for (std::size_t t = 0; t < list.count(); ++t) {
        add_number(list[t].name.size());
        add(list[t].name.data(), list[t].name.size());
        add_number(list[t].shape.size());
        for (const std::size_t extent : list[t].shape) add_number(extent);
    }
    return hash;
}

/// What the sender says of a payload and the receiver expects of it. Little-endian, in this order; version 1 is 40 bytes.
struct frame_header {
    std::uint32_t magic = 0x50434447;  ///< "GDCP"
    std::uint16_t version = 1;
    std::uint16_t element = 4;         ///< sizeof(T)
    std::uint32_t kind = 0;            ///< which compressor wrote it: kind_of() it, or the sender's and receiver's own numbering
    std::uint32_t tensors = 0;         ///< hash_of() the tensor list
    std::uint64_t step = 0;
    std::uint64_t bytes = 0;           ///< of the payload
    std::uint32_t payload_crc = 0;     ///< crc32c of the payload
    std::uint32_t header_crc = 0;      ///< crc32c of all before it
};
static_assert(sizeof(frame_header) == 40 && std::endian::native == std::endian::little, "messages are little-endian, and so is what this library runs on");

/// The header in front of a payload: bytes and checksums filled in. Time: one reading of the payload.
inline frame_header framed_header(frame_header header, std::span<const std::byte> payload)
{
    header.bytes = payload.size();
    header.payload_crc = crc32c(payload);
    header.header_crc = crc32c({reinterpret_cast<const std::byte*>(&header), offsetof(frame_header, header_crc)});
    return header;
}

/// Writes header and payload behind each other into `to`, which has room for both. @return the bytes written
inline std::size_t write_frame(const frame_header& header, std::span<const std::byte> payload, std::byte* to)
{
    const frame_header complete = framed_header(header, payload);
    std::memcpy(to, &complete, sizeof complete);
    if (!payload.empty()) std::memcpy(to + sizeof complete, payload.data(), payload.size());
    return sizeof complete + payload.size();
}

/// Checks what a header says of itself and of its payload, `bytes` included. @throws error bad_message naming the field.
inline void check_frame_header(const frame_header& expected, const frame_header& header)
{
    const auto refuse = [](const char* field, std::uint64_t value, std::uint64_t wanted) {
        if (value != wanted) throw error(error_code::bad_message, field, std::to_string(value), "must be " + std::to_string(wanted));
    };
    refuse("magic", header.magic, expected.magic);
    refuse("version", header.version, expected.version); // before the checksum, which another version may place elsewhere
    refuse("header_crc", header.header_crc, crc32c({reinterpret_cast<const std::byte*>(&header), offsetof(frame_header, header_crc)}));
    refuse("element", header.element, expected.element);
    refuse("kind", header.kind, expected.kind);
    refuse("tensors", header.tensors, expected.tensors);
    refuse("step", header.step, expected.step);
    refuse("bytes", header.bytes, expected.bytes);
}
/// Checks a payload against the header in front of it. @throws error bad_message, field "payload_crc".
inline void check_payload(const frame_header& header, std::span<const std::byte> payload)
{
    if (const std::uint32_t crc = crc32c(payload); crc != header.payload_crc)
        throw error(error_code::bad_message, "payload_crc", std::to_string(crc), "must be " + std::to_string(header.payload_crc));
}

/// The payload of a frame, after everything about it was checked: the size against the local one before any other byte is looked at.
/// @param expected kind, element, tensors, step and bytes as the receiver knows them @throws error bad_message naming the field.
inline std::span<const std::byte> read_frame(const frame_header& expected, std::span<const std::byte> frame)
{
    if (frame.size() != sizeof(frame_header) + expected.bytes)
        throw error(error_code::bad_message, "frame", std::to_string(frame.size()), "must be " + std::to_string(sizeof(frame_header) + expected.bytes) + " bytes");
    frame_header header;
    std::memcpy(&header, frame.data(), sizeof header);
    check_frame_header(expected, header);
    const std::span<const std::byte> payload = frame.subspan(sizeof header);
    check_payload(header, payload);
    return payload;
}

} // namespace gradcomp
