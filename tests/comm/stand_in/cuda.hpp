/// @file A stand-in for the CUDA runtime: device memory is host memory, a stream is a thread that works off a queue.
///
/// So code that orders its work by events alone runs here for real, and ThreadSanitizer sees an edge that is missing.
#pragma once

#include <cuda_runtime.h>

#include <atomic>
#include <cstddef>
#include <functional>

namespace stand_in {

/// What the stand-in pretends; tests set it while no other thread runs.
struct cuda_world {
    std::atomic<int> devices = 8;
    std::atomic<cudaError_t> driver = cudaSuccess;        ///< the answer to the first question, cudaGetDeviceCount
    std::atomic<cudaError_t> earlier = cudaSuccess;       ///< a failure from before
    std::atomic<cudaError_t> stream_failure = cudaSuccess; ///< what cudaStreamQuery says of all streams
    std::atomic<long> allocations = 0;                    ///< blocks that are taken at present
    std::atomic<long> fail_allocation = -1;               ///< so many allocations succeed, the next fails; -1: none fails
};
cuda_world& cuda();

/// Puts work of its own on a stream, as a kernel launch does. Captured where the stream captures.
void launch(cudaStream_t stream, std::function<void()> work);

} // namespace stand_in
