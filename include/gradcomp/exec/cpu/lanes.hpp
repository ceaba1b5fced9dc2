/// @file The few vector instructions that no compiler finds by itself: keep the elements that pass a test, in order.
///
/// Each kernel exists as AVX-512, AVX2 (float) and portable code with the same result. They write whole vectors: every output array needs
/// room for 16 elements behind its last.
#pragma once

#include <gradcomp/core/radix.hpp>
#include <gradcomp/exec/cpu/isa.hpp>
#include <gradcomp/exec/cpu/tile.hpp>

#include <array>
#include <bit>
#include <cstring>

namespace gradcomp::exec::detail {

/// Positions, ascending, of the elements of a tile that reach `low`; returns how many.
template <class T> std::uint32_t find_portable(const T* p, std::size_t count, bits_t<T> low, std::uint8_t* position)
{
    std::uint32_t found = 0;
    for (std::size_t base = 0; base < count; base += 16) {
        const std::size_t end = base + 16 < count ? base + 16 : count;
        bits_t<T> largest = 0;
        for (std::size_t i = base; i < end; ++i) largest = magnitude(p[i]) > largest ? magnitude(p[i]) : largest;
        if (largest < low) continue;
        for (std::size_t i = base; i < end; ++i) {
            position[found] = static_cast<std::uint8_t>(i);
            found += magnitude(p[i]) >= low;
        }
    }
    return found;
}

/// Which candidates win: all above `threshold` and the first `ties` that equal it. `left` is the bracket's high of the pass: what reached
/// it left the memory.
template <class T> struct winner_rule {
    bits_t<T> threshold, left;
    std::size_t ties;
};

/// What the kernel below writes: winners and, where there is a memory, the elements for which it is wrong (a winner that stayed in it, a
/// loser that left it).
template <class T, class Index> struct winner_lists {
    Index* index; ///< modulo its bits
    T* value;
    std::uint16_t* wrong_place;
    T* wrong_value;
    std::uint32_t winners = 0, wrong = 0;
};

template <bool Memory, class T, class Index>
void take_portable(const T* value, const std::uint16_t* place, std::size_t count, Index base, winner_rule<T>& rule, winner_lists<T, Index>& out)
{
    for (std::size_t i = 0; i < count; ++i) {
        const bits_t<T> key = rank_key(value[i]);
        const bool tie = key == rule.threshold && rule.ties > 0, wins = key > rule.threshold || tie;
        rule.ties -= tie;
        out.index[out.winners] = static_cast<Index>(base + place[i]);
        out.value[out.winners] = value[i];
        out.winners += wins;
        if constexpr (Memory) {
            out.wrong_place[out.wrong] = place[i];
            out.wrong_value[out.wrong] = value[i];
            out.wrong += wins != (key >= rule.left);
        }
    }
}

/// Keys of [low, sure) among the values, appended to `keys`; returns how many, and adds those at or above `sure` to `above`.
template <class T> std::size_t boundary_portable(const T* value, std::size_t count, bits_t<T> low, bits_t<T> sure, bits_t<T>* keys, std::size_t& above)
{
    std::size_t kept = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const bits_t<T> key = rank_key(value[i]);
        keys[kept] = key;
        kept += key >= low && key < sure;
        above += key >= sure;
    }
    return kept;
}

#if GRADCOMP_X86
// The maskz forms with a full mask: g++ 12 warns of its own plain ones ("may be used uninitialized").
#define GRADCOMP_LANE GRADCOMP_TARGET_AVX512 [[gnu::always_inline]] static inline
template <class T> struct lanes512;
template <> struct lanes512<float> {
    static constexpr std::size_t width = 16;
    using mask = __mmask16;
    GRADCOMP_LANE mask first(std::size_t n) { return static_cast<mask>(n >= 16 ? 0xffffu : (1u << n) - 1u); }
    GRADCOMP_LANE __m512i load(const float* p) { return _mm512_loadu_si512(p); }
    GRADCOMP_LANE __m512i key(__m512i v) { return _mm512_and_si512(v, _mm512_set1_epi32(0x7fffffff)); }
    GRADCOMP_LANE __m512i rank(__m512i v) { return _mm512_maskz_min_epu32(0xffff, key(v), all(key_of<float>::nan)); }
    GRADCOMP_LANE __m512i all(std::uint32_t k) { return _mm512_set1_epi32(static_cast<int>(k)); }
    GRADCOMP_LANE mask at_least(__m512i a, __m512i b) { return _mm512_cmpge_epu32_mask(a, b); }
    GRADCOMP_LANE mask equal(__m512i a, __m512i b) { return _mm512_cmpeq_epu32_mask(a, b); }
    GRADCOMP_LANE __m512i keep(mask m, __m512i v) { return _mm512_maskz_compress_epi32(m, v); }
    GRADCOMP_LANE __m512i larger(__m512i a, __m512i b) { return _mm512_maskz_max_epu32(0xffff, a, b); }
    using number = __m512;
    GRADCOMP_LANE mask below_zero(__m512i v) { return _mm512_cmp_ps_mask(_mm512_castsi512_ps(v), _mm512_set1_ps(0), _CMP_LT_OQ); }
    GRADCOMP_LANE number multiply_add(__m512i a, float b, number c) { return _mm512_fmadd_ps(_mm512_castsi512_ps(a), _mm512_set1_ps(b), c); }
    using places = __m512i;
    GRADCOMP_LANE places load_places(const std::uint16_t* p) { return _mm512_maskz_cvtepu16_epi32(0xffff, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
    GRADCOMP_LANE places counting() { return _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15); }
    GRADCOMP_LANE places plus(places a, std::uint32_t n) { return _mm512_add_epi32(a, _mm512_set1_epi32(static_cast<int>(n))); }
    GRADCOMP_LANE places keep_places(mask m, places v) { return _mm512_maskz_compress_epi32(m, v); }
    GRADCOMP_LANE void store(std::uint16_t* to, places v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_maskz_cvtepi32_epi16(0xffff, v)); }
    GRADCOMP_LANE void store(std::uint32_t* to, places v) { _mm512_storeu_si512(to, v); }
};
template <> struct lanes512<double> {
    static constexpr std::size_t width = 8;
    using mask = __mmask8;
    GRADCOMP_LANE mask first(std::size_t n) { return static_cast<mask>(n >= 8 ? 0xffu : (1u << n) - 1u); }
    GRADCOMP_LANE __m512i load(const double* p) { return _mm512_loadu_si512(p); }
    GRADCOMP_LANE __m512i key(__m512i v) { return _mm512_and_si512(v, _mm512_set1_epi64(0x7fffffffffffffff)); }
    GRADCOMP_LANE __m512i rank(__m512i v) { return _mm512_maskz_min_epu64(0xff, key(v), all(key_of<double>::nan)); }
    GRADCOMP_LANE __m512i all(std::uint64_t k) { return _mm512_set1_epi64(static_cast<long long>(k)); }
    GRADCOMP_LANE mask at_least(__m512i a, __m512i b) { return _mm512_cmpge_epu64_mask(a, b); }
    GRADCOMP_LANE mask equal(__m512i a, __m512i b) { return _mm512_cmpeq_epu64_mask(a, b); }
    GRADCOMP_LANE __m512i keep(mask m, __m512i v) { return _mm512_maskz_compress_epi64(m, v); }
    GRADCOMP_LANE __m512i larger(__m512i a, __m512i b) { return _mm512_maskz_max_epu64(0xff, a, b); }
    using number = __m512d;
    GRADCOMP_LANE mask below_zero(__m512i v) { return _mm512_cmp_pd_mask(_mm512_castsi512_pd(v), _mm512_set1_pd(0), _CMP_LT_OQ); }
    GRADCOMP_LANE number multiply_add(__m512i a, double b, number c) { return _mm512_fmadd_pd(_mm512_castsi512_pd(a), _mm512_set1_pd(b), c); }
    using places = __m256i;
    GRADCOMP_LANE places load_places(const std::uint16_t* p) { return _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
    GRADCOMP_LANE places counting() { return _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7); }
    GRADCOMP_LANE places plus(places a, std::uint32_t n) { return _mm256_add_epi32(a, _mm256_set1_epi32(static_cast<int>(n))); }
    GRADCOMP_LANE places keep_places(mask m, places v) { return _mm256_maskz_compress_epi32(m, v); }
    GRADCOMP_LANE void store(std::uint16_t* to, places v) { _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_cvtepi32_epi16(v)); }
    GRADCOMP_LANE void store(std::uint32_t* to, places v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), v); }
};
#undef GRADCOMP_LANE

/// The elements of p[0 .. 64) that reach `lows`, a bit each.
template <class T> GRADCOMP_TARGET_AVX512 [[gnu::always_inline]] inline std::uint64_t reach512(const T* p, __m512i lows)
{
    using lanes = lanes512<T>;
    std::uint64_t bits = 0;
#pragma GCC unroll 8
    for (std::size_t j = 0; j < 64; j += lanes::width) bits |= std::uint64_t{lanes::at_least(lanes::key(lanes::load(p + j)), lows)} << j;
    return bits;
}
GRADCOMP_TARGET_AVX512 [[gnu::always_inline]] inline std::uint64_t first64(std::size_t count) { return count >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1; }

/// Appends the elements of a chunk that reach `lows`, and their places, the chunk's own being `first`; returns how many. For rare hits.
template <class T>
GRADCOMP_TARGET_AVX512 [[gnu::always_inline]] inline std::uint32_t list_avx512(const T* p, __m512i lows, std::uint32_t first, T* value, std::uint16_t* place)
{
    using lanes = lanes512<T>;
    constexpr std::size_t vectors = chunk_size<T> / lanes::width;
    typename lanes::mask hit[vectors];
    unsigned any = 0;
#pragma GCC unroll 8
    for (std::size_t v = 0; v < vectors; ++v) any |= hit[v] = lanes::at_least(lanes::key(lanes::load(p + v * lanes::width)), lows);
    if (any == 0) return 0;
    std::uint32_t found = 0;
#pragma GCC unroll 8
    for (std::size_t v = 0; v < vectors; ++v) {
        _mm512_storeu_si512(value + found, lanes::keep(hit[v], lanes::load(p + v * lanes::width)));
        lanes::store(place + found, lanes::keep_places(hit[v], lanes::plus(lanes::counting(), first + static_cast<std::uint32_t>(v * lanes::width))));
        found += static_cast<std::uint32_t>(std::popcount(static_cast<unsigned>(hit[v])));
    }
    return found;
}

template <class T> GRADCOMP_TARGET_AVX512 std::uint32_t find_avx512(const T* p, std::size_t count, bits_t<T> low, std::uint8_t* position)
{
    const __m512i lows = lanes512<T>::all(low);
    std::uint32_t found = 0;
    for (std::size_t j = 0; j < count; j += 64) {
        const std::uint64_t hits = reach512(p + j, lows) & first64(count - j);
        for (std::size_t q = 0; q < 64; q += 16) {
            const auto hit = static_cast<__mmask16>(hits >> q);
            const __m512i at = _mm512_add_epi32(_mm512_set1_epi32(static_cast<int>(j + q)), _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
            _mm_storeu_si128(reinterpret_cast<__m128i*>(position + found), _mm512_maskz_cvtepi32_epi8(0xffff, _mm512_maskz_compress_epi32(hit, at)));
            found += static_cast<std::uint32_t>(std::popcount(static_cast<unsigned>(hit)));
        }
    }
    return found;
}

/// The bytes 0 .. 63.
inline constexpr auto byte_order = [] {
    std::array<std::uint8_t, 64> order{};
    for (std::size_t i = 0; i < 64; ++i) order[i] = static_cast<std::uint8_t>(i);
    return order;
}();

/// For processors that compress bytes (AVX-512 VBMI2): 64 elements at once.
template <class T> GRADCOMP_TARGET_VBMI2 std::uint32_t find_vbmi2(const T* p, std::size_t count, bits_t<T> low, std::uint8_t* position)
{
    const __m512i lows = lanes512<T>::all(low);
    __m512i at = _mm512_loadu_si512(byte_order.data());
    std::uint32_t found = 0;
    for (std::size_t j = 0; j < count; j += 64) {
        const std::uint64_t hits = reach512(p + j, lows) & first64(count - j);
        _mm512_storeu_si512(position + found, _mm512_maskz_compress_epi8(hits, at));
        found += static_cast<std::uint32_t>(std::popcount(hits));
        at = _mm512_add_epi8(at, _mm512_set1_epi8(64));
    }
    return found;
}

/// For each mask of 8 elements, the positions of those it holds, a byte each.
inline constexpr auto mask_positions = [] {
    std::array<std::uint64_t, 256> table{};
    for (unsigned mask = 0; mask < 256; ++mask)
        for (unsigned bit = 0, at = 0; bit < 8; ++bit)
            if (mask >> bit & 1u) table[mask] |= std::uint64_t{bit} << (8 * at++);
    return table;
}();

GRADCOMP_TARGET_AVX2 inline std::uint32_t find_avx2(const float* p, std::size_t count, std::uint32_t low, std::uint8_t* position)
{
    const __m256i positive = _mm256_set1_epi32(0x7fffffff);
    // The comparison is signed and strict: low - 1, and nothing when low is above every magnitude.
    const __m256i below = _mm256_set1_epi32(low > 0x7fffffffu ? 0x7fffffff : static_cast<int>(low) - 1);
    std::uint32_t found = 0;
    for (std::size_t j = 0; j < count; j += 8) {
        const __m256i key = _mm256_and_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + j)), positive);
        unsigned hit = static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(key, below))));
        if (count - j < 8) hit &= (1u << (count - j)) - 1u;
        const std::uint64_t at = mask_positions[hit] + j * 0x0101010101010101u;
        std::memcpy(position + found, &at, 8);
        found += static_cast<std::uint32_t>(std::popcount(hit));
    }
    return found;
}

template <bool Memory, class T, class Index>
GRADCOMP_TARGET_AVX512 void take_avx512(const T* value, const std::uint16_t* place, std::size_t count, Index base, winner_rule<T>& rule, winner_lists<T, Index>& out)
{
    using lanes = lanes512<T>;
    using mask = typename lanes::mask;
    const __m512i threshold = lanes::all(rule.threshold), left = lanes::all(rule.left);
    const winner_lists<T, Index> to = out; // local copies: vector stores may alias anything, and would have all of it read again
    std::uint32_t winners = out.winners, wrong_count = out.wrong;
    std::size_t ties_left = rule.ties;
    for (std::size_t j = 0; j < count; j += lanes::width) {
        const __m512i v = lanes::load(value + j), key = lanes::rank(v);
        const auto at = lanes::load_places(place + j), index = lanes::plus(at, base);
        const auto valid = lanes::first(count - j);
        const auto ties = static_cast<mask>(lanes::equal(key, threshold) & valid);
        auto wins = static_cast<mask>(lanes::at_least(key, threshold) & valid);
        if (ties) {
            const auto allowed = ties_left >= 16 ? 0xffffu : (1u << ties_left) - 1u;
            const auto taken = static_cast<mask>(_pdep_u32(allowed, ties));
            wins = static_cast<mask>((wins & ~ties) | taken);
            ties_left -= static_cast<std::size_t>(std::popcount(static_cast<unsigned>(taken)));
        }
        _mm512_storeu_si512(to.value + winners, lanes::keep(wins, v));
        lanes::store(to.index + winners, lanes::keep_places(wins, index));
        winners += static_cast<std::uint32_t>(std::popcount(static_cast<unsigned>(wins)));
        if constexpr (!Memory) continue;
        const auto wrong = static_cast<mask>((wins ^ lanes::at_least(key, left)) & valid);
        if (wrong != 0) {
            _mm512_storeu_si512(to.wrong_value + wrong_count, lanes::keep(wrong, v));
            lanes::store(to.wrong_place + wrong_count, lanes::keep_places(wrong, at));
            wrong_count += static_cast<std::uint32_t>(std::popcount(static_cast<unsigned>(wrong)));
        }
    }
    rule.ties = ties_left;
    out.winners = winners;
    out.wrong = wrong_count;
}

template <class T>
GRADCOMP_TARGET_AVX512 std::size_t boundary_avx512(const T* value, std::size_t count, bits_t<T> low, bits_t<T> sure, bits_t<T>* keys, std::size_t& above)
{
    using lanes = lanes512<T>;
    const __m512i lows = lanes::all(low), sures = lanes::all(sure);
    std::size_t kept = 0, sure_ones = 0;
    for (std::size_t j = 0; j < count; j += lanes::width) {
        const __m512i key = lanes::rank(lanes::load(value + j));
        const auto valid = lanes::first(count - j);
        const auto over = static_cast<typename lanes::mask>(lanes::at_least(key, sures) & valid);
        const auto between = static_cast<typename lanes::mask>(lanes::at_least(key, lows) & valid & ~over);
        _mm512_storeu_si512(keys + kept, lanes::keep(between, key));
        kept += static_cast<std::size_t>(std::popcount(static_cast<unsigned>(between)));
        sure_ones += static_cast<std::size_t>(std::popcount(static_cast<unsigned>(over)));
    }
    above += sure_ones;
    return kept;
}

#endif

} // namespace gradcomp::exec::detail
