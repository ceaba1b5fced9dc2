// What a user of the CUDA toolkit would write instead of top-k: CUB's three-way partition by a known threshold, and Thrust's sort by key.
#include "rivals.cuh"

#include <gradcomp/core/scalar.hpp>
#include <gradcomp/exec/cuda/buffer.cuh>

#include <cub/device/device_partition.cuh>
#include <thrust/execution_policy.h>
#include <thrust/functional.h>
#include <thrust/sequence.h>
#include <thrust/sort.h>

namespace gc = gradcomp;

namespace gpu_bench {
namespace {

struct reaches {
    std::uint32_t least;
    __device__ bool operator()(float x) const { return gc::magnitude(x) >= least; }
};
__global__ void magnitudes_kernel(const float* x, std::size_t n, std::uint32_t* key)
{
    for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += std::size_t{gridDim.x} * blockDim.x) key[i] = gc::magnitude(x[i]);
}

record timed(const char* name, std::size_t n, cudaStream_t stream, const std::function<void()>& work)
{
    stopwatch time;
    std::vector<double> us;
    for (int round = 0; round < 9; ++round) {
        const double ms = time(stream, work);
        if (round >= 2) us.push_back(1e3 * ms);
    }
    const record found{name, n, 4, median(us), 0, 0, 0};
    std::printf("%-46s d %11zu  %10.2f us\n", name, n, found.us);
    return found;
}

} // namespace

std::vector<record> rivals_of_top_k(const float* x, std::size_t n, cudaStream_t stream)
{
    std::vector<record> found;
    {
        // Elements beyond 2.6 standard deviations for sure, those beyond 2.5 for a second look: values only, and the thresholds are given.
        gc::exec::device_buffer<float> sure(n), boundary(n), rest(n);
        gc::exec::device_buffer<int> counts(2);
        const reaches first{gc::magnitude(2.6f)}, second{gc::magnitude(2.5f)};
        std::size_t bytes = 0;
        gc::exec::detail::check_cuda(cub::DevicePartition::If(nullptr, bytes, x, sure.data(), boundary.data(), rest.data(), counts.data(), static_cast<int>(n), first, second, stream), "DevicePartition");
        gc::exec::device_buffer<std::byte> work(bytes);
        found.push_back(timed("rival: cub three-way partition, one pass", n, stream, [&] {
            cub::DevicePartition::If(work.data(), bytes, x, sure.data(), boundary.data(), rest.data(), counts.data(), static_cast<int>(n), first, second, stream);
        }));
    }
    {
        gc::exec::device_buffer<std::uint32_t> keys(n), numbers(n);
        const auto on = thrust::cuda::par.on(stream);
        found.push_back(timed("rival: thrust sort by key", n, stream, [&] {
            magnitudes_kernel<<<1024, 256, 0, stream>>>(x, n, keys.data());
            thrust::sequence(on, numbers.data(), numbers.data() + n);
            thrust::sort_by_key(on, keys.data(), keys.data() + n, numbers.data(), thrust::greater<std::uint32_t>());
        }));
    }
    return found;
}

} // namespace gpu_bench
