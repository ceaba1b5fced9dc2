/// @file Hostile bytes as a framed message, in memory and as a stream: refused, or read as what was framed.
#pragma once

#include "fuzz/decoders.hpp"

#include <gradcomp/core/message_file.hpp>

#include <sstream>

namespace fuzzing {

/// What the frame target expects of a frame.
inline constexpr gc::frame_header expected_frame{.kind = 7, .tensors = 0x1234, .step = 99, .bytes = 24};

/// The fuzz target: the first byte says how many of the checksums are mended, so that a fuzzer gets behind them; the others are the frame.
inline void read_any_frame(std::span<const std::uint8_t> data)
{
    if (data.empty()) return;
    std::vector<std::byte> frame(data.size() - 1);
    if (!frame.empty()) std::memcpy(frame.data(), data.data() + 1, frame.size());
    if (frame.size() >= sizeof(gc::frame_header)) {
        gc::frame_header header;
        std::memcpy(&header, frame.data(), sizeof header);
        const std::span<const std::byte> payload = std::span(frame).subspan(sizeof header);
        if (data[0] & 1) header.payload_crc = gc::crc32c(payload);
        if (data[0] & 2) header.header_crc = gc::crc32c({reinterpret_cast<const std::byte*>(&header), offsetof(gc::frame_header, header_crc)});
        std::memcpy(frame.data(), &header, sizeof header);
    }
    const auto accepted = [](const auto& read) {
        try {
            read();
            return true;
        } catch (const gc::error& e) {
            promise(e.code() == gc::error_code::bad_message, "a frame was refused for another reason than its bytes");
            return false;
        }
    };
    std::vector<std::byte> payload(expected_frame.bytes);
    const bool whole = accepted([&] {
        const auto read = gc::read_frame(expected_frame, frame);
        promise(read.size() == expected_frame.bytes && read.data() == frame.data() + sizeof(gc::frame_header), "a payload of another size or place was returned");
    });
    std::istringstream stream(std::string(reinterpret_cast<const char*>(frame.data()), frame.size()));
    const bool streamed = accepted([&] { gc::read_message(stream, expected_frame, payload); });
    promise(streamed || !whole, "a frame was read from memory and not from a stream"); // a stream may go on behind a message
    promise(!streamed || gc::crc32c(payload) == gc::crc32c(std::span(frame).subspan(sizeof(gc::frame_header), payload.size())), "a stream gave other bytes than it held");
}

} // namespace fuzzing
