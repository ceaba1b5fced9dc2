/// @file The CUDA runtime as communicators over device memory use it: host calls only, and each failure an error.
#pragma once

#include <gradcomp/core/error.hpp>

#include <cuda_runtime.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <thread>
#include <utility>

namespace gradcomp::comm {

/// @throws error device naming `what` unless the call succeeded. An asynchronous call may report what earlier work on the device did.
inline void check_cuda(cudaError_t status, const char* what, int rank)
{
    if (status == cudaSuccess) return;
    throw error(error_code::device, what, cudaGetErrorName(status), std::string(cudaGetErrorString(status)), {.rank = rank});
}

/// The current device of this thread. @throws error device when there is no driver, no device, or one that failed earlier.
inline int current_device(int rank)
{
    int count = 0, device = -1;
    const cudaError_t status = cudaGetDeviceCount(&count);
    if (status != cudaSuccess || count == 0)
        throw error(error_code::device, "CUDA device", status == cudaSuccess ? "none" : cudaGetErrorName(status),
            "this communicator needs an NVIDIA GPU and its driver; " + std::string(cudaGetErrorString(status)), {.rank = rank});
    check_cuda(cudaGetDevice(&device), "cudaGetDevice", rank);
    const cudaError_t earlier = cudaPeekAtLastError();
    if (earlier != cudaSuccess)
        throw error(error_code::device, "CUDA device", cudaGetErrorName(earlier), "an earlier failure, not of this communicator: " + std::string(cudaGetErrorString(earlier)),
            {.rank = rank});
    return device;
}

/// Makes a device current for as long as it lives.
class device_scope {
public:
    explicit device_scope(int device, int rank = -1)
    {
        check_cuda(cudaGetDevice(&before_), "cudaGetDevice", rank);
        changed_ = before_ != device;
        if (changed_) check_cuda(cudaSetDevice(device), "cudaSetDevice", rank);
    }
    device_scope(const device_scope&) = delete;
    device_scope& operator=(const device_scope&) = delete;
    ~device_scope()
    {
        if (changed_) static_cast<void>(cudaSetDevice(before_));
    }

private:
    int before_ = -1;
    bool changed_ = false;
};

/// Bytes of device or of pinned host memory, freed with the object.
template <bool Pinned> class cuda_block {
public:
    cuda_block() = default;
    /// @throws error out_of_memory.
    cuda_block(std::size_t bytes, int rank)
    {
        void* at = nullptr;
        const cudaError_t status = Pinned ? cudaMallocHost(&at, bytes) : cudaMalloc(&at, bytes);
        if (status != cudaSuccess)
            throw error(error_code::out_of_memory, Pinned ? "pinned memory" : "device memory", std::to_string(bytes) + " bytes",
                std::string("could not be allocated: ") + cudaGetErrorString(status), {.rank = rank});
        data_ = static_cast<std::byte*>(at);
    }
    cuda_block(cuda_block&& other) noexcept : data_(std::exchange(other.data_, nullptr)) {}
    cuda_block& operator=(cuda_block&& other) noexcept
    {
        std::swap(data_, other.data_);
        return *this;
    }
    ~cuda_block()
    {
        if (data_ != nullptr) static_cast<void>(Pinned ? cudaFreeHost(data_) : cudaFree(data_));
    }

    std::byte* data() const { return data_; }
    /// Gives the memory up for good: what a hanging kernel may still write must never be freed.
    void leak() { data_ = nullptr; }

private:
    std::byte* data_ = nullptr;
};
using device_block = cuda_block<false>;
using pinned_block = cuda_block<true>;

/// Whether work enqueued on the stream is being captured into a graph: it may then be neither waited for nor read.
inline bool is_capturing(cudaStream_t stream, int rank)
{
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    check_cuda(cudaStreamIsCapturing(stream, &status), "cudaStreamIsCapturing", rank);
    return status != cudaStreamCaptureStatusNone;
}

/// Calls ready() until it is true or `deadline` has passed; @return its last answer.
///
/// Between the calls it gives the core away: first at once, then for ever longer, up to half a millisecond. A rank that spins takes the
/// core from the threads that its peers, or NCCL's own proxies, need.
template <class Ready> bool poll_until(std::chrono::steady_clock::time_point deadline, const Ready& ready)
{
    std::chrono::microseconds pause{0};
    for (int tries = 0;; ++tries) {
        if (ready()) return true;
        if (std::chrono::steady_clock::now() >= deadline) return ready();
        if (tries < 32) {
            std::this_thread::yield();
        } else {
            pause = std::min(pause + std::chrono::microseconds(20), std::chrono::microseconds(500));
            std::this_thread::sleep_for(pause);
        }
    }
}

} // namespace gradcomp::comm
