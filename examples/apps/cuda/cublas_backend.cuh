/// @file What runs models::mlp_steps on a GPU: cuBLAS for the products, one kernel for every loop; all on one stream.
#pragma once

#include <gradcomp/exec/cuda/buffer.cuh>

#include <cublas_v2.h>

#include <cstddef>

namespace apps {
namespace detail {

inline void check_cublas(cublasStatus_t status, const char* what)
{
    if (status != CUBLAS_STATUS_SUCCESS) throw gradcomp::error(gradcomp::error_code::device, what, cublasGetStatusName(status), cublasGetStatusString(status));
}

template <class Body> __global__ void for_each_kernel(std::size_t n, Body body)
{
    const std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x;
    if (i < n) body(i);
}

} // namespace detail

/// A backend of models::mlp_steps. Products are of plain floats, without TF32, and have the same bits in every run on one kind of GPU.
class cublas_backend {
public:
    template <class T> using buffer = gradcomp::exec::device_buffer<T>;

    /// @throws gradcomp::error device.
    explicit cublas_backend(cudaStream_t stream) : stream_(stream)
    {
        detail::check_cublas(cublasCreate(&handle_), "cublasCreate");
        const cublasStatus_t status = cublasSetStream(handle_, stream);
        if (status != CUBLAS_STATUS_SUCCESS) cublasDestroy(handle_); // no destructor runs after a throw from here
        detail::check_cublas(status, "cublasSetStream");
    }
    cublas_backend(const cublas_backend&) = delete;
    cublas_backend& operator=(const cublas_backend&) = delete;
    ~cublas_backend() { cublasDestroy(handle_); }

    template <class Body> void for_each(std::size_t n, const Body& body)
    {
        constexpr unsigned threads = 128;
        if (n == 0) return;
        detail::for_each_kernel<<<static_cast<unsigned>((n + threads - 1) / threads), threads, 0, stream_>>>(n, body);
        gradcomp::exec::detail::check_launch("for_each_kernel");
    }

    void product(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k, const float* a, std::size_t lda, const float* b, std::size_t ldb, float* c,
        std::size_t ldc)
    {
        const float one = 1.0f, zero = 0.0f;
        const auto form = [](bool transpose) { return transpose ? CUBLAS_OP_T : CUBLAS_OP_N; };
        const auto whole = [](std::size_t size) { return static_cast<int>(size); };
        detail::check_cublas(cublasSgemm(handle_, form(transpose_a), form(transpose_b), whole(m), whole(n), whole(k), &one, a, whole(lda), b, whole(ldb), &zero, c, whole(ldc)),
            "cublasSgemm");
    }

private:
    cudaStream_t stream_;
    cublasHandle_t handle_ = nullptr;
};

} // namespace apps
