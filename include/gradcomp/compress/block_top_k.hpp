/// @file Block top-k: whole blocks, those of the largest norm.
#pragma once

#include <gradcomp/compress/indexed.hpp>
#include <gradcomp/core/concepts.hpp>
#include <gradcomp/core/kept.hpp>
#include <gradcomp/theory/operators.hpp>

#include <algorithm>

namespace gradcomp {
inline namespace compress {

/// C(x) = x on the blocks of the largest ||x_block||, 0 elsewhere; ties go to the block of the lowest number.
///
/// A selection of d elements has n = ceil(d / block) blocks, the last of which may be partial, and sends
/// m = min(n, max(1, floor(n / ratio))). Bytes on the wire: m block sizeof(T) for the blocks' elements, then their numbers as top_k's indices. One a block
/// instead of one an element is the point. A sweep and one more read of p. In B1(m/n, 1), B2(m/n, 1), B3(n/m).
struct block_top_k {
    double ratio = 1;                                    ///< blocks of the original over blocks sent, at least 1
    std::uint32_t block = 64;                            ///< elements of a block, at least 1
    gradcomp::scope scope = gradcomp::scope::per_tensor; ///< over what one choice is made

    static constexpr bool unbiased = false, contractive = true, shared_support = false, additive = false;
    static constexpr bool pads_message = true; ///< behind a partial last block
    static constexpr int passes = 2, rounds = 1;
    /// @throws error invalid_option.
    void check() const
    {
        check_ratio(ratio);
        if (block < 1) throw error(error_code::invalid_option, "block", "0", "must be at least 1");
    }
    std::size_t blocks(std::size_t d) const { return (d + block - 1) / block; }
    std::size_t kept(std::size_t d) const { return d == 0 ? 0 : kept_count(blocks(d), ratio) * block; } ///< elements of a message for d, zeros among them
    theory::membership classes(std::size_t d) const { return d == 0 ? theory::identity() : theory::block_top_k(blocks(d), kept_count(blocks(d), ratio)); }

    template <class T, class Executor> auto start(const Executor& executor, const coder_start& with) const
    {
        return indexed_coder<T, Executor, exec::block_norm_engine<Executor, T>>(executor, with,
            make_layout(*with.list, *with.tensors, scope, [this](std::size_t d) { return kept(d); }), std::size_t{block});
    }
};
static_assert(compressor<block_top_k>);

} // namespace compress
} // namespace gradcomp
