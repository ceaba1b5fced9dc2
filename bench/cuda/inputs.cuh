/// @file What the benches of kernels read, and the bare kernels that read and write as much.
#pragma once

#include <gradcomp/core/random.hpp>
#include <gradcomp/exec/cuda/buffer.cuh>

#include <cstddef>
#include <cstdint>

namespace gpu_bench {

/// Reads and writes as many streams as an operation, four floats at a time, and computes nothing worth mentioning.
template <int In, int Out> struct bare_streams {
    const float* in[In];
    float* out[Out > 0 ? Out : 1];
    float* message = nullptr;      ///< a shorter stream that is written as well
    std::size_t message_packs = 0; ///< of four floats
};
template <int In, int Out> __global__ void __launch_bounds__(256) bare_kernel(bare_streams<In, Out> s, std::size_t packs, float* sink)
{
    float4 sum{0, 0, 0, 0};
    const std::size_t first = std::size_t{blockIdx.x} * 1024 + threadIdx.x;
#pragma unroll
    for (int v = 0; v < 4; ++v) {
        const std::size_t i = first + static_cast<std::size_t>(v) * 256;
        if (i >= packs) break;
        float4 all{0, 0, 0, 0};
#pragma unroll
        for (int j = 0; j < In; ++j) {
            const float4 x = __ldcs(reinterpret_cast<const float4*>(s.in[j]) + i);
            all = {all.x + x.x, all.y + x.y, all.z + x.z, all.w + x.w};
        }
#pragma unroll
        for (int j = 0; j < Out; ++j) __stwb(reinterpret_cast<float4*>(s.out[j]) + i, all);
        if (i < s.message_packs) __stwb(reinterpret_cast<float4*>(s.message) + i, all);
        sum = {sum.x + all.x, sum.y + all.y, sum.z + all.z, sum.w + all.w};
    }
    if (Out == 0 && sum.x + sum.y + sum.z + sum.w == 12345.678f) *sink = 1; // so that reads alone are not removed
}
template <int In, int Out> void bare(const bare_streams<In, Out>& s, std::size_t n, float* sink, cudaStream_t stream)
{
    const std::size_t packs = n / 4;
    bare_kernel<In, Out><<<static_cast<unsigned>((packs + 1023) / 1024), 256, 0, stream>>>(s, packs, sink);
}

/// Gradient-like values by counters: normal, or with ties, zeros, NaN.
enum class input { gauss, ties, zeros, nan };
template <int> __global__ void fill_kernel(float* x, std::size_t n, std::uint32_t seed, input kind)
{
    for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += std::size_t{gridDim.x} * blockDim.x) {
        const gradcomp::word4 w = gradcomp::philox({{static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(i >> 32), 0, 0}}, {{seed, 1}});
        const float u = (static_cast<float>(w.at[0]) + 1.0f) * 2.3283064e-10f, angle = static_cast<float>(w.at[1]) * 1.4629180e-9f;
        const float normal = sqrtf(-2.0f * logf(u)) * cosf(angle);
        x[i] = kind == input::ties ? rintf(normal) : kind == input::zeros && w.at[2] % 20 != 0 ? 0.0f : kind == input::nan && i % 97 == 0 ? __int_as_float(0x7fc00000) : normal;
    }
}
inline void fill(gradcomp::exec::device_buffer<float>& x, std::uint32_t seed, input kind, cudaStream_t stream)
{
    fill_kernel<0><<<1024, 256, 0, stream>>>(x.data(), x.size(), seed, kind);
}

/// A gradient and a memory: one place of a rotation.
struct streams {
    gradcomp::exec::device_buffer<float> g, e;
    streams(std::size_t n, input kind, std::uint32_t seed, cudaStream_t stream) : g(n), e(n)
    {
        fill(g, seed, kind, stream);
        fill(e, seed + 1, input::zeros, stream);
    }
};

} // namespace gpu_bench
