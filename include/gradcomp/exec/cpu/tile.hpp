/// @file One tile of a sweep on the CPU: load, form p, choose c, store, all in the first cache level.
#pragma once

#include <gradcomp/core/rule.hpp>
#include <gradcomp/exec/cpu/isa.hpp>

#include <array>
#include <utility>

namespace gradcomp::exec {

/// What to do with elements whose p is NaN or Inf.
enum class non_finite {
    reject,         ///< every rank throws alike, the step has no effect on x
    zero_and_count, ///< the gradient's bad elements count as 0
    propagate       ///< they travel: top-k treats NaN as the largest magnitude
};

/// Elements of a tile: p, c and the outputs of a rule stay in the first cache level, and the compiler sees a constant length.
inline constexpr std::size_t tile_size = 256;

/// What a sweep saw beside its result.
struct sweep_tally {
    std::uint64_t bad = 0;              ///< elements whose p was not finite
    double error_square = 0;            ///< sum of squares of what stays behind, over the sampled tiles
    double update_square = 0;           ///< sum of squares of what was new, over the sampled tiles
    std::uint64_t sampled = 0;          ///< elements of those tiles

    sweep_tally& operator+=(const sweep_tally& other)
    {
        bad += other.bad;
        error_square += other.error_square;
        update_square += other.update_square;
        sampled += other.sampled;
        return *this;
    }
};

/// How the message took the elements of a tile; only `mixed` needs an array c. by_value: c follows from p alone, through the chooser's share().
enum class taken { none, all, by_value, mixed };

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
GRADCOMP_INLINE typename Rule::value_type value_without(const Rule& rule, std::size_t i, std::index_sequence<J...>)
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

/// Stores past the caches; the caller fences once at the end of its range.
template <class T> GRADCOMP_INLINE void stream_tile(T* to, const T* from, std::size_t count)
{
#if GRADCOMP_X86
    if (reinterpret_cast<std::uintptr_t>(to) % 16 == 0) {
        constexpr std::size_t lanes = 16 / sizeof(T);
        std::size_t i = 0;
        for (; i + lanes <= count; i += lanes) _mm_stream_si128(reinterpret_cast<__m128i*>(to + i), *reinterpret_cast<const __m128i*>(from + i));
        for (; i < count; ++i) to[i] = from[i];
        return;
    }
#endif
    for (std::size_t i = 0; i < count; ++i) to[i] = from[i];
}

/// Writes the outputs of `count` elements. With Streamed, outputs marked fresh go through a tile in the first cache level.
template <bool Streamed, class Rule, class Share> GRADCOMP_INLINE void leave_tile(const Rule& rule, const typename Rule::value_type* p, std::size_t count, Share share)
{
    using T = typename Rule::value_type;
    constexpr auto inputs = std::make_index_sequence<static_cast<std::size_t>(Rule::inputs)>{};
    if constexpr (Rule::outputs == 0) return;
    if constexpr (Streamed) {
        alignas(64) T y[Rule::outputs > 0 ? Rule::outputs : 1][tile_size];
        GRADCOMP_INDEPENDENT
        for (std::size_t i = 0; i < count; ++i)
            leave_at(rule, i, p[i], share, [&](std::size_t at, const T* v) __attribute__((always_inline)) { for (int j = 0; j < Rule::outputs; ++j) y[j][at] = v[j]; }, inputs);
        for (int j = 0; j < Rule::outputs; ++j)
            if (rule.fresh[j]) stream_tile(rule.out[j], y[j], count);
            else
                for (std::size_t i = 0; i < count; ++i) rule.out[j][i] = y[j][i];
    } else {
        GRADCOMP_INDEPENDENT
        for (std::size_t i = 0; i < count; ++i)
            leave_at(rule, i, p[i], share, [&](std::size_t at, const T* v) __attribute__((always_inline)) { for (int j = 0; j < Rule::outputs; ++j) rule.out[j][at] = v[j]; }, inputs);
    }
}

} // namespace detail
} // namespace gradcomp::exec
