/// @file What a communicator is: the collective calls through which the ranks of one training job exchange messages.
#pragma once

#include <gradcomp/core/error.hpp>
#include <gradcomp/core/view.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string_view>
#include <type_traits>

namespace gradcomp::comm {

/// The collective calls. Every rank makes the same calls in the same order with the same sizes.
enum class operation { all_reduce, all_gather, gather, broadcast, all_to_all, barrier };

/// The name of an operation, as written in `operation`.
inline constexpr std::string_view name_of(operation what)
{
    constexpr std::string_view names[] = {"all_reduce", "all_gather", "gather", "broadcast", "all_to_all", "barrier"};
    return names[static_cast<int>(what)];
}

/// An element type that all_reduce adds: gradients, and counts or votes.
template <class T>
concept summable = std::same_as<T, float> || std::same_as<T, double> || std::same_as<T, std::uint32_t> || std::same_as<T, std::uint64_t>;

/// The name of a summable type, equal on every platform.
template <summable T> inline constexpr std::string_view element_name = std::same_as<T, float> ? "float"
                                                                     : std::same_as<T, double> ? "double"
                                                                     : std::same_as<T, std::uint32_t> ? "uint32"
                                                                                                      : "uint64";

/// C is a handle: copying it is cheap and both copies speak for the same rank.
template <class C>
concept is_handle = std::copy_constructible<C>;

/// C::space says in which memory the views of its calls lie.
template <class C>
concept has_memory_space = std::same_as<std::remove_cv_t<decltype(C::space)>, memory_space>;

/// rank() is this caller's number, 0 <= rank() < size().
template <class C>
concept has_rank = requires(const C& c) { { c.rank() } -> std::same_as<int>; };

/// size() is the number of ranks, at least 1.
template <class C>
concept has_size = requires(const C& c) { { c.size() } -> std::same_as<int>; };

/// all_reduce(in, out): out[i] = the sum of in[i] over all ranks, the same bits on every rank. `in` survives unless out == in.
template <class C, class T>
concept sums = summable<T> && requires(const C& c, view<const T, C::space> in, view<T, C::space> out) { c.all_reduce(in, out); };

/// all_gather(mine, all): `all` holds every rank's `mine` in rank order; all.size() == size() * mine.size().
template <class C>
concept gathers_bytes = requires(const C& c, view<const std::byte, C::space> mine, view<std::byte, C::space> all) { c.all_gather(mine, all); };

/// gather(mine, all, root): as all_gather, on rank `root` only; the other ranks' `all` is not touched and may be empty.
template <class C>
concept gathers_bytes_at_root =
    requires(const C& c, view<const std::byte, C::space> mine, view<std::byte, C::space> all, int root) { c.gather(mine, all, root); };

/// broadcast(data, root): every rank's `data` becomes that of rank `root`.
template <class C>
concept broadcasts_bytes = requires(const C& c, view<std::byte, C::space> data, int root) { c.broadcast(data, root); };

/// all_to_all(in, out): block s of rank r's `in` becomes block r of rank s's `out`; size() blocks of equal size.
template <class C>
concept exchanges_bytes = requires(const C& c, view<const std::byte, C::space> in, view<std::byte, C::space> out) { c.all_to_all(in, out); };

/// barrier(): returns once every rank has called it.
template <class C>
concept waits_for_all = requires(const C& c) { c.barrier(); };

/// A model of this can carry a policy stack whose gradients have elements of type T.
template <class C, class T = float>
concept communicator = is_handle<C> && has_memory_space<C> && has_rank<C> && has_size<C> && sums<C, T> && sums<C, std::uint32_t> &&
                       gathers_bytes<C> && gathers_bytes_at_root<C> && broadcasts_bytes<C> && exchanges_bytes<C> && waits_for_all<C>;

/// Beyond the concept: bytes_sent() counts what this rank has sent so far, in bytes.
template <class C>
concept counts_bytes_sent = requires(const C& c) { { c.bytes_sent() } -> std::same_as<std::uint64_t>; };

/// Beyond the concept, in device memory: the calls only enqueue; wait(within) returns once they are done, or throws when that takes longer.
template <class C>
concept finishes_later = requires(const C& c, std::chrono::microseconds within) { c.wait(within); };

/// Beyond the concept: registered(buffer) prepares for later calls on a buffer, until what it returns is destroyed.
template <class C>
concept knows_buffers = requires(const C& c, view<std::byte, C::space> buffer) { c.registered(buffer); };

/// Beyond the concept: fail(cause) tells the other ranks at once that this one cannot go on.
template <class C>
concept spreads_failure = requires(const C& c, std::exception_ptr cause) { c.fail(cause); };

} // namespace gradcomp::comm
