/// @file Chunk-wise top-k: each tensor is cut into chunks, and each chunk sends its k elements of the largest magnitude.
#pragma once

#include <gradcomp/compress/indexed.hpp>
#include <gradcomp/core/chunks.hpp>
#include <gradcomp/core/concepts.hpp>
#include <gradcomp/core/kept.hpp>
#include <gradcomp/theory/operators.hpp>

#include <algorithm>
#include <optional>

namespace gradcomp {
inline namespace compress {

/// C(x) = of each chunk the k largest |x_i|, 0 elsewhere. Ties go to the lowest index; NaN > Inf > finite where non-finite values propagate.
///
/// A chunk is `chunk` neighbours of a tensor as it lies in memory; the last one may have fewer. k = min(chunk, max(1, floor(chunk / ratio))) of each. No part of
/// a tensor is left out, however much larger another one is, and a choice looks at nothing outside its chunk. Bytes on the wire: sizeof(T) + 2 a kept element,
/// values of a tensor first to last, then places within the chunks. A sweep and one more read of p, which is still in the cache. The same bytes for any
/// instruction set and any number of threads. In B1(k/chunk, 1), B2(k/chunk, 1), B3(chunk/k).
/// @cite Sarfi et al., "SparseLoCo", arXiv 2508.15706.
struct chunked_top_k {
    double ratio = 1;                   ///< elements of a chunk over elements sent of it, at least 1
    std::optional<std::size_t> k = {};  ///< elements sent of a chunk, instead of ratio; a smaller one sends at most all
    std::size_t chunk = 4096;           ///< elements of a chunk, from 1 to 65536

    static constexpr gradcomp::scope scope = gradcomp::scope::per_tensor;
    static constexpr bool unbiased = false, contractive = true, shared_support = false, additive = false;
    static constexpr int passes = 2, rounds = 1;
    /// @throws error invalid_option.
    void check() const
    {
        check_ratio(ratio);
        if (chunk < 1 || chunk > most_of_chunk) throw error(error_code::invalid_option, "chunk", std::to_string(chunk), "must be from 1 to 65536: a place in a chunk has 16 bits");
        if (k && (*k < 1 || *k > chunk))
            throw error(error_code::invalid_option, "k", std::to_string(*k), "must be from 1 to " + std::to_string(chunk) + ", the elements of a chunk");
    }
    chunk_form form(std::size_t d) const
    {
        const auto kept = [this](std::size_t n) { return k ? std::min(n, *k) : kept_count(n, ratio); };
        return {.size = d, .chunk = chunk, .kept = kept(chunk), .last = d == 0 ? 0 : kept(d - (d - 1) / chunk * chunk)};
    }
    std::size_t kept(std::size_t d) const { return form(d).total(); } ///< elements of d that a message carries
    theory::membership classes(std::size_t d) const
    {
        const chunk_form f = form(d);
        if (d == 0) return theory::identity();
        const theory::membership last = theory::top_k(f.size_of(f.chunks() - 1), f.last);
        return f.chunks() == 1 ? last : theory::packed(theory::top_k(chunk, f.kept), last);
    }

    template <class T, class Executor> auto start(const Executor& executor, const coder_start& with) const
    {
        return indexed_coder<T, Executor, exec::chunk_engine<Executor, T>>(executor, with,
            make_layout(*with.list, *with.tensors, scope, [this](std::size_t d) { return kept(d); }), [options = *this](std::size_t d) { return options.form(d); });
    }
};
static_assert(compressor<chunked_top_k>);

} // namespace compress
} // namespace gradcomp
