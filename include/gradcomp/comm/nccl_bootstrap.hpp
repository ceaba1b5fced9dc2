/// @file How NCCL's unique id gets from rank 0 to all ranks: what a way must offer, and the record that travels.
///
/// The id opens the group to whoever holds it, so no error quotes it. Ways: a file, a TCP address, MPI, each a header of its own.
#pragma once

#include <gradcomp/core/error.hpp>

#include <nccl.h>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

namespace gradcomp::comm {

/// b.share(id, rank, size, deadline): afterwards every rank's `id` is that of rank 0. @throws error naming what went wrong.
template <class B>
concept shares_nccl_id = requires(B& b, ncclUniqueId& id, int rank, int size, std::chrono::microseconds deadline) { b.share(id, rank, size, deadline); };

/// b.joined(rank): called once the group stands, so nobody needs the id any more.
template <class B>
concept ends_with_group = requires(B& b, int rank) { b.joined(rank); };

template <class B>
concept carries_nccl_id = shares_nccl_id<B> && ends_with_group<B> && std::move_constructible<B>;

/// What travels: the id, and whom it is for. Little-endian; another byte order shows in `magic`.
struct nccl_introduction {
    static constexpr std::uint64_t expected_magic = 0x6469'6c63'636e'6367; ///< "gcncclid"
    std::uint64_t magic = expected_magic;
    std::uint64_t job = 0;     ///< the run that it belongs to
    std::uint32_t version = 1; ///< of this record
    std::uint32_t ranks = 0;
    ncclUniqueId id{};
    std::uint64_t sum = 0; ///< of all bytes before it; finds damage, not forgery
};
static_assert(sizeof(nccl_introduction) == 160);

/// The FNV-1a sum of the record's bytes before `sum`.
inline std::uint64_t sum_of(const nccl_introduction& record)
{
    std::byte bytes[offsetof(nccl_introduction, sum)];
    std::memcpy(bytes, &record, sizeof bytes);
    std::uint64_t sum = 0xcbf29ce484222325u;
    for (const std::byte b : bytes) sum = (sum ^ static_cast<std::uint64_t>(b)) * 0x100000001b3u;
    return sum;
}

inline nccl_introduction introduce(const ncclUniqueId& id, int size, std::uint64_t job)
{
    nccl_introduction record{.job = job, .ranks = static_cast<std::uint32_t>(size), .id = id};
    record.sum = sum_of(record);
    return record;
}

/// Whether the record is whole and of this job; what another job left behind is passed over.
inline bool is_meant_for(const nccl_introduction& record, std::uint64_t job)
{
    return record.magic == nccl_introduction::expected_magic && record.version == 1 && record.sum == sum_of(record) && record.job == job;
}

/// @throws error configuration when the record is of a group of another size.
inline void require_same_size(const nccl_introduction& record, int rank, int size)
{
    if (record.ranks == static_cast<std::uint32_t>(size)) return;
    throw error(error_code::configuration, "ranks", std::to_string(size) + " on rank " + std::to_string(rank) + ", " + std::to_string(record.ranks) + " on rank 0",
        "must be the same on every rank", {.rank = rank});
}

} // namespace gradcomp::comm
