/// @file Adaptive random sparsification: coordinates drawn with probability proportional to their magnitude.
#pragma once

#include <gradcomp/compress/indexed.hpp>
#include <gradcomp/core/concepts.hpp>
#include <gradcomp/core/kept.hpp>
#include <gradcomp/theory/operators.hpp>

#include <optional>

namespace gradcomp {
inline namespace compress {

/// C(x) = x on k coordinates, 0 elsewhere, drawn one after the other without replacement, each with probability |x_i| over those left.
///
/// k = min(d, max(1, floor(d / ratio))); k = 1 is the paper's. Message, bytes and indices as top_k. No sum over the elements: the k that arrive
/// first of exponential waiting times / |x_i| (core/arrival.hpp), 32 random bits each, the rank's own; a rate of memory an element. Elements
/// that are 0 come last, lowest index first. In B1(k/d, 1), B2(k/d, 1), B3(d/k).
/// @cite Beznosikov et al., JMLR 24(276), section on compressors, (c).
struct adaptive_random {
    double ratio = 1;                                    ///< elements of the original over elements sent, at least 1
    std::optional<std::size_t> k = {};                   ///< elements sent a selection, instead of ratio
    gradcomp::scope scope = gradcomp::scope::per_tensor; ///< over what one choice is made

    static constexpr bool unbiased = false, contractive = true, shared_support = false, additive = false;
    static constexpr int passes = 2, rounds = 1;
    /// @throws error invalid_option.
    void check() const { check_ratio(ratio); }
    std::size_t kept(std::size_t d) const { return kept_of(d, ratio, k); } ///< elements of d that a message carries
    theory::membership classes(std::size_t d) const { return d == 0 ? theory::identity() : theory::adaptive_random(d, kept(d)); }

    template <class T, class Executor> auto start(const Executor& executor, const coder_start& with) const
    {
        return indexed_coder<T, Executor, exec::adaptive_engine<Executor, T>>(executor, with, make_layout(*with.list, *with.tensors, scope, [this](std::size_t d) { return kept(d); }));
    }
};
static_assert(compressor<adaptive_random>);

} // namespace compress
} // namespace gradcomp
