/// @file What an encoder and decoder are given when a run starts, and what a step asks of them.
#pragma once

#include <gradcomp/core/layout.hpp>
#include <gradcomp/core/random.hpp>

namespace gradcomp {

/// What every coder is started with.
struct coder_start {
    const tensor_list* list = nullptr;        ///< all tensors of the model
    const std::vector<std::size_t>* tensors = nullptr; ///< those that this compressor handles, ascending
    std::uint64_t seed = 0;                   ///< the same on all ranks
    std::uint32_t rank = 0;                   ///< enters only streams that are a rank's own
};

} // namespace gradcomp
