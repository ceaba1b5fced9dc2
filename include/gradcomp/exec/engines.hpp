/// @file What a coder asks of an executor: one engine per way of choosing, which sweeps all selections of a layout at once.
///
/// A coder keeps the layout and the form of the message, and names `exec::top_k_engine<Executor, T>` and its like. Each executor specialises
/// them: exec/cpu/engines.hpp loops over the segments, exec/cuda launches once for all of them. Common to all engines:
///
///     engine(executor, layout)                    takes all memory of a run
///     encode(executor, layout, rules, now, ...)   one sweep of every element; writes the message; gives Executor::tally
///     decode(executor, layout, target, ...)       target(element, value) for what the message holds
///
/// `rules` is what the executor's sweeps take: on the CPU a function that gives a segment's rule. `now` is an Executor::step<T>.
/// The layout is the one that the engine was made with.
#pragma once

#include <gradcomp/core/blocks.hpp>
#include <gradcomp/core/coder.hpp>
#include <gradcomp/core/magnitude_limit.hpp>
#include <gradcomp/core/rule.hpp>
#include <gradcomp/exec/sweep_options.hpp>

#include <concepts>

namespace gradcomp::exec {

/// Takes what a message holds for element i of the model's packed streams, for example x[i] -= scale * v.
template <class F, class T>
concept target = requires(const F f, std::size_t i, T v) { f(i, v); };

/// The target x[i] = v of a vector that nothing holds in a cache: the CPU stores large ones past the caches. Where a message names only some elements, the
/// others become 0.
template <class T> struct dense_target {
    T* to;
    GRADCOMP_HD GRADCOMP_INLINE void operator()(std::size_t i, T v) const { to[i] = v; }
};
template <class Target> inline constexpr bool is_dense = false;
template <class T> inline constexpr bool is_dense<dense_target<T>> = true;

/// What a dense message holds of p: all of it, a fixed share of it, or nothing, and then there is no message.
struct whole_share {};
template <class T> struct scaled_share {
    T factor = 1;
};
struct empty_share {};

/// encode(..., share, T* message, options); decode(..., target, const T* message).
template <class Executor, class T> class dense_engine;

/// engine(executor, layout, choice_of), choice_of(selection) gives its block_choice.
/// encode(..., choice_key, T* message, options); decode(..., target, const T* message) moves the blocks that encode() chose last.
template <class Executor, class T> class block_engine;

/// Sends uniformly random coordinates in index order, factor * p each; `index` is null where every rank draws the same ones.
/// engine(executor, layout, factor_of), factor_of(selection) gives a T. encode(..., choice_key, T* message, std::byte* index, options).
/// decode(..., target, const T* message) for the coordinates that encode() drew last; index_bytes(), check() and scatter() as top_k_engine for sent ones.
template <class Executor, class T> class subset_engine;

/// encode(..., choice_key, T* message, std::byte* index, options): indices of index_bytes() bytes, as core/index_code.hpp has them; check(executor, layout, index)
/// for what a peer sent; scatter(executor, layout, target, const T* message, const std::byte* index); fallbacks().
template <class Executor, class T> class top_k_engine;

/// Codes of few bits, bucket by bucket: engine(executor, layout, coded_form).
/// encode(..., choice_key, code, coded_form, std::byte* message, options); check(executor, layout, code, coded_form, message) for what a peer sent;
/// decode(..., target, code, coded_form, const std::byte* message).
template <class Executor, class T, class Code> class code_engine;

/// The same for the sign with one exact scale for each tensor: sign_code in a coded_form of whole tensors.
template <class Executor, class T> class sign_engine;

/// The second half of a sparsifier and a quantizer: engine(executor, layout, values, coded_form, bytes) for a sparsifier's layout and message and
/// its kept values as a layout of their own. plain() is room for a message of the sparsifier, values first, then indices.
/// encode(executor, values, now, choice_key, code, coded_form, message) leaves in plain() what the codes miss; settle<Whole>(executor, rules, sparsifier)
/// returns that to the memory; clear_values(executor) makes the values of plain() 0; decode(executor, values, code, coded_form, message) fills plain(); copy_indices(executor, to) and fetch_indices(executor, from)
/// move the indices, index_bytes() of them, between plain() and a message.
template <class Executor, class T, class Code> class chain_engine;

/// As top_k_engine, for k elements drawn in proportion to |p| without replacement (core/arrival.hpp).
template <class Executor, class T> class adaptive_engine;

/// The elements that reach a magnitude_limit, at most a selection's `kept`, largest first; the room behind them is zero.
/// encode(..., choice_key, limit, T* message, std::byte* index, count, options) writes one count a selection; check(executor, layout, message, index, count) for
/// what a peer sent; scatter(executor, layout, target, message, index, count); fallbacks(), index_bytes(), and unsent(): elements so far without room.
template <class Executor, class T> class threshold_engine;

/// The blocks of the largest norm: engine(executor, layout, block), a selection keeps whole blocks and its layout says so.
/// encode(..., choice_key, T* message, std::byte* number, options) writes the blocks' elements, zeros behind a partial last one, and the blocks' numbers within
/// their selection in the form of indices; index_bytes(); check(executor, layout, number); scatter(executor, layout, target, message, number).
template <class Executor, class T> class block_norm_engine;

/// The largest of each chunk of a tensor: engine(executor, layout, form_of), form_of(elements of a tensor) gives its chunk_form (core/chunks.hpp); the layout is
/// one of tensors. encode(..., choice_key, T* message, std::byte* index, options) writes places within chunks; index_bytes(), check(), scatter() and fallbacks() as
/// top_k_engine.
template <class Executor, class T> class chunk_engine;

/// The largest cosine coefficients of each chunk: engine(executor, layout, a dct_form for each tensor, whether sums are means over contributors).
/// encode(executor, layout, rules, std::byte* message, options); bytes(); check(executor, message); decode_all(executor, layout, target, all) gives each element
/// once, what the coefficients of all messages together say of it.
template <class Executor, class T> class dct_engine;

/// Matrices as products of thin factors, in two rounds whose messages add: engine(executor, low_rank_form).
/// encode(..., rules, now, choice_key, T* message, options) sweeps, leaves all of p behind and writes the long factors; encode_shares(..., rules, now,
/// const T* sum of the first messages, T* message, options, tally) writes the short ones and the dense tensors, and settles what they hold with the memory;
/// decode(executor, target, const T* message) with the long factors of the present exchange; keep(const T* sum of the second messages) starts the next one.
template <class Executor, class T> class low_rank_engine;

/// What a run's random choices start from; step and selection complete it to a random_stream.
struct choice_key {
    std::uint64_t seed = 0;
    std::uint32_t owner = 0; ///< 0: the same on all ranks; else rank + 1
    GRADCOMP_HD constexpr random_stream stream(std::uint32_t step, std::uint32_t tensor, purpose use) const { return {seed, step, tensor, use, owner}; }
};

} // namespace gradcomp::exec
