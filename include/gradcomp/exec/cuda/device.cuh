/// @file Calls of the CUDA runtime, checked: an error becomes a gradcomp::error that says what was being done.
#pragma once

#include <gradcomp/core/error.hpp>

#include <cuda_runtime_api.h>

#include <string>

namespace gradcomp::exec {
namespace detail {

/// @throws error device naming what failed; out_of_memory where the device says so.
inline void check_cuda(cudaError_t status, const char* what)
{
    if (status == cudaSuccess) return;
    cudaGetLastError(); // takes back what is not sticky, so that the next call is judged by itself
    throw error(status == cudaErrorMemoryAllocation ? error_code::out_of_memory : error_code::device, what, cudaGetErrorName(status), cudaGetErrorString(status));
}

/// An error that is already there when we start is somebody else's, and is reported so.
/// @throws error device.
inline void require_clean_device()
{
    const cudaError_t earlier = cudaPeekAtLastError();
    if (earlier == cudaSuccess) return;
    throw error(error_code::device, "earlier CUDA call", cudaGetErrorName(earlier),
        std::string("failed before gradcomp was called, and not by it: ") + cudaGetErrorString(earlier));
}

/// A launch reports bad arguments at once; what happens on the device is seen by wait().
inline void check_launch(const char* kernel) { check_cuda(cudaGetLastError(), kernel); }

/// @throws error wrong_memory_space for memory that is not the present device's, nor managed: a kernel that touches it would end the process.
inline void require_device_memory(const void* pointer, const char* field)
{
    cudaPointerAttributes found{};
    check_cuda(cudaPointerGetAttributes(&found, pointer), "cudaPointerGetAttributes");
    int device = 0;
    check_cuda(cudaGetDevice(&device), "cudaGetDevice");
    if (found.type == cudaMemoryTypeManaged || (found.type == cudaMemoryTypeDevice && found.device == device)) return;
    if (found.type == cudaMemoryTypeDevice)
        throw error(error_code::wrong_memory_space, field, "memory of device " + std::to_string(found.device), "must be memory of device " + std::to_string(device) + ", the present one");
    throw error(error_code::wrong_memory_space, field, found.type == cudaMemoryTypeHost ? "pinned host memory" : "host memory",
        "must be device memory: this stack runs on exec::cuda");
}

} // namespace detail
} // namespace gradcomp::exec
