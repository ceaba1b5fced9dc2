/// @file The end of enqueued work, awaited through the communicator: it alone can tell a peer that is gone from one that is late.
#pragma once

#include <gradcomp/comm/communicator.hpp>
#include <gradcomp/comm/cuda_calls.hpp>

#include <chrono>
#include <string>

namespace gradcomp::comm {

/// Returns once all that is on the communicator's stream is done, or throws at the communicator's own deadline. One that knows no other ranks has no
/// deadline and is not asked: what is enqueued then ends by itself.
/// @throws error as the communicator's wait().
template <has_rank C> void finish(const C& communicator)
{
    if constexpr (requires { communicator.wait(); }) communicator.wait();
}

/// The same within a time of the caller's. @throws error also peer_timeout, device.
template <has_rank C> void finish(const C& communicator, cudaStream_t stream, std::chrono::microseconds within)
{
    if constexpr (finishes_later<C>) {
        communicator.wait(within);
    } else {
        const auto done = [&] {
            const cudaError_t status = cudaStreamQuery(stream);
            if (status != cudaErrorNotReady) check_cuda(status, "work on the stream", communicator.rank());
            return status == cudaSuccess;
        };
        if (!poll_until(std::chrono::steady_clock::now() + within, done))
            throw error(error_code::peer_timeout, "stream", "of rank " + std::to_string(communicator.rank()), "was still at work after " + std::to_string(within.count()) + " us",
                {.rank = communicator.rank()});
    }
}

} // namespace gradcomp::comm
