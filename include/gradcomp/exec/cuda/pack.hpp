/// @file Four neighbours at once: what one thread loads and stores in one request.
#pragma once

#include <gradcomp/core/config.hpp>

#include <cstring>

namespace gradcomp::exec {

template <class T> struct alignas(4 * sizeof(T)) pack {
    T at[4];
};

template <class T> GRADCOMP_HD inline bool is_packed(const T* p) { return reinterpret_cast<std::uintptr_t>(p) % sizeof(pack<T>) == 0; }

/// Loads and stores of the tests, which run lanes on the CPU; kernels use device_access (access.cuh).
struct host_access {
    using again = host_access;
    template <class T> static pack<T> load(const T* p)
    {
        pack<T> v;
        std::memcpy(&v, p, sizeof v);
        return v;
    }
    template <class T> static void store(T* p, const pack<T>& v) { std::memcpy(p, &v, sizeof v); }
};

} // namespace gradcomp::exec
