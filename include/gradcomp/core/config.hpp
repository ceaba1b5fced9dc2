/// @file The only place that knows which compiler reads the library.
#pragma once

#include <cstddef>
#include <cstdint>

#if (defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)) && !defined(GRADCOMP_ALLOW_FAST_MATH)
#error "gradcomp: -ffast-math and -ffinite-math-only delete the checks for NaN and Inf. Compile without them, or define GRADCOMP_ALLOW_FAST_MATH to go without those checks."
#endif

#define GRADCOMP_VERSION_MAJOR 0
#define GRADCOMP_VERSION_MINOR 1
#define GRADCOMP_VERSION_PATCH 0

#if defined(__CUDACC__)
/// Marks a function that both executors call. Forgetting it is an error, not a warning followed by garbage.
#define GRADCOMP_HD __host__ __device__
#pragma nv_diag_error 20011, 20014
/// Marks what a CUDA thread or block does with others: device code for nvcc, and plain C++ elsewhere, so that tests run it without a GPU.
#define GRADCOMP_DEVICE __device__
#pragma nv_diag_suppress 1675 // hints for g++ in code of the CPU, which nvcc reads as well and does not know
#else
#define GRADCOMP_HD
#define GRADCOMP_DEVICE
#endif

/// The next loop is unrolled: what it indexes stays in registers.
#if defined(__CUDA_ARCH__)
#define GRADCOMP_UNROLL _Pragma("unroll")
#elif defined(__CUDACC__)
#define GRADCOMP_UNROLL // nvcc hands the code of the CPU to a compiler that does not know its pragma
#else
#define GRADCOMP_UNROLL _Pragma("GCC unroll 16")
#endif

/// Inlines a body into the copies that exec::cpu compiles for each instruction set; without it the copies would call baseline code.
#define GRADCOMP_INLINE [[gnu::always_inline]] inline

/// The iterations of the next loop are independent, also where a stream is read and written in place.
#if defined(__CUDACC__)
#define GRADCOMP_INDEPENDENT
#elif defined(__clang__)
#define GRADCOMP_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define GRADCOMP_INDEPENDENT _Pragma("GCC ivdep") _Pragma("GCC unroll 4")
#else
#define GRADCOMP_INDEPENDENT
#endif
