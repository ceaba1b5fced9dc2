/// @file Sends nothing: everything stays in the memory.
#pragma once

#include <gradcomp/compress/dense.hpp>
#include <gradcomp/core/concepts.hpp>
#include <gradcomp/theory/operators.hpp>

namespace gradcomp {
inline namespace compress {

/// C(x) = 0. Bytes on the wire: none. No contraction: x never moves, so feedback around it is meant for tensors that others carry.
struct nothing {
    static constexpr bool unbiased = false, contractive = false, shared_support = true, additive = true;
    static constexpr int passes = 1, rounds = 1;
    void check() const {}
    theory::membership classes(std::size_t) const { return theory::nothing(); }

    template <class T, class Executor> auto start(const Executor& executor, const coder_start& with) const
    {
        return dense_coder<T, Executor, exec::empty_share>(executor, with, {});
    }
};
static_assert(compressor<nothing>);

} // namespace compress
} // namespace gradcomp
