/// @file One tile of a sweep on the CPU: load, form p, choose c, store, all in the first cache level.
#pragma once

#include <gradcomp/core/rule.hpp>
#include <gradcomp/exec/cpu/isa.hpp>
#include <gradcomp/exec/sweep_options.hpp>

#include <array>
#include <cstring>
#include <utility>

#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpass-failed" // a build without optimisation leaves these loops as they are
#endif

namespace gradcomp::exec {

/// Elements of a tile: p, c and the outputs of a rule stay in the first cache level.
inline constexpr std::size_t tile_size = 256;

/// Elements that fit the registers together with what it takes to work on them: 4 of the widest.
template <class T> inline constexpr std::size_t chunk_size = 256 / sizeof(T);

/// What a chooser says of a tile: nothing of it is sent, or some of it.
enum class taken { none, some };

namespace detail {

template <class T> struct tile_buffers {
    alignas(64) T p[tile_size];
    alignas(64) T c[tile_size];
};

template <class Rule, std::size_t... J>
GRADCOMP_INLINE typename Rule::value_type value_at(const Rule& rule, std::size_t i, std::index_sequence<J...>)
{
    using T = typename Rule::value_type;
    const T x[sizeof...(J) + 1] = {rule.in[J][i]..., T(0)};
    return rule.value(static_cast<T>(rule.gradient[i]), x);
}
/// p of element i.
template <class Rule> GRADCOMP_INLINE typename Rule::value_type value_at(const Rule& rule, std::size_t i)
{
    return value_at(rule, i, std::make_index_sequence<static_cast<std::size_t>(Rule::inputs)>{});
}

template <class Rule, std::size_t... J>
GRADCOMP_INLINE typename Rule::value_type value_without(const Rule& rule, [[maybe_unused]] std::size_t i, std::index_sequence<J...>)
{
    using T = typename Rule::value_type;
    const T x[sizeof...(J) + 1] = {rule.in[J][i]..., T(0)};
    const T p = rule.value(T(0), x);
    return is_finite(p) ? p : T(0);
}
/// p of element i when its gradient counts as 0; what is still not finite counts as 0 itself.
template <class Rule> typename Rule::value_type value_without_gradient(const Rule& rule, std::size_t i)
{
    return value_without(rule, i, std::make_index_sequence<static_cast<std::size_t>(Rule::inputs)>{});
}

/// Asks for the cache lines of element i of every input.
template <class Rule> GRADCOMP_INLINE void prefetch_at(const Rule& rule, std::size_t i)
{
    __builtin_prefetch(rule.gradient + i);
    for (int j = 0; j < Rule::inputs; ++j) __builtin_prefetch(rule.in[j] + i);
}

template <class Rule, class Share, class Store, std::size_t... J>
GRADCOMP_INLINE void leave_at(const Rule& rule, std::size_t i, typename Rule::value_type p, Share share, Store store, std::index_sequence<J...>)
{
    using T = typename Rule::value_type;
    const T x[sizeof...(J) + 1] = {rule.in[J][i]..., T(0)};
    T y[Rule::outputs > 0 ? Rule::outputs : 1];
    rule.leave(static_cast<T>(rule.gradient[i]), x, p, share(i, p), y);
    store(i, y);
}

#if GRADCOMP_X86
GRADCOMP_TARGET_AVX512 inline void stream_avx512(void* to, const void* from, std::size_t lines)
{
    for (std::size_t l = 0; l < lines; ++l) _mm512_stream_si512(static_cast<__m512i*>(to) + l, _mm512_loadu_si512(static_cast<const __m512i*>(from) + l));
}
inline void stream_sse2(void* to, const void* from, std::size_t lines)
{
    for (std::size_t l = 0; l < 4 * lines; ++l) _mm_stream_si128(static_cast<__m128i*>(to) + l, _mm_loadu_si128(static_cast<const __m128i*>(from) + l));
}
#endif

/// Copies `bytes` bytes past the caches, as far as whole lines go; the caller fences once at the end of its range.
inline void stream_copy([[maybe_unused]] isa level, void* to, const void* from, std::size_t bytes)
{
    std::size_t done = 0;
#if GRADCOMP_X86
    if (reinterpret_cast<std::uintptr_t>(to) % 64 == 0) {
        if (level == isa::avx512) stream_avx512(to, from, bytes / 64);
        else stream_sse2(to, from, bytes / 64);
        done = bytes / 64 * 64;
    }
#endif
    std::memcpy(static_cast<char*>(to) + done, static_cast<const char*>(from) + done, bytes - done);
}

/// Whether output j of a rule is never read in its sweep; a large one is then stored past the caches.
template <class Rule> constexpr bool is_fresh(int j) { return (Rule::fresh >> j & 1u) != 0; }

/// The outputs of a tile. Fresh ones wait in the first cache level, so that they can leave it in whole lines.
template <class Rule> struct fresh_outputs_of {
    using T = typename Rule::value_type;
    alignas(64) T value[Rule::outputs > 0 ? Rule::outputs : 1][tile_size]; // full size also where unused: from a smaller one g++ infers a short loop

    GRADCOMP_INLINE auto keep(const Rule& rule)
    {
        return [this, &rule](std::size_t at, const T* y) __attribute__((always_inline)) {
            for (int j = 0; j < Rule::outputs; ++j)
                if (is_fresh<Rule>(j)) value[j][at] = y[j];
                else rule.out[j][at] = y[j];
        };
    }
    template <isa Level> GRADCOMP_INLINE void store(const Rule& rule, std::size_t count, bool streamed) const
    {
        for (int j = 0; j < Rule::outputs; ++j)
            if (is_fresh<Rule>(j)) {
                if (streamed) stream_copy(Level, rule.out[j], value[j], count * sizeof(T));
                else std::memcpy(rule.out[j], value[j], count * sizeof(T));
            }
    }
};

/// Writes the outputs of `count` elements.
template <isa Level, class Rule, class Share>
GRADCOMP_INLINE void leave_tile(const Rule& rule, const typename Rule::value_type* p, std::size_t count, bool streamed, Share share)
{
    if constexpr (Rule::outputs > 0) {
        fresh_outputs_of<Rule> fresh;
        GRADCOMP_INDEPENDENT
        for (std::size_t i = 0; i < count; ++i)
            leave_at(rule, i, p[i], share, fresh.keep(rule), std::make_index_sequence<static_cast<std::size_t>(Rule::inputs)>{});
        fresh.template store<Level>(rule, count, streamed);
    }
}

} // namespace detail
} // namespace gradcomp::exec

#if defined(__clang__)
#pragma clang diagnostic pop
#endif
