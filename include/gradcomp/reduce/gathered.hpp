/// @file The frame of a gathered message: what travels in front of the payload, and its checks.
#pragma once

#include <gradcomp/comm/small_copies.hpp>
#include <gradcomp/core/error.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace gradcomp {
inline namespace reduce {

/// What a rank says of a step's message, and a root of all of them.
enum class verdict : std::uint32_t {
    accepted,
    rejected,  ///< somebody met NaN or Inf
    unreadable ///< the root could not read a message
};

/// In front of each gathered message: the step it belongs to, and whether its sender met NaN or Inf. 16 bytes keep the payload aligned.
struct gathered_header {
    std::uint32_t step = 0;
    verdict said = verdict::accepted;
    std::uint64_t bytes = 0; ///< of the payload behind it
};
static_assert(sizeof(gathered_header) == 16);

/// Bytes that one rank's message takes among gathered ones, padded so that the next header is aligned.
constexpr std::size_t gathered_stride(std::size_t payload_bytes) { return sizeof(gathered_header) + (payload_bytes + 15) / 16 * 16; }

/// Checks a header. @throws error bad_message naming the sender when step or size differ from this rank's own, or the verdict is none.
inline void check_header(const gathered_header& header, std::uint32_t step, std::size_t payload_bytes, int sender)
{
    if (header.step != step)
        throw error(error_code::bad_message, "step", std::to_string(header.step), "rank " + std::to_string(sender) + " is at another step than " + std::to_string(step));
    if (header.bytes != payload_bytes)
        throw error(error_code::bad_message, "bytes", std::to_string(header.bytes),
            "rank " + std::to_string(sender) + " sent a message of another size than " + std::to_string(payload_bytes));
    if (header.said > verdict::unreadable)
        throw error(error_code::bad_message, "verdict", std::to_string(static_cast<std::uint32_t>(header.said)), "rank " + std::to_string(sender) + " sent no verdict");
}

/// Reads and checks a header in host memory. @throws error as check_header.
inline gathered_header read_header(const std::byte* from, std::uint32_t step, std::size_t payload_bytes, int sender)
{
    gathered_header header;
    std::memcpy(&header, from, sizeof header);
    check_header(header, step, payload_bytes, sender);
    return header;
}

/// Reads and checks the headers of all ranks, which lie `stride` bytes apart in the communicator's memory. On a device it waits for them.
/// @return whether any rank's verdict is not `accepted`. @throws error as check_header, and of the communicator.
template <class Communicator>
bool any_rejects(const Communicator& communicator, std::span<gathered_header> headers, const std::byte* from, std::size_t stride, std::uint32_t step, std::size_t payload_bytes)
{
    comm::read_small(communicator, headers, from, stride);
    bool any = false;
    for (std::size_t r = 0; r < headers.size(); ++r) {
        check_header(headers[r], step, payload_bytes, static_cast<int>(r));
        any |= headers[r].said != verdict::accepted;
    }
    return any;
}

} // namespace reduce
} // namespace gradcomp
