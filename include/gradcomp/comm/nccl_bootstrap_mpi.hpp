/// @file NCCL's unique id over MPI. The one header that needs mpi.h; a program includes it by name.
#pragma once

#include <gradcomp/comm/nccl_bootstrap.hpp>

#include <mpi.h>

#include <thread>

namespace gradcomp::comm {

/// One broadcast over `communicator`, whose ranks are the group's. MPI must be initialised, and the thread may call it.
struct mpi_bootstrap {
    MPI_Comm communicator = MPI_COMM_WORLD;

    /// @throws error configuration when MPI has other ranks, peer_timeout when the broadcast is not done in time.
    void share(ncclUniqueId& id, int rank, int size, std::chrono::microseconds deadline) const
    {
        int mpi_rank = -1, mpi_size = -1;
        MPI_Comm_rank(communicator, &mpi_rank);
        MPI_Comm_size(communicator, &mpi_size);
        if (mpi_rank != rank || mpi_size != size)
            throw error(error_code::configuration, "rank", std::to_string(rank) + " of " + std::to_string(size),
                "must be MPI's, " + std::to_string(mpi_rank) + " of " + std::to_string(mpi_size), {.rank = rank});
        // On the heap, and given up at the deadline: a request that timed out still owns its buffer.
        auto* const record = new nccl_introduction(introduce(id, size, 0));
        MPI_Request request = MPI_REQUEST_NULL;
        MPI_Ibcast(record, static_cast<int>(sizeof *record), MPI_BYTE, 0, communicator, &request);
        const auto end = std::chrono::steady_clock::now() + deadline;
        int done = 0;
        while (MPI_Test(&request, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && done == 0) {
            if (std::chrono::steady_clock::now() >= end) break;
            std::this_thread::sleep_for(std::chrono::microseconds(200));
        }
        if (done == 0) throw error(error_code::peer_timeout, "rank", "0", "sent no id over MPI within " + std::to_string(deadline.count()) + " us", {.rank = rank});
        const nccl_introduction received = *record;
        delete record;
        if (!is_meant_for(received, 0)) throw error(error_code::bad_message, "id", "damaged", "came over MPI", {.rank = rank});
        require_same_size(received, rank, size);
        id = received.id;
    }

    void joined(int) const {}
};

static_assert(carries_nccl_id<mpi_bootstrap>);

} // namespace gradcomp::comm
