/// @file Every compressor with the options under which its messages are kept as golden files and its decoder is fuzzed.
#pragma once

#include <gradcomp/gradcomp.hpp>

#include <cstdint>

namespace fuzzing {

namespace gc = gradcomp;

/// Tensors of several sizes, one of them empty; small, so that a fuzzer runs fast.
inline const gc::tensor_list& small_model()
{
    static const gc::tensor_list list{{"w", {7, 9}}, {"no", {0}}, {"b", {5}}, {"v", {33}}};
    return list;
}
/// One tensor of three tiles of indices, for messages that count indices by tile.
inline const gc::tensor_list& tall_model()
{
    static const gc::tensor_list list{{"tall", {150'000}}};
    return list;
}

/// f(number, name, compressor, list) for sparsifiers and dense messages. A number, at most 127, is for ever: golden files and corpora name it.
template <class F> void each_sparsifier(const F& f)
{
    using gc::indices, gc::scaling, gc::scope, gc::limit_unit;
    const auto& list = small_model();
    f(1, "identity", gc::identity{}, list);
    f(2, "nothing", gc::nothing{}, list);
    f(3, "delta_scaling", gc::delta_scaling{.delta = 0.3}, list);
    f(4, "top_k", gc::top_k{.ratio = 4}, list);
    f(5, "top_k_of_the_model", gc::top_k{.ratio = 9, .scope = scope::whole_model}, list);
    f(6, "rand_k_own", gc::rand_k<indices::own, scaling::unbiased>{.ratio = 5}, list);
    f(7, "rand_k_shared", gc::rand_k<indices::shared_seed, scaling::none>{.ratio = 5}, list);
    f(8, "random_run", gc::random_block{.ratio = 4}, list);
    f(9, "random_blocks", gc::random_block{.ratio = 3, .block = 8, .scope = scope::whole_model}, list);
    f(10, "adaptive_random", gc::adaptive_random{.ratio = 6}, list);
    f(11, "threshold", gc::threshold<>{.limit = 0.3, .ratio = 3}, list);
    f(12, "threshold_absolute", gc::threshold<limit_unit::absolute>{.limit = 0.2, .ratio = 8, .scope = scope::whole_model}, list);
    f(13, "block_top_k", gc::block_top_k{.ratio = 4, .block = 8, .scope = scope::whole_model}, list);
    f(14, "tensors", gc::by_tensor{gc::named("b", gc::identity{}), gc::vectors(gc::qsgd<>{.bits = 5, .bucket = 16}), gc::otherwise(gc::top_k{.ratio = 7})}, list);
    f(15, "top_k_then_dithering", gc::chain{gc::top_k{.ratio = 3}, gc::natural_dithering(7, 16)}, list);
    f(16, "random_block_then_qsgd", gc::chain{gc::random_block{.ratio = 2}, gc::scaled{.lambda = 0.5, .of = gc::qsgd<>{.bits = 6, .bucket = 8}}}, list);
    f(17, "top_k_of_tiles", gc::chain{gc::top_k{.ratio = 1000}, gc::qsgd<>{.bits = 4, .bucket = 32}}, tall_model());
    f(18, "threshold_then_min_max", gc::chain{gc::threshold<>{.limit = 0.3, .ratio = 3}, gc::min_max<>{.bits = 5, .bucket = 8}}, list);
    f(19, "adaptive_random_then_natural", gc::chain{gc::adaptive_random{.ratio = 5}, gc::natural<>{}}, list);
    f(20, "block_top_k_then_cast", gc::chain{gc::block_top_k{.ratio = 3, .block = 4, .scope = scope::whole_model}, gc::cast<gc::fp8_e4m3>{}}, list);
    f(21, "rand_k_then_sign", gc::chain{gc::rand_k<indices::own, scaling::unbiased>{.ratio = 4}, gc::block_sign{.bucket = 8}}, list);
    f(22, "chunked_top_k", gc::chunked_top_k{.k = 3, .chunk = 16}, list);
    f(23, "chunked_top_k_in_two_bits", gc::chain{gc::chunked_top_k{.ratio = 4, .chunk = 24}, gc::min_max<gc::rounding::nearest>{.bits = 2, .bucket = 8}}, list);
    f(24, "dct_top_k", gc::dct_top_k<>{.k = 3, .chunk = 7}, list);
}

/// The same for quantizers.
template <class F> void each_quantizer(const F& f)
{
    using gc::norm, gc::rounding;
    const auto& list = small_model();
    f(32, "sign", gc::sign<>{}, list);
    f(33, "sign_unscaled", gc::sign<gc::sign_scale::none>{}, list);
    f(34, "block_sign", gc::block_sign{.bucket = 16}, list);
    f(35, "natural", gc::natural<>{}, list);
    f(36, "natural_8", gc::natural<gc::exponents::per_bucket>{}, list);
    f(37, "qsgd", gc::qsgd<>{.bits = 8, .bucket = 16}, list);
    f(38, "qsgd_3", gc::qsgd<norm::infinity>{.bits = 3, .bucket = 32}, list);
    f(39, "tern_grad", gc::tern_grad{.bucket = 8}, list);
    f(40, "min_max", gc::min_max<rounding::nearest>{.bucket = 16}, list);
    f(41, "min_max_5", gc::min_max<>{.bits = 5, .bucket = 16}, list);
    f(42, "half", gc::cast<gc::half>{}, list);
    f(43, "bfloat16", gc::cast<gc::bfloat16, rounding::stochastic>{}, list);
    f(44, "e4m3", gc::cast<gc::fp8_e4m3, rounding::stochastic>{}, list);
    f(45, "e5m2", gc::cast<gc::fp8_e5m2>{}, list);
    f(46, "exponential_dithering", gc::exponential_dithering<norm::one>{.base = 1.5, .levels = 20, .bucket = 16}, list);
    f(47, "exponential_rounding", gc::exponential_rounding<rounding::nearest>{.base = 1.3, .levels = 63, .bucket = 16}, list);
    f(48, "level_rounding", gc::level_rounding<>{.bucket = 16}, list);
    f(49, "scaled", gc::scaled{.lambda = 0.25, .of = gc::tern_grad{.bucket = 16}}, list);
    f(50, "levels_absolute", gc::level_rounding<rounding::stochastic, gc::level_scale::absolute>{.levels = {0.1, 0.5, 2}}, list);
}

/// The same for plain indices of a tensor of several tiles, in both forms.
template <class F> void each_sparsifier_of_tiles(const F& f)
{
    const auto& list = tall_model();
    f(64, "top_k_in_tiles", gc::top_k{.ratio = 4000}, list);
    f(65, "few_of_tiles", gc::top_k{.k = 5}, list);
    f(66, "threshold_in_tiles", gc::threshold<>{.limit = 0.2, .ratio = 4000}, list);
    f(67, "rand_k_in_tiles", gc::rand_k<gc::indices::own, gc::scaling::none>{.ratio = 4000}, list);
}

/// The same for what takes several rounds: the message is that of the last one.
template <class F> void each_in_rounds(const F& f)
{
    f(80, "low_rank", gc::low_rank{.rank = 2}, small_model());
}

/// Whether every code decodes to a finite value, so that a message holds Inf never and NaN only where a bucket says so.
template <class C> inline constexpr bool decodes_finite = gc::quantizer<C>;
template <> inline constexpr bool decodes_finite<gc::sign<>> = true;
template <> inline constexpr bool decodes_finite<gc::sign<gc::sign_scale::none>> = true;
template <class S, class Q> inline constexpr bool decodes_finite<gc::chain<S, Q>> = true;

} // namespace fuzzing
