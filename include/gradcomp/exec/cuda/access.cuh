/// @file Loads and stores of kernels, spelled out: plain copies of a struct may become four requests, and pointers from tables generic ones.
#pragma once

#include <gradcomp/exec/cuda/pack.hpp>

#include <cuda_bf16.h>
#include <cuda_fp16.h>

namespace gradcomp::exec {

/// Streams are read once and written once: loads are marked as passing through the caches, stores are plain.
struct device_access {
    using again = struct device_again;
    static __device__ pack<float> load(const float* p)
    {
        const float4 v = __ldcs(reinterpret_cast<const float4*>(p));
        return {{v.x, v.y, v.z, v.w}};
    }
    static __device__ pack<double> load(const double* p)
    {
        const double2 a = __ldcs(reinterpret_cast<const double2*>(p)), b = __ldcs(reinterpret_cast<const double2*>(p) + 1);
        return {{a.x, a.y, b.x, b.y}};
    }
    /// Four elements of 16 bits, as gradients of mixed precision are.
    template <class Half>
        requires(sizeof(Half) == 2)
    static __device__ pack<Half> load(const Half* p)
    {
        const uint2 v = __ldcs(reinterpret_cast<const uint2*>(p));
        return __builtin_bit_cast(pack<Half>, v);
    }
    static __device__ void store(float* p, const pack<float>& v) { __stwb(reinterpret_cast<float4*>(p), make_float4(v.at[0], v.at[1], v.at[2], v.at[3])); }
    static __device__ void store(double* p, const pack<double>& v)
    {
        __stwb(reinterpret_cast<double2*>(p), make_double2(v.at[0], v.at[1]));
        __stwb(reinterpret_cast<double2*>(p) + 1, make_double2(v.at[2], v.at[3]));
    }
};

/// Loads of what was loaded just before, which a rule may not need: plain ones, so that the compiler leaves out those that nobody reads.
struct device_again {
    static __device__ pack<float> load(const float* p)
    {
        const float4 v = *reinterpret_cast<const float4*>(p);
        return {{v.x, v.y, v.z, v.w}};
    }
    static __device__ pack<double> load(const double* p)
    {
        const double2 a = reinterpret_cast<const double2*>(p)[0], b = reinterpret_cast<const double2*>(p)[1];
        return {{a.x, a.y, b.x, b.y}};
    }
    template <class Half>
        requires(sizeof(Half) == 2)
    static __device__ pack<Half> load(const Half* p)
    {
        const uint2 v = *reinterpret_cast<const uint2*>(p);
        return __builtin_bit_cast(pack<Half>, v);
    }
};

} // namespace gradcomp::exec
