/// @file One rank on one GPU: a communicator whose collective calls are copies on its stream.
#pragma once

#include <gradcomp/comm/communicator.hpp>
#include <gradcomp/exec/cuda/device.cuh>

namespace gradcomp::comm {

/// The only rank of its job, in device memory. Every call enqueues and returns; nothing waits, so steps can be captured in a CUDA graph.
class alone {
public:
    static constexpr memory_space space = memory_space::device;

    /// @param stream the one that the executor works on
    explicit alone(cudaStream_t stream = nullptr) : stream_(stream) {}

    int rank() const { return 0; }
    int size() const { return 1; }
    cudaStream_t stream() const { return stream_; } ///< on which all calls are; an executor must use the same
    template <summable T> void all_reduce(device_view<const T> in, device_view<T> out) const { copy(in.data(), out.data(), in.size_bytes()); }
    void all_gather(device_view<const std::byte> mine, device_view<std::byte> all) const { copy(mine.data(), all.data(), mine.size()); }
    void gather(device_view<const std::byte> mine, device_view<std::byte> all, int) const { copy(mine.data(), all.data(), mine.size()); }
    void broadcast(device_view<std::byte>, int) const {}
    void all_to_all(device_view<const std::byte> in, device_view<std::byte> out) const { copy(in.data(), out.data(), in.size()); }
    void barrier() const {}

private:
    void copy(const void* from, void* to, std::size_t bytes) const
    {
        if (from != to && bytes > 0) exec::detail::check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_), "cudaMemcpyAsync");
    }
    cudaStream_t stream_;
};

} // namespace gradcomp::comm
