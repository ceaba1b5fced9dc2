/// @file Device memory that an exchange takes once, in attach().
#pragma once

#include <gradcomp/exec/cuda/device.cuh>

#include <limits>
#include <type_traits>
#include <utility>

namespace gradcomp::exec {

/// A zeroed array in the memory of the current device, aligned to 256 bytes. Construction waits for the device; nothing else does.
template <class T> class device_buffer {
    static_assert(std::is_trivially_copyable_v<T>);

public:
    device_buffer() = default;
    /// @throws error out_of_memory or size_overflow, with the bytes asked for.
    explicit device_buffer(std::size_t size) : size_(size)
    {
        if (size == 0) return;
        if (size > std::numeric_limits<std::size_t>::max() / 2 / sizeof(T))
            throw error(error_code::size_overflow, "elements", std::to_string(size), "the bytes of a buffer leave std::size_t");
        void* memory = nullptr;
        const cudaError_t status = cudaMalloc(&memory, size * sizeof(T));
        if (status == cudaErrorMemoryAllocation) {
            cudaGetLastError();
            throw error(error_code::out_of_memory, "bytes", std::to_string(size * sizeof(T)), "this much device memory could not be taken");
        }
        detail::check_cuda(status, "cudaMalloc");
        data_ = static_cast<T*>(memory);
        cudaError_t cleared = cudaMemset(data_, 0, size * sizeof(T));
        if (cleared == cudaSuccess) cleared = cudaStreamSynchronize(nullptr); // a user's stream need not wait for the default one
        if (cleared == cudaSuccess) return;
        cudaFree(std::exchange(data_, nullptr)); // no destructor runs after a throw from here
        detail::check_cuda(cleared, "cudaMemset");
    }
    device_buffer(device_buffer&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    device_buffer& operator=(device_buffer&& other) noexcept
    {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~device_buffer() { cudaFree(data_); }

    T* data() { return data_; }
    const T* data() const { return data_; }
    std::size_t size() const { return size_; }
    std::size_t size_bytes() const { return size_ * sizeof(T); }

    /// Copies `count` elements from host memory and waits: for attach(), never for a step.
    void fill_from(const T* from, std::size_t count)
    {
        if (count == 0) return;
        detail::check_cuda(cudaMemcpy(data_, from, count * sizeof(T), cudaMemcpyHostToDevice), "cudaMemcpy");
        detail::check_cuda(cudaStreamSynchronize(nullptr), "cudaMemcpy"); // from pageable memory it returns early, and a user's stream need not wait for the default one
    }

private:
    T* data_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace gradcomp::exec
