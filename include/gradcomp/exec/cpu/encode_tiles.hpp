/// @file The sweep of quantizers: p is formed, each bucket measured and encoded, the codes packed and e' = p - c left, in one pass.
#pragma once

#include <gradcomp/core/codes.hpp>
#include <gradcomp/core/random.hpp>
#include <gradcomp/exec/cpu/pack.hpp>
#include <gradcomp/exec/cpu/random_lanes.hpp>
#include <gradcomp/exec/cpu/sweep.hpp>

#include <type_traits>

#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpass-failed" // a build without optimisation leaves these loops as they are
#endif

namespace gradcomp::exec {

/// Where the codes of one tensor stand in a message.
template <class T, class Byte> struct coded_run {
    T* parameters = nullptr;        ///< Code::parameters a bucket
    Byte* codes = nullptr;          ///< packed_bytes(n, bits)
    std::size_t bucket = code_tile; ///< elements of a bucket: a power of two from 8 to 512
};

namespace detail {

template <class Code> using code_store = std::conditional_t<(Code::most_bits > 8), std::uint16_t, std::uint8_t>;

template <class Code> struct code_buffers {
    using T = typename Code::value_type;
    alignas(64) T p[code_tile];
    alignas(64) T c[code_tile];
    alignas(64) std::uint16_t random[code_tile];
    alignas(64) code_store<Code> code[code_tile];
};

/// A bucket with NaN or Inf: its parameters and all of c are NaN, its codes 0.
template <class Code, class Then> void poison_bucket(std::size_t from, std::size_t count, typename Code::value_type* wire, code_buffers<Code>& tile, Then then)
{
    using T = typename Code::value_type;
    for (int j = 0; j < Code::parameters; ++j) wire[j] = not_a_number<T>();
    for (std::size_t i = from; i < from + count; ++i) {
        tile.code[i] = 0;
        then(i, tile.p[i], not_a_number<T>());
    }
}

/// Describes a bucket by what was measured, encodes it, and calls then(i, p, c) for each element.
template <class Code, class Then>
GRADCOMP_INLINE void encode_bucket(const Code& code, const statistic<typename Code::value_type>& seen, std::size_t from, std::size_t count, typename Code::value_type* wire,
    code_buffers<Code>& tile, Then then)
{
    using T = typename Code::value_type;
    T own[Code::parameters > 0 ? Code::parameters : 1] = {};
    code.describe(seen, count, own);
    for (int j = 0; j < Code::parameters; ++j) wire[j] = own[j];
    const typename Code::bucket b = code.open(own);
    const Code mine = code; // a local copy: what might alias the stores keeps a loop from being vectorised
    GRADCOMP_INDEPENDENT
    for (std::size_t i = from; i < from + count; ++i) {
        const std::uint32_t q = mine.encode(tile.p[i], b, Code::stochastic ? tile.random[i] : 0u);
        tile.code[i] = static_cast<code_store<Code>>(q);
        then(i, tile.p[i], mine.decode(q, b));
    }
}

/// What one member of the team needs of a sweep.
template <class Code> struct encode_job {
    Code code;
    coded_run<typename Code::value_type, std::uint8_t> run;
    random_stream random;
    sweep_options options;
};

/// All buckets of a tile. `largest` is the magnitude of the tile's largest element.
template <class Code, class Then>
GRADCOMP_INLINE void encode_buckets(const encode_job<Code>& job, std::size_t base, std::size_t count, bits_t<typename Code::value_type> largest, code_buffers<Code>& tile, Then then)
{
    using T = typename Code::value_type;
    const std::size_t bucket = job.run.bucket;
    for (std::size_t from = 0; from < count; from += bucket) {
        const std::size_t some = count - from < bucket ? count - from : bucket;
        T* const wire = job.run.parameters + (base + from) / bucket * static_cast<std::size_t>(Code::parameters);
        if (Code::parameters > 0 && largest >= key_of<T>::infinity) [[unlikely]]
            if (!is_finite(largest_of(tile.p + from, some))) {
                poison_bucket<Code>(from, some, wire, tile, then);
                continue;
            }
        const bool known = Code::measured == measure::largest && some == count;
        const auto seen = known ? statistic<T>{__builtin_bit_cast(T, largest)} : measure_bucket<Code::measured>(tile.p + from, some);
        encode_bucket(job.code, seen, from, some, wire, tile, then);
    }
}

/// From p to the message and to what is left behind: at once, or by way of an array of c where outputs go past the caches or guards look.
template <isa Level, class Rule, class Code>
GRADCOMP_INLINE void finish_codes(const Rule& rule, std::size_t base, std::size_t count, const encode_job<Code>& job, bits_t<typename Code::value_type> largest,
    bool streamed, code_buffers<Code>& tile, sweep_tally& tally)
{
    using T = typename Code::value_type;
    constexpr auto inputs = std::make_index_sequence<static_cast<std::size_t>(Rule::inputs)>{};
    if constexpr (Code::stochastic) fill_random<Level>(job.random, static_cast<std::uint32_t>(base / 8), count, tile.random);
    const bool at_once = Rule::fresh == 0 && !is_sampled(base);
    if (at_once) {
        const Rule there = rule;
        encode_buckets(job, base, count, largest, tile, [there, inputs](std::size_t i, T p, T c) __attribute__((always_inline)) {
            if constexpr (Rule::outputs > 0)
                leave_at(there, i, p, [c](std::size_t, T) __attribute__((always_inline)) { return c; }, [there](std::size_t at, const T* y) __attribute__((always_inline)) {
                    for (int j = 0; j < Rule::outputs; ++j) there.out[j][at] = y[j];
                }, inputs);
        });
    } else {
        T* const c = tile.c;
        encode_buckets(job, base, count, largest, tile, [c](std::size_t i, T, T share) __attribute__((always_inline)) { c[i] = share; });
    }
    pack_codes<Level>(tile.code, count, job.code.bits(), job.run.codes + packed_bytes(base, job.code.bits()));
    for (std::size_t from = 0; from < count && !at_once; from += tile_size) {
        Rule there = rule;
        there.advance(from);
        const T* const c = tile.c + from;
        leave_behind<Level>(there, base + from, tile.p + from, tile_length(count - from), streamed,
            [c](std::size_t i, T) __attribute__((always_inline)) { return c[i]; }, tally);
    }
}

/// A tile that holds NaN or Inf, the rare case: the gradient's bad elements count as 0 and nothing that is not finite is stored.
template <class Rule, class Code>
[[gnu::noinline, gnu::cold]] void mend_codes(Rule rule, std::size_t base, std::size_t count, const encode_job<Code>& job, sweep_tally& tally)
{
    code_buffers<Code> tile;
    typename Rule::gradient_type gradient[code_tile];
    for (std::size_t i = 0; i < count; ++i) {
        const bool good = is_finite(value_at(rule, i));
        gradient[i] = good ? rule.gradient[i] : typename Rule::gradient_type(0);
        tally.bad += !good;
    }
    rule.gradient = gradient;
    for (std::size_t i = 0; i < count; ++i) {
        tile.p[i] = value_at(rule, i);
        if (!is_finite(tile.p[i])) tile.p[i] = 0;
    }
    finish_codes<isa::scalar>(rule, base, count, job, magnitude(largest_of(tile.p, count)), false, tile, tally);
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
        code_buffers<Code> tile;
        at.advance(begin);
        for (std::size_t base = begin; base < end; base += code_tile, at.advance(code_tile)) {
            std::size_t count = end - base < code_tile ? end - base : code_tile;
            asm("" : "+r"(count)); // as tile_length()
            bits_t<T> largest = 0;
            GRADCOMP_INDEPENDENT
            for (std::size_t i = 0; i < count; ++i) {
                tile.p[i] = value_at(at, i);
                largest = std::max(largest, magnitude(tile.p[i]));
            }
            // The work on a tile lets memory rest: the next tile is asked for before it.
            for (std::size_t i = code_tile; i < 2 * code_tile; i += 64 / sizeof(T)) prefetch_at(at, i);
            const bool finite = largest < key_of<T>::infinity;
            if (!finite && job->options.bad_elements != non_finite::propagate) [[unlikely]] mend_codes(at, base, count, *job, seen);
            else finish_codes<Level>(at, base, count, *job, largest, job->options.streamed, tile, seen);
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
    const detail::encode_job<Code> job{code, {run.parameters, reinterpret_cast<std::uint8_t*>(run.codes), run.bucket}, random, options};
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
