/// @file A stand-in for libnccl: the nccl* symbols of this program, over threads. It moves data for real, and fails on order.
///
/// NCCL's own entry points are weak so that tools can replace them (PNCCL). A group of calls is one round in which the ranks meet on the
/// stand-in's streams; nothing of a group is on the stream before ncclCommGetAsyncError has said so. What NCCL leaves undefined (calls before
/// the last one was taken, after the end, mismatched counts) is counted as misuse, or hangs until an abort, as it may.
#pragma once

#include <nccl.h>

#include <atomic>
#include <cstdint>

namespace stand_in {

enum class ending { works, fails, hangs };

/// What goes wrong. Rounds are counted per group from 0, the comparison at the start included.
struct nccl_faults {
    int version = NCCL_VERSION_CODE;
    int init_polls = 0;      ///< how often a new rank answers ncclInProgress although all have come
    int enqueue_polls = 0;   ///< the same for each group of calls
    bool never_ready = false; ///< init never ends
    bool never_quiet = false; ///< finalizing never ends
    int hang_rank = -1;      ///< its round `at` never starts
    int error_rank = -1;     ///< meets `error` in round `at`, and so do its peers
    ncclResult_t error = ncclRemoteError;
    int reject_rank = -1;    ///< its round `at` is refused with ncclInvalidArgument
    std::uint64_t at = 0;
    ending abort = ending::works, shrink = ending::works, destroy = ending::works;
};

/// What has been called so far.
struct nccl_counts {
    std::atomic<long> made = 0, aborted = 0, destroyed = 0, finalized = 0, registered = 0, deregistered = 0, shrunk = 0, misused = 0;
};

nccl_faults& faults();
nccl_counts& counts();

/// Forgets all groups, faults and counts, and lets what hangs go on. Only while no other thread uses NCCL.
void start_over();

} // namespace stand_in
