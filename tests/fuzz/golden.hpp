/// @file Golden files: a message as an earlier version wrote it, and a digest of what it says.
#pragma once

#include "fuzz/decoders.hpp"

#include <gradcomp/core/message_file.hpp>

#include <string>

namespace fuzzing {

/// Two framed messages behind each other: the message itself, then the digest, 4 bytes, of kind `number` + 2^31.
struct golden {
    std::vector<std::byte> message;
    std::uint32_t digest = 0;
};

inline std::string golden_name(const decoder& of) { return std::string(of.name) + (of.element == 4 ? ".float" : ".double"); }

/// CRC32C of every named element, in ascending order: its number and its value as a double, NaN being one value.
inline std::uint32_t digest_of(const decoded& what)
{
    std::uint32_t digest = 0;
    for (std::size_t i = 0; i < what.value.size(); ++i) {
        if (what.times[i] == 0) continue;
        const double value = what.value[i] == what.value[i] ? what.value[i] : gc::not_a_number<double>();
        const std::uint64_t words[2] = {i, gc::bits_of(value)};
        digest = gc::crc32c(std::as_bytes(std::span(words)), digest);
    }
    return digest;
}

inline gc::frame_header digest_frame(const decoder& of)
{
    gc::frame_header header = of.frame();
    header.kind |= 0x80000000u;
    return header;
}

inline void write_golden(const std::filesystem::path& path, const decoder& of, const golden& made)
{
    std::ofstream to(path, std::ios::binary);
    gc::write_message(to, of.frame(), made.message);
    gc::write_message(to, digest_frame(of), std::as_bytes(std::span(&made.digest, 1)));
}
/// @throws error bad_message where the file is damaged or of something else.
inline golden read_golden(std::istream& from, const decoder& of)
{
    golden read{std::vector<std::byte>(of.bytes), 0};
    gc::read_message(from, of.frame(), read.message);
    gc::read_message(from, digest_frame(of), std::as_writable_bytes(std::span(&read.digest, 1)));
    return read;
}

} // namespace fuzzing
