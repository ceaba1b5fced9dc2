/// @file The sweep of quantizers: p is formed, each bucket measured and encoded, the codes packed and e' = p - c left, in one pass.
#pragma once

#include <gradcomp/exec/cpu/coded_run.hpp>
#include <gradcomp/exec/cpu/pack.hpp>
#include <gradcomp/exec/cpu/sign_chunks.hpp>

#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpass-failed" // a build without optimisation leaves these loops as they are
#endif

namespace gradcomp::exec {

namespace detail {

/// A tile whose p is formed, and where its codes go: at once into the message where a code is a whole number of bytes.
template <class Code> struct formed_tile {
    code_buffers<Code>& buffers;
    code_store<Code>* codes;
    std::size_t base, count;
    first_look<Code::measured, typename Code::value_type> seen;
};

/// Encodes elements [from, from + count) of a tile and calls then(i, p, c) for each.
template <class Code, class Tile, class Then>
GRADCOMP_INLINE void encode_run(const Code& code, const typename Code::bucket& bucket, std::size_t from, std::size_t count, const Tile& tile, Then then)
{
    const Code mine = code; // local copies: what might alias the stores keeps a loop from being vectorised
    const typename Code::bucket b = bucket;
    const auto* const p = tile.buffers.p;
    const std::uint16_t* const random = tile.buffers.random;
    auto* const codes = tile.codes;
    GRADCOMP_INDEPENDENT
    for (std::size_t i = from; i < from + count; ++i) {
        const std::uint32_t q = mine.encode(p[i], b, Code::stochastic ? random[i] : 0u);
        codes[i] = static_cast<std::remove_reference_t<decltype(*codes)>>(q);
        then(i, p[i], mine.decode(q, b));
    }
}

/// A bucket with NaN or Inf: its parameters and all of c are NaN, its codes 0.
template <class Code, class Then> void poison_bucket(std::size_t from, std::size_t count, typename Code::value_type* wire, const formed_tile<Code>& tile, Then then)
{
    using T = typename Code::value_type;
    for (int j = 0; j < Code::parameters; ++j) wire[j] = not_a_number<T>();
    for (std::size_t i = from; i < from + count; ++i) {
        tile.codes[i] = 0;
        then(i, tile.buffers.p[i], not_a_number<T>());
    }
}

/// All buckets of a tile, each in chunks that fit the registers; before(at) precedes the chunk at `at`.
template <class Code, class Before, class Then>
GRADCOMP_INLINE void encode_buckets(const encode_job<Code>& job, const formed_tile<Code>& tile, Before before, Then then)
{
    using T = typename Code::value_type;
    for (std::size_t from = 0; from < tile.count; from += job.run.bucket) {
        const std::size_t some = std::min(tile.count - from, job.run.bucket), end = from + some;
        T* const wire = job.run.parameters + (tile.base + from) / job.run.bucket * static_cast<std::size_t>(Code::parameters);
        if (Code::parameters > 0 && tile.seen.largest() >= key_of<T>::infinity) [[unlikely]]
            if (!is_finite(largest_of(tile.buffers.p + from, some))) {
                before(from);
                poison_bucket(from, some, wire, tile, then);
                continue;
            }
        T own[Code::parameters > 0 ? Code::parameters : 1] = {};
        job.code.describe(tile.seen.is_all && some == tile.count ? tile.seen.seen() : measure_bucket<Code::measured>(tile.buffers.p + from, some), some, own);
        for (int j = 0; j < Code::parameters; ++j) wire[j] = own[j];
        const typename Code::bucket b = job.code.open(own);
        const auto run = [&](std::size_t at, std::size_t length) __attribute__((always_inline)) {
            before(at);
            if constexpr (requires { job.code.where_finite(); })
                if (tile.seen.largest() < key_of<T>::infinity) return encode_run(job.code.where_finite(), b, at, length, tile, then);
            if constexpr (requires { job.code.where_halved(); })
                if (job.code.is_halved) return encode_run(job.code.where_halved(), b, at, length, tile, then);
            if constexpr (requires { job.code.where_few(); })
                if (job.code.is_few()) return encode_run(job.code.where_few(), b, at, length, tile, then);
            encode_run(job.code, b, at, length, tile, then);
        };
        std::size_t at = from;
        for (; at + chunk_size<T> <= end; at += chunk_size<T>) run(at, chunk_size<T>);
        if (at < end) run(at, end - at);
    }
}

/// From p to the message and to what is left behind: at once, or by way of an array of c where outputs go past the caches or guards look.
template <isa Level, class Rule, class Code>
GRADCOMP_INLINE void finish_codes(const Rule& rule, const encode_job<Code>& job, const formed_tile<Code>& tile, bool streamed, sweep_tally& tally)
{
    using T = typename Code::value_type;
    constexpr auto inputs = std::make_index_sequence<static_cast<std::size_t>(Rule::inputs)>{};
    const std::size_t base = tile.base, count = tile.count;
    const Rule there = rule;
    // Work on p lets memory rest, so the next tile is asked for meanwhile: a few lines at a time, or the requests would be waited for.
    const auto before = [&](std::size_t at) __attribute__((always_inline)) {
        if constexpr (Code::stochastic)
            if (at % random_group == 0) fill_random<Level>(job.random, static_cast<std::uint32_t>((base + at) / 8), std::min(count - at, random_group), tile.buffers.random + at);
        if (at % chunk_size<T> != 0) return;
        for (std::size_t i = 0; i < chunk_size<T>; i += 64 / sizeof(T)) prefetch_at(there, code_tile + at + i);
    };
    const bool at_once = Rule::fresh == 0 && !is_sampled(base);
    if (at_once) {
        encode_buckets(job, tile, before, [=](std::size_t i, T p, T c) __attribute__((always_inline)) {
            if constexpr (Rule::outputs > 0)
                leave_at(there, i, p, [c](std::size_t, T) __attribute__((always_inline)) { return c; }, [there](std::size_t at, const T* y) __attribute__((always_inline)) {
                    for (int j = 0; j < Rule::outputs; ++j) there.out[j][at] = y[j];
                }, inputs);
        });
    } else {
        T* const c = tile.buffers.c;
        encode_buckets(job, tile, before, [c](std::size_t i, T, T share) __attribute__((always_inline)) { c[i] = share; });
    }
    if (tile.codes == tile.buffers.code) pack_codes<Level>(tile.codes, count, job.code.bits(), job.run.codes + packed_bytes(base, job.code.bits()));
    for (std::size_t from = 0; from < count && !at_once; from += tile_size) {
        Rule rest = rule;
        rest.advance(from);
        const T* const c = tile.buffers.c + from;
        leave_behind<Level>(rest, base + from, tile.buffers.p + from, tile_length(count - from), streamed,
            [c](std::size_t i, T) __attribute__((always_inline)) { return c[i]; }, tally);
    }
}

/// The tile at `base`, with no p yet.
template <class Code> GRADCOMP_INLINE formed_tile<Code> empty_tile(const encode_job<Code>& job, std::size_t base, std::size_t count, code_buffers<Code>& buffers)
{
    const bool whole = job.code.bits() == 8 * static_cast<int>(sizeof(code_store<Code>));
    return {buffers, whole ? reinterpret_cast<code_store<Code>*>(job.run.codes) + base : buffers.code, base, count, {}};
}

/// A tile that holds NaN or Inf, the rare case: the gradient's bad elements count as 0 and nothing that is not finite is stored.
template <class Rule, class Code>
[[gnu::noinline, gnu::cold]] void mend_codes(Rule rule, std::size_t base, std::size_t count, const encode_job<Code>& job, sweep_tally& tally)
{
    code_buffers<Code> buffers;
    typename Rule::gradient_type gradient[code_tile];
    for (std::size_t i = 0; i < count; ++i) {
        const bool good = is_finite(value_at(rule, i));
        gradient[i] = good ? rule.gradient[i] : typename Rule::gradient_type(0);
        tally.bad += !good;
    }
    rule.gradient = gradient;
    formed_tile<Code> tile = empty_tile(job, base, count, buffers);
    for (std::size_t i = 0; i < count; ++i) {
        buffers.p[i] = value_at(rule, i);
        if (!is_finite(buffers.p[i])) buffers.p[i] = 0;
        tile.seen.add(buffers.p[i]);
    }
    finish_codes<isa::scalar>(rule, job, tile, false, tally);
    for (int j = 0; j < Rule::outputs; ++j)
        for (std::size_t i = 0; i < count; ++i)
            if (!is_finite(rule.out[j][i])) rule.out[j][i] = 0;
}

template <class Rule, class Code> struct encode_body {
    Rule rule;
    std::size_t begin, end;
    const encode_job<Code>* job;
    sweep_tally* tally;

    template <isa Level> GRADCOMP_INLINE void run() const
    {
        using T = typename Code::value_type;
        Rule at = rule;
        sweep_tally seen;
        code_buffers<Code> buffers;
        at.advance(begin);
        for (std::size_t base = begin; base < end; base += code_tile, at.advance(code_tile)) {
            std::size_t count = end - base < code_tile ? end - base : code_tile;
            if constexpr (swept_by_signs<Level, Rule, Code>)
                if (count == code_tile) {
                    sign_chunks_avx512(at, base, *job, seen);
                    continue;
                }
            asm("" : "+r"(count)); // as tile_length()
            formed_tile<Code> tile = empty_tile(*job, base, count, buffers);
            auto look = tile.seen;
            GRADCOMP_INDEPENDENT
            for (std::size_t i = 0; i < count; ++i) {
                const T p = value_at(at, i);
                buffers.p[i] = p;
                look.add(p);
            }
            tile.seen = look;
            const bool finite = look.largest() < key_of<T>::infinity;
            if (!finite && job->options.bad_elements != non_finite::propagate) [[unlikely]] mend_codes(at, base, count, *job, seen);
            else finish_codes<Level>(at, *job, tile, job->options.streamed, seen);
        }
#if GRADCOMP_X86
        if (job->options.streamed) _mm_sfence();
#endif
        *tally = seen;
    }
};

} // namespace detail

/// One pass over elements [0, n) of the rule's streams; parameters and codes go to `run`.
///
/// Element i takes its 16 random bits from block i / 8 of `random`. Complexity: reads and writes each stream once. Allocates nothing. The
/// result does not depend on the number of threads or on the instruction set (the tally's squares do, in their last bits).
/// @pre n <= 2^35, run.bucket a power of two from 8 to 512
template <sweep_rule Rule, tile_code Code>
sweep_tally encode_tiles(const cpu_team& team, const Rule& rule, std::size_t n, const Code& code, coded_run<typename Code::value_type, std::byte> run,
    const random_stream& random, sweep_options options = {})
{
    const detail::encode_job<Code> job{code, {run.parameters, reinterpret_cast<std::uint8_t*>(run.codes), run.bucket}, detail::random_lanes(random), options};
    const std::size_t members = team.members_for(n);
    sweep_tally tallies[cpu_team::max_threads];
    team.run(members, [&](std::size_t t) {
        at_level(team.level(), detail::encode_body<Rule, Code>{rule, detail::share_begin(n, t, members), detail::share_begin(n, t + 1, members), &job, &tallies[t]});
    });
    sweep_tally total;
    for (std::size_t t = 0; t < members; ++t) total += tallies[t];
    return total;
}

} // namespace gradcomp::exec

#if defined(__clang__)
#pragma clang diagnostic pop
#endif
