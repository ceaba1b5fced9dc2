/// @file A few bytes of a message, a header or a vote, written and read by host code wherever the message lies.
#pragma once

#include <gradcomp/core/view.hpp>

#include <concepts>
#include <cstddef>
#include <cstring>
#include <span>

namespace gradcomp::comm {

/// Messages lie in memory that host code cannot touch, so the communicator carries small parts over.
///
/// write(to, from) is in order with the calls of the same handle, and `from` is free again when it returns. read(to, from, stride, rows) waits,
/// not past the communicator's deadline, for all that was enqueued, then fills `to` with to.size() / rows bytes from each of `rows` places,
/// `stride` bytes apart.
template <class C>
concept reaches_device = requires(const C& c, view<std::byte, memory_space::device> to, view<const std::byte, memory_space::device> from,
    std::span<const std::byte> value, std::span<std::byte> result, std::size_t n) {
    c.write(to, value);
    c.read(result, from, n, n);
};

/// *to = value, for a `to` in the memory of `communicator`. @throws error of the communicator.
template <class C, class T> void write_small(const C& communicator, void* to, const T& value)
{
    if constexpr (C::space == memory_space::host) std::memcpy(to, &value, sizeof value);
    else communicator.write({static_cast<std::byte*>(to), sizeof value}, std::as_bytes(std::span(&value, 1)));
}

/// values[i] = what lies at from + i * stride bytes. On a device it waits for the calls before it. @throws error of the communicator.
template <class C, class T> void read_small(const C& communicator, std::span<T> values, const void* from, std::size_t stride = sizeof(T))
{
    const auto* first = static_cast<const std::byte*>(from);
    if constexpr (C::space == memory_space::host) {
        for (std::size_t i = 0; i < values.size(); ++i) std::memcpy(&values[i], first + i * stride, sizeof(T));
    } else if (!values.empty()) {
        communicator.read(std::as_writable_bytes(values), {first, (values.size() - 1) * stride + sizeof(T)}, stride, values.size());
    }
}

/// The one value at `from`.
template <class T, class C> T read_one(const C& communicator, const void* from)
{
    T value{};
    read_small(communicator, std::span<T>(&value, 1), from);
    return value;
}

} // namespace gradcomp::comm
