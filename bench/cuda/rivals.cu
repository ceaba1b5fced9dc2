// CUB and Thrust as rivals. A translation unit of its own: their headers cost more to compile than all of gradcomp's kernels.
#include "rivals.cuh"

#include "inputs.cuh"

#include <cub/device/device_partition.cuh>
#include <cub/device/device_radix_sort.cuh>
#include <thrust/execution_policy.h>
#include <thrust/iterator/counting_iterator.h>
#include <thrust/iterator/discard_iterator.h>
#include <thrust/sequence.h>
#include <thrust/sort.h>

#if __has_include(<cub/device/device_topk.cuh>)
#define GRADCOMP_BENCH_DEVICE_TOPK
#include <cub/device/device_topk.cuh>
#include <cuda/std/execution>
#include <cuda/stream_ref>
#include <thrust/iterator/transform_iterator.h>
#endif

namespace gpu_bench {
namespace {

using gradcomp::exec::device_buffer;

/// The magnitudes of a normal gradient as integers, which sort like them.
struct keys {
    device_buffer<float> x;
    device_buffer<std::uint32_t> out, numbers, sorted;
    keys(std::size_t n, cudaStream_t stream) : x(n), out(n), numbers(n), sorted(n)
    {
        fill(x, 11, input::gauss, stream);
        thrust::sequence(thrust::cuda::par_nosync.on(stream), numbers.data(), numbers.data() + n);
        gradcomp::exec::detail::check_cuda(cudaStreamSynchronize(stream), "the rivals' input");
    }
    std::uint32_t* in() { return reinterpret_cast<std::uint32_t*>(x.data()); }
};

void check(cudaError_t status, const char* what) { gradcomp::exec::detail::check_cuda(status, what); }

void sort_by_cub(record& found, std::size_t n, cudaStream_t stream)
{
    keys k(n, stream);
    std::size_t bytes = 0;
    const auto sort = [&](void* work) {
        check(cub::DeviceRadixSort::SortPairsDescending(work, bytes, k.in(), k.out.data(), k.numbers.data(), k.sorted.data(), n, 0, 31, stream), "cub::DeviceRadixSort");
    };
    sort(nullptr);
    device_buffer<std::byte> work(bytes);
    measure(found, stream, [&] { sort(work.data()); });
}

/// In place, so what is sorted is what the fill before it left: the fill is outside the time.
void sort_by_thrust(record& found, std::size_t n, cudaStream_t stream)
{
    keys k(n, stream);
    stopwatch time;
    std::vector<double> us;
    for (int round = 0; round < 5; ++round) {
        fill(k.x, static_cast<std::uint32_t>(20 + round), input::gauss, stream);
        const double ms = time(stream, [&] { thrust::sort_by_key(thrust::cuda::par.on(stream), k.in(), k.in() + n, k.numbers.data()); });
        if (round > 0) us.push_back(ms * 1e3);
    }
    found.us = median(us);
}

struct above {
    const float* x;
    float limit;
    __device__ bool operator()(std::uint32_t i) const { return fabsf(x[i]) >= limit; }
};

/// Three ways by two thresholds that an oracle gave: what surely wins, what may, the rest. The exact choice among the second is not in the time.
void partition_by_cub(record& found, std::size_t n, std::size_t ratio, cudaStream_t stream)
{
    keys k(n, stream);
    const float sure = ratio >= 100 ? 2.60f : 1.66f, low = ratio >= 100 ? 2.55f : 1.63f; // around the normal quantiles 2.576 (1/100) and 1.645 (1/10)
    device_buffer<std::uint32_t> counts(2);
    std::size_t bytes = 0;
    const thrust::counting_iterator<std::uint32_t> numbers(0);
    const auto part = [&](void* work) {
        check(cub::DevicePartition::If(work, bytes, numbers, k.out.data(), k.sorted.data(), thrust::make_discard_iterator(), counts.data(), static_cast<long long>(n),
                  above{k.x.data(), sure}, above{k.x.data(), low}, stream), "cub::DevicePartition");
    };
    part(nullptr);
    device_buffer<std::byte> work(bytes);
    measure(found, stream, [&] { part(work.data()); });
}

#if defined(GRADCOMP_BENCH_DEVICE_TOPK)
struct magnitude_key {
    const std::uint32_t* bits;
    __device__ std::uint32_t operator()(std::uint32_t i) const { return bits[i] & 0x7fffffffu; }
};

void top_k_by_cub(record& found, std::size_t n, std::size_t ratio, cudaStream_t stream)
{
    keys k(n, stream);
    std::size_t bytes = 0;
    const auto wanted = ::cuda::execution::require(::cuda::execution::determinism::not_guaranteed, ::cuda::execution::output_ordering::unsorted);
    const auto environment = ::cuda::std::execution::env{::cuda::stream_ref{stream}, wanted};
    const thrust::counting_iterator<std::uint32_t> numbers(0);
    const auto magnitudes = thrust::make_transform_iterator(numbers, magnitude_key{k.in()});
    const auto find = [&](void* work) {
        check(cub::DeviceTopK::MaxPairs(work, bytes, magnitudes, k.out.data(), numbers, k.sorted.data(), n, n / ratio, environment), "cub::DeviceTopK");
    };
    find(nullptr);
    device_buffer<std::byte> work(bytes);
    measure(found, stream, [&] { find(work.data()); });
}
#endif

template <class Time> void add(std::vector<record>& records, const std::string& name, std::size_t n, const Time& time)
{
    record found{name, n, 0};
    try {
        time(found);
    } catch (const gradcomp::error& e) {
        if (e.code() != gradcomp::error_code::out_of_memory) throw;
        found.missing = "does not fit the memory";
    } catch (const std::bad_alloc&) { // thrust's own work
        cudaGetLastError();
        found.missing = "does not fit the memory";
    }
    found.show();
    records.push_back(found);
}

} // namespace

void time_rivals(std::vector<record>& records, std::size_t n, std::size_t ratio, cudaStream_t stream)
{
    const std::string suffix = ", ratio " + std::to_string(ratio);
    add(records, "rival: cub radix sort pairs, any ratio", n, [&](record& found) { sort_by_cub(found, n, stream); });
    add(records, "rival: thrust sort by key, any ratio", n, [&](record& found) { sort_by_thrust(found, n, stream); });
    add(records, "rival: cub partition three ways by an oracle" + suffix, n, [&](record& found) { partition_by_cub(found, n, ratio, stream); });
#if defined(GRADCOMP_BENCH_DEVICE_TOPK)
    add(records, "rival: cub DeviceTopK" + suffix, n, [&](record& found) { top_k_by_cub(found, n, ratio, stream); });
#else
    records.push_back({"rival: cub DeviceTopK" + suffix, n, 0});
    records.back().missing = "this toolkit's CUB has none";
    records.back().show();
#endif
}

} // namespace gpu_bench
