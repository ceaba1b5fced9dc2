/// @file Top-k sparsification: the k elements of the largest magnitude, exactly.
#pragma once

#include <gradcomp/compress/indexed.hpp>
#include <gradcomp/core/concepts.hpp>
#include <gradcomp/core/kept.hpp>
#include <gradcomp/theory/operators.hpp>

#include <optional>

namespace gradcomp {
inline namespace compress {

/// C(x) = the k largest |x_i|, 0 elsewhere. Ties go to the lowest index; NaN > Inf > finite where non-finite values propagate.
///
/// k = min(d, max(1, floor(d / ratio))). Bytes on the wire: sizeof(T) a kept element, then each selection's indices, 2 bytes each and 4 a tile of 65536
/// elements, or 4 (above 2^32 elements 8), whichever is less. One sweep, then work on about 1.05 k candidates. The same bytes for any instruction
/// set and any number of threads. In B1(k/d, 1), B2(k/d, 1), B3(d/k).
/// @cite Beznosikov et al., JMLR 24(276), table 1, (d).
struct top_k {
    double ratio = 1;                                    ///< elements of the original over elements sent, at least 1
    std::optional<std::size_t> k = {};                   ///< elements sent a selection, instead of ratio
    gradcomp::scope scope = gradcomp::scope::per_tensor; ///< over what one choice is made

    static constexpr bool unbiased = false, contractive = true, shared_support = false, additive = false;
    static constexpr int passes = 1, rounds = 1;
    /// @throws error invalid_option.
    void check() const { check_ratio(ratio); }
    std::size_t kept(std::size_t d) const { return kept_of(d, ratio, k); } ///< elements of d that a message carries
    theory::membership classes(std::size_t d) const { return d == 0 ? theory::identity() : theory::top_k(d, kept_of(d, ratio, k)); }

    template <class T, class Executor> auto start(const Executor& executor, const coder_start& with) const
    {
        return indexed_coder<T, Executor, exec::top_k_engine<Executor, T>>(executor, with, make_layout(*with.list, *with.tensors, scope, [this](std::size_t d) { return kept(d); }));
    }
};
static_assert(compressor<top_k>);

} // namespace compress
} // namespace gradcomp
