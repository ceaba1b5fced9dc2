/// @file Random blocks of one selection: which elements a step sends and where they stand in the message. No list, no sort.
#pragma once

#include <gradcomp/core/permutation.hpp>

namespace gradcomp {

/// Either one run of `kept` elements that starts anywhere and wraps (block == 0), or kept / block whole blocks, chosen by a keyed
/// bijection; the last block of the selection may be partial and is padded with zeros in the message.
///
/// Every element is chosen with probability kept / size (one run), or (kept / block) / ceil(size / block).
struct block_choice {
    std::uint64_t size = 0;  ///< elements to choose from
    std::uint64_t kept = 0;  ///< elements of the message
    std::uint32_t block = 0; ///< elements of a block; 0: one run

    /// How many elements a selection of `size` sends when asked for `k`: whole blocks, or k when not even one block fits.
    GRADCOMP_HD static constexpr std::uint64_t kept_for(std::uint64_t k, std::uint32_t block) { return block == 0 || k < block ? k : k / block * block; }
    /// The block length in force: 0 (one run) where k is below one block.
    GRADCOMP_HD static constexpr std::uint32_t block_for(std::uint64_t k, std::uint32_t block) { return k < block ? 0 : block; }

    GRADCOMP_HD constexpr std::uint64_t blocks() const { return (size + block - 1) / block; }    ///< blocks of the selection
    GRADCOMP_HD constexpr std::uint32_t slots() const { return static_cast<std::uint32_t>(kept / block); } ///< blocks of the message

    /// Where the run starts. @pre block == 0 and size > 0
    GRADCOMP_HD constexpr std::uint64_t start(const random_stream& stream) const { return stream.below(size); }
    /// order(slot) is the block in that slot of the message. @pre block > 0
    GRADCOMP_HD constexpr keyed_permutation order(const random_stream& stream) const { return {static_cast<std::uint32_t>(blocks()), stream}; }
};

} // namespace gradcomp
