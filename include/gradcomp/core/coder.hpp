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

/// Messages of one coder on several ranks, `stride` bytes from one to the next. A coder's decode_all(executor, all, target) gives each element its values in the
/// order of ranks, as decode() one after the other does; executors that have it say so by `decodes_together`. One whose messages are not coordinates may give each
/// element once, what all messages together say of it.
struct gathered_messages {
    const std::byte* first = nullptr;
    std::size_t stride = 0, count = 1;

    GRADCOMP_HD GRADCOMP_INLINE const std::byte* at(std::size_t rank) const { return first + rank * stride; }
    /// The same of what begins `offset` bytes behind each message's first.
    gathered_messages behind(std::size_t offset) const { return {first + offset, stride, count}; }
};

/// By decode_all() where a coder has it for this executor, else message by message.
template <class Coder, class Executor, class Target> void decode_received(const Coder& coder, const Executor& executor, const gathered_messages& all, const Target& target)
{
    if constexpr (requires { coder.decode_all(executor, all, target); }) coder.decode_all(executor, all, target);
    else
        for (std::size_t rank = 0; rank < all.count; ++rank) coder.decode(executor, all.at(rank), target);
}

} // namespace gradcomp
