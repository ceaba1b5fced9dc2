// What compute-sanitizer's tools are there to find: the positive controls of scripts/gpu sanitize. Wrong on purpose; no test runs it.
#include <cuda_runtime.h>

#include <cstdio>
#include <cstring>

__global__ void outside(int* x) { x[1 << 20] = 1; }
__global__ void race(int* x)
{
    __shared__ int shared[64];
    shared[threadIdx.x] = static_cast<int>(threadIdx.x);
    x[threadIdx.x] = shared[63 - threadIdx.x]; // no barrier in between
}
__global__ void read_only(const int* from, int* to) { *to = *from; }
__global__ void some_wait(int* x)
{
    if (threadIdx.x < 40) __syncthreads(); // the others never come
    x[threadIdx.x] = 1;
}

int main(int argc, char** argv)
{
    int *x = nullptr, *y = nullptr;
    if (argc < 2 || cudaMalloc(&x, 64 * sizeof(int)) != cudaSuccess || cudaMalloc(&y, 64 * sizeof(int)) != cudaSuccess) return 2;
    if (std::strcmp(argv[1], "memcheck") == 0) outside<<<1, 1>>>(x);
    else if (std::strcmp(argv[1], "racecheck") == 0) race<<<1, 64>>>(x);
    else if (std::strcmp(argv[1], "initcheck") == 0) read_only<<<1, 1>>>(x, y);
    else if (std::strcmp(argv[1], "synccheck") == 0) some_wait<<<1, 64>>>(x);
    else return 2;
    return cudaDeviceSynchronize() == cudaSuccess ? 0 : 1;
}
