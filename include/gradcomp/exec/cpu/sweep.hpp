/// @file The sweep of the CPU executor: any rule with any way of choosing what goes into the message, one pass over the streams.
#pragma once

#include <gradcomp/exec/cpu/chooser.hpp>
#include <gradcomp/exec/cpu/team.hpp>

#include <algorithm>

#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpass-failed" // a build without optimisation leaves these loops as they are
#endif

namespace gradcomp::exec {

namespace detail {

/// What a chunked tile sends: nothing.
struct chunk_stays {
    template <class T> GRADCOMP_INLINE void take(std::size_t, const T*) const {}
    template <class T> GRADCOMP_INLINE T operator()(T) const { return T(0); }
};
/// All of it.
template <class T> struct chunk_goes {
    T* payload;
    GRADCOMP_INLINE void take(std::size_t at, const T* p) const
    {
        for (std::size_t i = 0; i < chunk_size<T>; ++i) payload[at + i] = p[i];
    }
    GRADCOMP_INLINE T operator()(T p) const { return p; }
};
/// The first element of member t of a team that shares n elements; multiples of 16 tiles, so that sampled tiles stay the same.
inline std::size_t share_begin(std::size_t n, std::size_t t, std::size_t members)
{
    constexpr std::size_t grain = tile_size * 16;
    if (t >= members) return n;
    const std::size_t grains = n / grain;
    return (grains / members * t + grains % members * t / members) * grain;
}

/// Whether guards look at the tile that starts at `base`: at every sixteenth.
GRADCOMP_INLINE bool is_sampled(std::size_t base) { return base / tile_size % 16 == 0; }

/// What guards look at: squares of what stays and of what was new, in lanes so that it vectorises.
template <class Rule, class Share>
GRADCOMP_INLINE void sample_tile(const Rule& rule, const typename Rule::value_type* p, std::size_t count, Share share, sweep_tally& tally)
{
    using T = typename Rule::value_type;
    T left[16] = {}, fresh[16] = {};
    for (std::size_t i = 0; i + 16 <= count; i += 16)
        for (std::size_t j = 0; j < 16; ++j) {
            const T stays = p[i + j] - share(i + j, p[i + j]);
            const T update = p[i + j] - rule.owed_at(i + j);
            left[j] = multiply_add(stays, stays, left[j]);
            fresh[j] = multiply_add(update, update, fresh[j]);
        }
    for (std::size_t j = 0; j < 16; ++j) {
        tally.error_square += static_cast<double>(left[j]);
        tally.update_square += static_cast<double>(fresh[j]);
    }
    tally.sampled += count / 16 * 16;
}

template <isa Level, class Rule, class Share>
GRADCOMP_INLINE void leave_behind(const Rule& rule, std::size_t base, const typename Rule::value_type* p, std::size_t count, bool streamed, Share share, sweep_tally& tally)
{
    if constexpr (requires { rule.owed_at(base); })
        if (is_sampled(base)) sample_tile(rule, p, count, share, tally);
    leave_tile<Level>(rule, p, count, streamed, share);
}

template <isa Level, class Rule, class Choose>
GRADCOMP_INLINE void finish_tile(const Rule& rule, std::size_t base, std::size_t count, Choose& choose, bits_t<typename Rule::value_type> largest,
    tile_buffers<typename Rule::value_type>& tile, bool streamed, sweep_tally& tally)
{
    using T = typename Rule::value_type;
    bool skipped = false;
    if constexpr (requires { choose.skips(largest); }) skipped = choose.skips(largest);
    const taken how = skipped ? taken::none : choose.template choose<Level>(base, count, tile.p, tile.c);
    if (how == taken::none)
        return leave_behind<Level>(rule, base, tile.p, count, streamed, [](std::size_t, T) __attribute__((always_inline)) { return T(0); }, tally);
    if constexpr (requires { choose.share(); })
        leave_behind<Level>(rule, base, tile.p, count, streamed, [share = choose.share()](std::size_t, T p) __attribute__((always_inline)) { return share(p); }, tally);
    else
        leave_behind<Level>(rule, base, tile.p, count, streamed, [&](std::size_t i, T) __attribute__((always_inline)) { return tile.c[i]; }, tally);
}

/// A tile that holds NaN or Inf, the rare case: the gradient's bad elements count as 0 and nothing that is not finite is stored.
template <class Rule, class Choose>
[[gnu::noinline, gnu::cold]] void mend_tile(Rule rule, std::size_t base, std::size_t count, Choose& choose, sweep_tally& tally)
{
    using T = typename Rule::value_type;
    tile_buffers<T> tile;
    typename Rule::gradient_type gradient[tile_size];
    for (std::size_t i = 0; i < count; ++i) {
        gradient[i] = rule.gradient[i];
        if (is_finite(value_at(rule, i))) continue;
        ++tally.bad;
        gradient[i] = typename Rule::gradient_type(0);
    }
    rule.gradient = gradient;
    bits_t<T> largest = 0;
    for (std::size_t i = 0; i < count; ++i) {
        tile.p[i] = value_at(rule, i);
        if (!is_finite(tile.p[i])) tile.p[i] = T(0);
        largest = std::max(largest, magnitude(tile.p[i]));
    }
    finish_tile<isa::scalar>(rule, base, count, choose, largest, tile, false, tally);
    for (int j = 0; j < Rule::outputs; ++j)
        for (std::size_t i = 0; i < count; ++i)
            if (!is_finite(rule.out[j][i])) rule.out[j][i] = T(0);
}

/// Forms p of a chunk. @return whether all of it may be stored
template <class Rule> GRADCOMP_INLINE bool form_chunk(const Rule& rule, std::size_t at, typename Rule::value_type* p, const sweep_options& options)
{
    using T = typename Rule::value_type;
    bits_t<T> largest = 0;
    GRADCOMP_INDEPENDENT
    for (std::size_t i = 0; i < chunk_size<T>; ++i) {
        p[i] = value_at(rule, at + i);
        largest = std::max(largest, magnitude(p[i]));
    }
    return largest < key_of<T>::infinity || options.bad_elements == non_finite::propagate;
}
template <class Rule, class Share>
GRADCOMP_INLINE void leave_chunk(const Rule& rule, std::size_t at, const typename Rule::value_type* p, Share share, fresh_outputs_of<Rule>& fresh)
{
    using T = typename Rule::value_type;
    GRADCOMP_INDEPENDENT
    for (std::size_t i = 0; i < chunk_size<T>; ++i)
        leave_at(rule, at + i, p[i], [&](std::size_t, T x) __attribute__((always_inline)) { return share(x); }, fresh.keep(rule),
            std::make_index_sequence<static_cast<std::size_t>(Rule::inputs)>{});
}
/// The rest of a tile in which element `at` and its neighbours are not all finite.
template <class Rule, class Choose>
[[gnu::noinline, gnu::cold]] void mend_rest(const Rule& rule, std::size_t base, std::size_t at, Choose& choose, fresh_outputs_of<Rule>& fresh, sweep_tally& tally)
{
    fresh.template store<isa::scalar>(rule, at, false);
    Rule rest = rule;
    rest.advance(at);
    mend_tile(rest, base + at, tile_size - at, choose, tally);
}

/// A full tile of a known fate, chunk by chunk: p never leaves the registers, and loads and stores of neighbouring chunks overlap.
template <isa Level, class Rule, class Choose, class Chunk>
GRADCOMP_INLINE void sweep_chunks(const Rule& rule, std::size_t base, Choose& choose, Chunk chunk, const sweep_options& options, sweep_tally& tally)
{
    using T = typename Rule::value_type;
    fresh_outputs_of<Rule> fresh;
    for (std::size_t at = 0; at < tile_size; at += chunk_size<T>) {
        T p[chunk_size<T>];
        if (!form_chunk(rule, at, p, options)) [[unlikely]] return mend_rest(rule, base, at, choose, fresh, tally);
        chunk.take(at, p);
        leave_chunk(rule, at, p, chunk, fresh);
    }
    fresh.template store<Level>(rule, tile_size, options.streamed);
}

#if GRADCOMP_X86
/// The same where the chooser looks at p. Not a copy that at_level() makes: what lists a chunk is made of intrinsics.
template <class Rule, class Choose>
GRADCOMP_TARGET_AVX512 [[gnu::noinline]] void list_chunks_avx512(const Rule& rule, std::size_t base, Choose& choose, const sweep_options& options, sweep_tally& tally)
{
    using T = typename Rule::value_type;
    fresh_outputs_of<Rule> fresh;
    const auto share = choose.share();
    for (std::size_t at = 0; at < tile_size; at += chunk_size<T>) {
        T p[chunk_size<T>];
        if (!form_chunk(rule, at, p, options)) [[unlikely]] return mend_rest(rule, base, at, choose, fresh, tally);
        choose.list_avx512(base + at, p);
        leave_chunk(rule, at, p, share, fresh);
    }
    fresh.template store<isa::avx512>(rule, tile_size, options.streamed);
}
#endif

/// Whether a chooser let the tile be swept in chunks; then it is done.
template <isa Level, class Rule, class Choose>
GRADCOMP_INLINE bool swept_in_chunks(const Rule& rule, std::size_t base, std::size_t count, Choose& choose, const sweep_options& options, sweep_tally& tally)
{
    using T = typename Rule::value_type;
    if (count != tile_size || is_sampled(base)) return false;
    if constexpr (requires { choose.foresee(base, count); }) {
        const foresight known = choose.foresee(base, count);
        if (known.how == foresight::nothing) sweep_chunks<Level>(rule, base, choose, chunk_stays{}, options, tally);
        else if (known.how == foresight::everything) sweep_chunks<Level>(rule, base, choose, chunk_goes<T>{static_cast<T*>(known.payload)}, options, tally);
        return known.how != foresight::unknown;
    }
#if GRADCOMP_X86
    if constexpr (Level == isa::avx512 && requires { choose.open(base, count); }) {
        if (!choose.open(base, count)) return false;
        list_chunks_avx512(rule, base, choose, options, tally);
        choose.close();
        return true;
    }
#endif
    return false;
}

template <isa Level, class Rule, class Choose>
GRADCOMP_INLINE void sweep_tile(const Rule& rule, std::size_t base, std::size_t count, Choose& choose, const sweep_options& options, sweep_tally& tally)
{
    using T = typename Rule::value_type;
    if (swept_in_chunks<Level>(rule, base, count, choose, options, tally)) return;
    tile_buffers<T> tile;
    bits_t<T> largest = 0;
    GRADCOMP_INDEPENDENT
    for (std::size_t i = 0; i < count; ++i) {
        tile.p[i] = value_at(rule, i);
        largest = std::max(largest, magnitude(tile.p[i]));
    }
    if (largest >= key_of<T>::infinity && options.bad_elements != non_finite::propagate) [[unlikely]]
        return mend_tile(rule, base, count, choose, tally);
    finish_tile<Level>(rule, base, count, choose, largest, tile, options.streamed, tally);
}

/// Elements of the next tile of `left`. The compiler must not see that it is nearly always a constant: it would unroll each loop over a
/// tile completely, keep all of p in registers and spill them around every call, at twice the time of a plain loop.
GRADCOMP_INLINE std::size_t tile_length(std::size_t left)
{
    std::size_t length = left < tile_size ? left : tile_size;
    asm("" : "+r"(length));
    return length;
}

/// The loop of one member, the body that at_level() translates for each instruction set.
template <class Rule, class Choose> struct sweep_body {
    Rule rule;
    std::size_t begin, end;
    Choose* choose;
    sweep_options options;
    sweep_tally* tally;

    template <isa Level> GRADCOMP_INLINE void run() const
    {
        Rule at = rule;
        sweep_tally seen;
        at.advance(begin);
        for (std::size_t base = begin; base < end; base += tile_size) {
            sweep_tile<Level>(at, base, tile_length(end - base), *choose, options, seen);
            at.advance(tile_size);
        }
#if GRADCOMP_X86
        if (options.streamed) _mm_sfence();
#endif
        *tally = seen;
    }
};

} // namespace detail

/// One pass over elements [0, n) of the rule's streams.
///
/// Complexity: reads and writes each stream once. Allocates nothing. The result does not depend on the number of threads or on the
/// instruction set (the tally's squares do, in their last bits: they only warn).
template <sweep_rule Rule, chooser<typename Rule::value_type> Choose>
sweep_tally sweep(const cpu_team& team, const Rule& rule, std::size_t n, const Choose& choose, sweep_options options = {})
{
    const std::size_t members = team.members_for(n);
    sweep_tally tallies[cpu_team::max_threads];
    team.run(members, [&](std::size_t t) {
        const std::size_t begin = detail::share_begin(n, t, members), end = detail::share_begin(n, t + 1, members);
        Choose part = choose.part(t, begin, end);
        at_level(team.level(), detail::sweep_body<Rule, Choose>{rule, begin, end, &part, options, &tallies[t]});
        choose.finish(t, part);
    });
    sweep_tally total;
    for (std::size_t t = 0; t < members; ++t) total += tallies[t];
    return total;
}

/// The sweep that sends nothing.
template <sweep_rule Rule> sweep_tally sweep(const cpu_team& team, const Rule& rule, std::size_t n, sweep_options options = {})
{
    return sweep(team, rule, n, send_none{}, options);
}

} // namespace gradcomp::exec

#if defined(__clang__)
#pragma clang diagnostic pop
#endif
