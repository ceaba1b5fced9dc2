/// @file Framed messages in streams and files: written whole, and read only into memory that the reader sized.
#pragma once

#include <gradcomp/core/frame.hpp>

#include <filesystem>
#include <fstream>
#include <istream>
#include <ostream>

namespace gradcomp {

/// Writes one message with its frame; several may follow each other in a stream. Fills bytes and checksums of the header.
/// @throws error file when the stream does not take it.
inline void write_message(std::ostream& to, const frame_header& header, std::span<const std::byte> payload)
{
    const frame_header complete = framed_header(header, payload);
    to.write(reinterpret_cast<const char*>(&complete), sizeof complete);
    to.write(reinterpret_cast<const char*>(payload.data()), static_cast<std::streamsize>(payload.size()));
    if (!to) throw error(error_code::file, "stream", std::to_string(payload.size()), "a message of so many bytes could not be written");
}

/// Reads one message whose payload fills `payload`. Everything of the header is checked before a byte behind it is read. What is in `payload`
/// when this throws is unchecked: decode it only after it returns.
/// @param expected kind, element, tensors and step as the receiver knows them; bytes is the size of `payload`
/// @throws error bad_message naming the field; field "frame" with the bytes that came where the stream ends too early.
inline void read_message(std::istream& from, frame_header expected, std::span<std::byte> payload)
{
    expected.bytes = payload.size();
    const auto fill = [&](void* at, std::size_t bytes, std::size_t before) {
        from.read(static_cast<char*>(at), static_cast<std::streamsize>(bytes));
        if (const auto got = static_cast<std::size_t>(from.gcount()); got != bytes)
            throw error(error_code::bad_message, "frame", std::to_string(before + got), "must be " + std::to_string(sizeof(frame_header) + payload.size()) + " bytes");
    };
    frame_header header{};
    fill(&header, sizeof header, 0);
    check_frame_header(expected, header);
    fill(payload.data(), payload.size(), sizeof header);
    check_payload(header, payload);
}

/// Writes a file that holds one message, under a temporary name first, so that a reader never sees half of it.
/// @throws error file naming the path.
inline void save_message(const std::filesystem::path& path, const frame_header& header, std::span<const std::byte> payload)
{
    const auto refuse = [&](const char* what) { return error(error_code::file, "path", path.string(), what); };
    std::filesystem::path part = path;
    part += ".part";
    try {
        std::ofstream to(part, std::ios::binary | std::ios::trunc);
        if (!to) throw refuse("cannot be opened for writing");
        write_message(to, header, payload);
        to.close();
        if (!to) throw refuse("could not be written");
        std::filesystem::rename(part, path);
    } catch (...) {
        std::error_code ignored;
        std::filesystem::remove(part, ignored);
        throw;
    }
}

/// Reads a file that holds one message and nothing else. @throws error file where it cannot be opened; bad_message as read_message(), and field
/// "frame" where the file goes on behind the message.
inline void load_message(const std::filesystem::path& path, const frame_header& expected, std::span<std::byte> payload)
{
    std::ifstream from(path, std::ios::binary);
    if (!from) throw error(error_code::file, "path", path.string(), "cannot be opened");
    read_message(from, expected, payload);
    if (from.peek() != std::ifstream::traits_type::eof())
        throw error(error_code::bad_message, "frame", path.string(), "goes on behind its " + std::to_string(sizeof(frame_header) + payload.size()) + " bytes");
}

} // namespace gradcomp
