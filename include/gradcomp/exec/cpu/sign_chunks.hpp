/// @file Tiles of which only signs are sent: p goes from the registers to the memory, its sign into the message, its magnitude into a sum.
#pragma once

#include <gradcomp/exec/cpu/coded_run.hpp>
#include <gradcomp/exec/cpu/lanes.hpp>
#include <gradcomp/exec/cpu/sweep.hpp>

#include <concepts>
#include <cstring>
#include <iterator>

#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpass-failed" // a build without optimisation leaves these loops as they are
#endif

namespace gradcomp::exec::detail {

/// Codes of one bit, p < 0, whose c asks nothing of a bucket; the mean that some of them report is summed on the way.
template <class Code>
concept bare_sign = tile_code<Code> && requires { { Code::leaves_all } -> std::convertible_to<bool>; } && Code::most_bits == 1 && !Code::stochastic;

#if GRADCOMP_X86
template <isa Level, class Rule, class Code> inline constexpr bool swept_by_signs = Level == isa::avx512 && Rule::fresh == 0 && bare_sign<Code>;

/// What a tile of signs leaves of p: all of it, or p - c. A constant 0 would make p - c a copy, for which compilers let p pass through memory.
template <class Code> struct sign_share {
    using T = typename Code::value_type;
    Code code;
    T nothing;

    explicit sign_share(const Code& of) : code(of), nothing(0) { asm("" : "+x"(nothing)); }
    GRADCOMP_INLINE T operator()(T p) const
    {
        if constexpr (Code::leaves_all) return nothing;
        else return code.decode(code.encode(p, {}, 0), {});
    }
};

/// What guards look at, of a chunk.
template <class Rule, class Share> GRADCOMP_INLINE void sample_chunk(const Rule& rule, const typename Rule::value_type* p, Share share, sweep_tally& tally)
{
    using T = typename Rule::value_type;
    if constexpr (requires { rule.owed_at(0); }) sample_tile(rule, p, chunk_size<T>, [share](std::size_t, T x) __attribute__((always_inline)) { return share(x); }, tally);
}
/// The same with p formed once more, so that the caller's stays in registers.
template <class Rule, class Share> GRADCOMP_TARGET_AVX512 [[gnu::noinline]] void sample_chunk_avx512(Rule rule, Share share, sweep_tally& tally)
{
    typename Rule::value_type p[chunk_size<typename Rule::value_type>];
    for (std::size_t i = 0; i < std::size(p); ++i) p[i] = value_at(rule, i);
    sample_chunk(rule, p, share, tally);
}

/// A chunk that holds NaN or Inf, the rare case: unless these are to travel, the gradient's bad elements count as 0 and nothing that is not finite
/// is stored. Gives p, and leaves p - share(p) behind.
template <class Rule, class Share>
[[gnu::noinline, gnu::cold]] void mend_chunk(Rule rule, bool propagate, bool sampled, Share share, typename Rule::value_type* p, sweep_tally& tally)
{
    using T = typename Rule::value_type;
    typename Rule::gradient_type gradient[chunk_size<T>];
    for (std::size_t i = 0; i < chunk_size<T>; ++i) {
        p[i] = value_at(rule, i);
        const bool good = propagate || is_finite(p[i]);
        gradient[i] = good ? rule.gradient[i] : typename Rule::gradient_type(0);
        tally.bad += !good;
        if (!good) p[i] = value_without_gradient(rule, i);
    }
    rule.gradient = gradient;
    if (sampled) sample_chunk(rule, p, share, tally);
    fresh_outputs_of<Rule> none;
    leave_chunk(rule, 0, p, share, none);
    for (int j = 0; j < Rule::outputs && !propagate; ++j)
        for (std::size_t i = 0; i < chunk_size<T>; ++i)
            if (!is_finite(rule.out[j][i])) rule.out[j][i] = 0;
}

/// A chunk in registers.
template <class T> struct chunk512 {
    using lanes = lanes512<T>;
    static constexpr std::size_t vectors = chunk_size<T> / lanes::width;
    __m512i at[vectors];

    GRADCOMP_TARGET_AVX512 [[gnu::always_inline]] void load(const T* p)
    {
#pragma GCC unroll 8
        for (std::size_t v = 0; v < vectors; ++v) at[v] = lanes::load(p + v * lanes::width);
    }
    GRADCOMP_TARGET_AVX512 [[gnu::always_inline]] bool is_finite() const
    {
        __m512i most = lanes::key(at[0]);
#pragma GCC unroll 8
        for (std::size_t v = 1; v < vectors; ++v) most = lanes::larger(most, lanes::key(at[v]));
        return lanes::at_least(most, lanes::all(key_of<T>::infinity)) == 0;
    }
};

/// What a tile of signs adds up, chunk by chunk, in registers.
template <class T> struct sign_sums512 {
    using lanes = lanes512<T>;
    static constexpr std::size_t registers = tree_lanes<T>::count / lanes::width;
    typename lanes::number sum[registers] = {}; ///< in the order of tree_sum()

    /// Writes the signs of a chunk and adds its magnitudes, each divided by the elements of a tile.
    template <bool Mean> GRADCOMP_TARGET_AVX512 [[gnu::always_inline]] void add(const chunk512<T>& p, std::uint8_t* signs)
    {
        std::uint64_t below = 0;
#pragma GCC unroll 8
        for (std::size_t v = 0; v < p.vectors; ++v) {
            below |= std::uint64_t{lanes::below_zero(p.at[v])} << v * lanes::width;
            if constexpr (Mean) sum[v % registers] = lanes::multiply_add(lanes::key(p.at[v]), T(1) / T(code_tile), sum[v % registers]);
        }
        std::memcpy(signs, &below, chunk_size<T> / 8);
    }
    GRADCOMP_TARGET_AVX512 [[gnu::always_inline]] T mean() const
    {
        tree_lanes<T> all;
        std::memcpy(all.lane, sum, sizeof sum);
        return all.sum();
    }
};

/// A full tile, chunk by chunk. Loads and stores of neighbouring chunks overlap, so memory never rests and the processor foresees the next tile by
/// itself; to ask for it here as well would take 1.2 to 1.4 times as long.
template <class Rule, class Code>
GRADCOMP_TARGET_AVX512 [[gnu::noinline]] void sign_chunks_avx512(Rule rule, std::size_t base, const encode_job<Code>& job, sweep_tally& tally)
{
    using T = typename Rule::value_type;
    const sign_share<Code> share(job.code);
    const bool propagate = job.options.bad_elements == non_finite::propagate;
    std::uint8_t* const signs = job.run.codes + base / 8;
    fresh_outputs_of<Rule> none;
    sign_sums512<T> sums;
    bool poisoned = false;
    for (std::size_t at = 0; at < code_tile; at += chunk_size<T>, rule.advance(chunk_size<T>)) {
        const bool sampled = is_sampled(base) && at < tile_size;
        T p[chunk_size<T>];
        GRADCOMP_INDEPENDENT
        for (std::size_t i = 0; i < chunk_size<T>; ++i) p[i] = value_at(rule, i);
        chunk512<T> x;
        x.load(p);
        if (x.is_finite()) [[likely]] {
            if (sampled) [[unlikely]] sample_chunk_avx512(rule, share, tally);
            leave_chunk(rule, 0, p, share, none);
        } else {
            T mended[chunk_size<T>];
            mend_chunk(rule, propagate, sampled, share, mended, tally);
            x.load(mended);
            poisoned = propagate;
        }
        sums.template add<Code::measured == measure::mean>(x, signs + at / 8);
    }
    if constexpr (Code::parameters > 0) {
        statistic<T> seen{sums.mean()};
        if (poisoned) [[unlikely]] seen.first = not_a_number<T>(), std::memset(signs, 0, code_tile / 8);
        job.code.describe(seen, code_tile, job.run.parameters + base / code_tile * static_cast<std::size_t>(Code::parameters));
    }
}
#else
template <isa Level, class Rule, class Code> inline constexpr bool swept_by_signs = false;
#endif

} // namespace gradcomp::exec::detail

#if defined(__clang__)
#pragma clang diagnostic pop
#endif
