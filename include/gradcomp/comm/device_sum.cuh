/// @file The sum of in_process_device as a kernel.
#pragma once

#include <gradcomp/comm/in_process_device.hpp>

#include <algorithm>

namespace gradcomp::comm {
namespace detail {

template <class T> struct sum_sources {
    const T* at[16];
};

/// Each element by one thread, so the bits do not depend on the grid. Sums add only: nothing can be contracted.
template <class T> __global__ void sum_in_ring_order_kernel(sum_sources<T> sources, int first, int ranks, std::size_t count, T* out)
{
    const std::size_t stride = static_cast<std::size_t>(gridDim.x) * blockDim.x;
    for (std::size_t i = static_cast<std::size_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += stride) {
        T sum = sources.at[first][i];
        for (int step = 1; step < ranks; ++step) sum += sources.at[(first + step) % ranks][i];
        out[i] = sum;
    }
}

} // namespace detail

/// out[i] = the sum over ranks, from rank `first` on, round the ring; one launch.
struct device_sum {
    template <summable T> void operator()(cudaStream_t stream, const T* const* sources, int first, int ranks, std::size_t count, T* out) const
    {
        detail::sum_sources<T> all{};
        std::copy_n(sources, ranks, all.at);
        const std::size_t blocks = std::min<std::size_t>((count + 255) / 256, 4096);
        detail::sum_in_ring_order_kernel<T><<<static_cast<unsigned>(blocks), 256, 0, stream>>>(all, first, ranks, count, out);
        check_cuda(cudaGetLastError(), "sum_in_ring_order_kernel", -1);
    }
};

static_assert(communicator<in_process_device<device_sum>, float> && communicator<in_process_device<device_sum>, double>);
static_assert(finishes_later<in_process_device<device_sum>> && reaches_device<in_process_device<device_sum>>);

} // namespace gradcomp::comm
