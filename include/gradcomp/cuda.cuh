/// @file All that runs on a GPU: exec::cuda, its engines, and exchanges over device memory. For nvcc; names everything of gradcomp.hpp too.
#pragma once

#include <gradcomp/comm/alone.cuh>
#include <gradcomp/exec/cuda/block_norms.cuh>
#include <gradcomp/exec/cuda/chain.cuh>
#include <gradcomp/exec/cuda/chunks.cuh>
#include <gradcomp/exec/cuda/dct.cuh>
#include <gradcomp/exec/cuda/engines.cuh>
#include <gradcomp/exec/cuda/low_rank.cuh>
#include <gradcomp/exec/cuda/sign.cuh>
#include <gradcomp/exec/cuda/subset.cuh>
#include <gradcomp/exec/cuda/threshold.cuh>
#include <gradcomp/exec/cuda/top_k.cuh>
#include <gradcomp/gradcomp.hpp>
#include <gradcomp/stack/device_exchange.cuh>
