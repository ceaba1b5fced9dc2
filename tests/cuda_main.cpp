/// @file The main function of every CUDA test program. Without a device nothing is run, and nothing is counted as passed.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cuda_runtime_api.h>

#include <cstdio>

int main(int argc, char** argv)
{
    int devices = 0;
    if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
        std::puts("not run: no CUDA device");
        return 77;
    }
    return doctest::Context(argc, argv).run();
}
