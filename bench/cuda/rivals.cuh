/// @file What else finds the k largest magnitudes on a GPU, timed in the same run.
#pragma once

#include "harness.cuh"

#include <vector>

namespace gpu_bench {

/// Adds a figure for each rival: selection alone, of n / ratio elements among n normal ones; nothing is accumulated, removed or sorted by index, and
/// ties may go anywhere, so each of them does less than ef + top_k. A rival that does not fit the memory is listed without a figure.
void time_rivals(std::vector<record>& records, std::size_t n, std::size_t ratio, cudaStream_t stream);

} // namespace gpu_bench
