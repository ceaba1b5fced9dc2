/// @file Rivals of top-k that take long to compile, apart from the kernels' benchmark.
#pragma once

#include "harness.cuh"

#include <functional>
#include <vector>

namespace gpu_bench {

/// Times on n floats in device memory; allocates and frees. Workspaces are reused, but Thrust's, which its sort takes anew each time.
/// @throws gradcomp::error out_of_memory.
std::vector<record> rivals_of_top_k(const float* x, std::size_t n, cudaStream_t stream);

} // namespace gpu_bench
