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

namespace gradcomp::exec::detail {

/// How many elements a kernel kept, and whether c was filled (else all of it is 0).
struct compacted {
    std::uint32_t kept = 0;
    bool mixed = false;
};

/// Elements of p that reach `low`: the value, and the place as first + position. What reaches `high` is also set in c, the rest of c is 0.
template <class T>
compacted compact_portable(const T* p, std::size_t count, std::uint16_t first, key_t<T> low, key_t<T> high, T* value, std::uint16_t* place, T* c)
{
    compacted found;
    for (std::size_t base = 0; base < count; base += 16) {
        const std::size_t end = base + 16 < count ? base + 16 : count;
        key_t<T> largest = 0;
        for (std::size_t i = base; i < end; ++i) largest = magnitude(p[i]) > largest ? magnitude(p[i]) : largest;
        if (largest < low) continue;
        for (std::size_t i = base; i < end; ++i) {
            value[found.kept] = p[i];
            place[found.kept] = static_cast<std::uint16_t>(first + i);
            found.kept += magnitude(p[i]) >= low;
        }
        found.mixed |= largest >= high;
    }
    if (found.mixed)
        for (std::size_t i = 0; i < count; ++i) c[i] = magnitude(p[i]) >= high ? p[i] : T(0);
    return found;
}

/// Which candidates win: all above `threshold` and the first `ties` that equal it. `left` is the bracket's high of the pass: what reached
/// it left the memory.
template <class T> struct winner_rule {
    key_t<T> threshold, left;
    std::size_t ties;
};

/// What the kernel below writes: winners and, where there is a memory, the elements for which it is wrong (a winner that stayed in it, a
/// loser that left it).
template <class T> struct winner_lists {
    std::uint32_t* index;
    T* value;
    std::uint16_t* wrong_place;
    T* wrong_value;
    std::uint32_t winners = 0, wrong = 0;
};

template <bool Memory, class T>
void take_portable(const T* value, const std::uint16_t* place, std::size_t count, std::uint32_t base, winner_rule<T>& rule, winner_lists<T>& out)
{
    for (std::size_t i = 0; i < count; ++i) {
        const key_t<T> key = magnitude(value[i]);
        const bool tie = key == rule.threshold && rule.ties > 0, wins = key > rule.threshold || tie;
        rule.ties -= tie;
        out.index[out.winners] = base + place[i];
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
template <class T> std::size_t boundary_portable(const T* value, std::size_t count, key_t<T> low, key_t<T> sure, key_t<T>* keys, std::size_t& above)
{
    std::size_t kept = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const key_t<T> key = magnitude(value[i]);
        keys[kept] = key;
        kept += key >= low && key < sure;
        above += key >= sure;
    }
    return kept;
}

#if GRADCOMP_X86
#define GRADCOMP_LANE GRADCOMP_TARGET_AVX512 [[gnu::always_inline]] static inline
template <class T> struct lanes512;
template <> struct lanes512<float> {
    static constexpr std::size_t width = 16;
    using mask = __mmask16;
    GRADCOMP_LANE mask first(std::size_t n) { return static_cast<mask>(n >= 16 ? 0xffffu : (1u << n) - 1u); }
    GRADCOMP_LANE __m512i load(const float* p) { return _mm512_loadu_si512(p); }
    GRADCOMP_LANE __m512i key(__m512i v) { return _mm512_and_si512(v, _mm512_set1_epi32(0x7fffffff)); }
    GRADCOMP_LANE __m512i all(std::uint32_t k) { return _mm512_set1_epi32(static_cast<int>(k)); }
    GRADCOMP_LANE mask at_least(__m512i a, __m512i b) { return _mm512_cmpge_epu32_mask(a, b); }
    GRADCOMP_LANE mask equal(__m512i a, __m512i b) { return _mm512_cmpeq_epu32_mask(a, b); }
    GRADCOMP_LANE __m512i keep(mask m, __m512i v) { return _mm512_maskz_compress_epi32(m, v); }
    GRADCOMP_LANE __m512i zero_else(mask m, __m512i v) { return _mm512_maskz_mov_epi32(m, v); }
    using places = __m512i;
    GRADCOMP_LANE places count_from(std::uint32_t n) { return _mm512_add_epi32(_mm512_set1_epi32(static_cast<int>(n)), _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)); }
    GRADCOMP_LANE places load_places(const std::uint16_t* p) { return _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
    GRADCOMP_LANE places plus(places a, std::uint32_t n) { return _mm512_add_epi32(a, _mm512_set1_epi32(static_cast<int>(n))); }
    GRADCOMP_LANE places keep_places(mask m, places v) { return _mm512_maskz_compress_epi32(m, v); }
    GRADCOMP_LANE void store16(std::uint16_t* to, places v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi32_epi16(v)); }
    GRADCOMP_LANE void store32(std::uint32_t* to, places v) { _mm512_storeu_si512(to, v); }
};
template <> struct lanes512<double> {
    static constexpr std::size_t width = 8;
    using mask = __mmask8;
    GRADCOMP_LANE mask first(std::size_t n) { return static_cast<mask>(n >= 8 ? 0xffu : (1u << n) - 1u); }
    GRADCOMP_LANE __m512i load(const double* p) { return _mm512_loadu_si512(p); }
    GRADCOMP_LANE __m512i key(__m512i v) { return _mm512_and_si512(v, _mm512_set1_epi64(0x7fffffffffffffff)); }
    GRADCOMP_LANE __m512i all(std::uint64_t k) { return _mm512_set1_epi64(static_cast<long long>(k)); }
    GRADCOMP_LANE mask at_least(__m512i a, __m512i b) { return _mm512_cmpge_epu64_mask(a, b); }
    GRADCOMP_LANE mask equal(__m512i a, __m512i b) { return _mm512_cmpeq_epu64_mask(a, b); }
    GRADCOMP_LANE __m512i keep(mask m, __m512i v) { return _mm512_maskz_compress_epi64(m, v); }
    GRADCOMP_LANE __m512i zero_else(mask m, __m512i v) { return _mm512_maskz_mov_epi64(m, v); }
    using places = __m256i;
    GRADCOMP_LANE places count_from(std::uint32_t n) { return _mm256_add_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)); }
    GRADCOMP_LANE places load_places(const std::uint16_t* p) { return _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
    GRADCOMP_LANE places plus(places a, std::uint32_t n) { return _mm256_add_epi32(a, _mm256_set1_epi32(static_cast<int>(n))); }
    GRADCOMP_LANE places keep_places(mask m, places v) { return _mm256_maskz_compress_epi32(m, v); }
    GRADCOMP_LANE void store16(std::uint16_t* to, places v) { _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_cvtepi32_epi16(v)); }
    GRADCOMP_LANE void store32(std::uint32_t* to, places v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), v); }
};
#undef GRADCOMP_LANE

/// Dense: no branch, for more than about 3 candidates in 100; else a branch per vector, which is cheaper when most vectors hold none.
template <bool Dense, bool Leaves, class T>
GRADCOMP_TARGET_AVX512 compacted compact_avx512(const T* p, std::size_t count, std::uint16_t first, key_t<T> low, key_t<T> high, T* value, std::uint16_t* place, T* c)
{
    using lanes = lanes512<T>;
    const __m512i lows = lanes::all(low), highs = lanes::all(high);
    auto at = lanes::count_from(first);
    std::uint32_t kept = 0;
    bool mixed = Dense && Leaves;
    for (std::size_t j = 0; j < count; j += lanes::width) {
        const __m512i v = lanes::load(p + j), key = lanes::key(v);
        auto hit = lanes::at_least(key, lows);
        if (count - j < lanes::width) [[unlikely]] hit &= lanes::first(count - j);
        if (Dense || hit != 0) {
            _mm512_storeu_si512(value + kept, lanes::keep(hit, v));
            lanes::store16(place + kept, lanes::keep_places(hit, at));
            kept += static_cast<std::uint32_t>(std::popcount(static_cast<unsigned>(hit)));
            if constexpr (Leaves) {
                const auto leaves = lanes::at_least(key, highs);
                if (!Dense && leaves != 0 && !mixed) {
                    mixed = true;
                    for (std::size_t i = 0; i < tile_size; i += lanes::width) _mm512_store_si512(c + i, _mm512_setzero_si512());
                }
                if (Dense || leaves != 0) _mm512_store_si512(c + j, lanes::zero_else(leaves, v));
            }
        }
        at = lanes::plus(at, lanes::width);
    }
    return {kept, mixed};
}

template <bool Memory, class T>
GRADCOMP_TARGET_AVX512 void take_avx512(const T* value, const std::uint16_t* place, std::size_t count, std::uint32_t base, winner_rule<T>& rule, winner_lists<T>& out)
{
    using lanes = lanes512<T>;
    const __m512i threshold = lanes::all(rule.threshold), left = lanes::all(rule.left);
    for (std::size_t j = 0; j < count; j += lanes::width) {
        const __m512i v = lanes::load(value + j), key = lanes::key(v);
        const auto at = lanes::load_places(place + j), index = lanes::plus(at, base);
        const auto valid = lanes::first(count - j);
        auto ties = lanes::equal(key, threshold);
        auto wins = lanes::at_least(key, threshold) & valid;
        if (ties & valid) {
            ties &= valid;
            const auto allowed = rule.ties >= 16 ? 0xffffu : (1u << rule.ties) - 1u;
            const auto taken = static_cast<typename lanes::mask>(_pdep_u32(allowed, ties));
            wins = static_cast<typename lanes::mask>((wins & ~ties) | taken);
            rule.ties -= static_cast<std::size_t>(std::popcount(static_cast<unsigned>(taken)));
        }
        _mm512_storeu_si512(out.value + out.winners, lanes::keep(static_cast<typename lanes::mask>(wins), v));
        lanes::store32(out.index + out.winners, lanes::keep_places(static_cast<typename lanes::mask>(wins), index));
        out.winners += static_cast<std::uint32_t>(std::popcount(static_cast<unsigned>(wins)));
        if constexpr (!Memory) continue;
        const auto wrong = static_cast<typename lanes::mask>((wins ^ lanes::at_least(key, left)) & valid);
        if (wrong != 0) {
            _mm512_storeu_si512(out.wrong_value + out.wrong, lanes::keep(wrong, v));
            lanes::store16(out.wrong_place + out.wrong, lanes::keep_places(wrong, at));
            out.wrong += static_cast<std::uint32_t>(std::popcount(static_cast<unsigned>(wrong)));
        }
    }
}

template <class T>
GRADCOMP_TARGET_AVX512 std::size_t boundary_avx512(const T* value, std::size_t count, key_t<T> low, key_t<T> sure, key_t<T>* keys, std::size_t& above)
{
    using lanes = lanes512<T>;
    const __m512i lows = lanes::all(low), sures = lanes::all(sure);
    std::size_t kept = 0;
    for (std::size_t j = 0; j < count; j += lanes::width) {
        const __m512i key = lanes::key(lanes::load(value + j));
        const auto valid = lanes::first(count - j);
        const auto over = static_cast<typename lanes::mask>(lanes::at_least(key, sures) & valid);
        const auto between = static_cast<typename lanes::mask>(lanes::at_least(key, lows) & valid & ~over);
        _mm512_storeu_si512(keys + kept, lanes::keep(between, key));
        kept += static_cast<std::size_t>(std::popcount(static_cast<unsigned>(between)));
        above += static_cast<std::size_t>(std::popcount(static_cast<unsigned>(over)));
    }
    return kept;
}

/// For each mask of 8 lanes, where its kept lanes come from, 4 bits each.
inline constexpr auto keep_order = [] {
    std::array<std::uint32_t, 256> order{};
    for (unsigned mask = 0; mask < 256; ++mask)
        for (unsigned lane = 0, at = 0; lane < 8; ++lane)
            if (mask >> lane & 1u) order[mask] |= lane << (4 * at++);
    return order;
}();

/// The AVX2 form for float: the kept lanes move to the front by a permutation from a table.
template <bool Dense, bool Leaves>
GRADCOMP_TARGET_AVX2 compacted compact_avx2(const float* p, std::size_t count, std::uint16_t first, std::uint32_t low, std::uint32_t high, float* value, std::uint16_t* place, float* c)
{
    const __m256i positive = _mm256_set1_epi32(0x7fffffff), shifts = _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28);
    // Signed comparison: magnitudes have no sign bit, and `never` must stay above all of them.
    const __m256i lows = _mm256_set1_epi32(low > 0x7fffffffu ? 0x7fffffff : static_cast<int>(low) - 1);
    const __m256i highs = _mm256_set1_epi32(high > 0x7fffffffu ? 0x7fffffff : static_cast<int>(high) - 1);
    __m256i at = _mm256_add_epi32(_mm256_set1_epi32(first), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    std::uint32_t kept = 0;
    bool mixed = Dense && Leaves;
    for (std::size_t j = 0; j < count; j += 8) {
        const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + j)), key = _mm256_and_si256(v, positive);
        unsigned hit = static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(key, lows))));
        if (count - j < 8) [[unlikely]] hit &= (1u << (count - j)) - 1u;
        if (Dense || hit != 0) {
            const __m256i order = _mm256_srlv_epi32(_mm256_set1_epi32(static_cast<int>(keep_order[hit])), shifts);
            const __m256i places = _mm256_and_si256(_mm256_permutevar8x32_epi32(at, order), _mm256_set1_epi32(0xffff));
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(value + kept), _mm256_permutevar8x32_epi32(v, order));
            _mm_storeu_si128(reinterpret_cast<__m128i*>(place + kept), _mm_packus_epi32(_mm256_castsi256_si128(places), _mm256_extracti128_si256(places, 1)));
            kept += static_cast<std::uint32_t>(std::popcount(hit));
            if constexpr (Leaves) {
                const __m256i leaves = _mm256_cmpgt_epi32(key, highs);
                if (!Dense && !mixed && _mm256_movemask_epi8(leaves) != 0) {
                    mixed = true;
                    for (std::size_t i = 0; i < tile_size; i += 8) _mm256_store_si256(reinterpret_cast<__m256i*>(c + i), _mm256_setzero_si256());
                }
                if (Dense || mixed) _mm256_store_si256(reinterpret_cast<__m256i*>(c + j), _mm256_and_si256(leaves, v));
            }
        }
        at = _mm256_add_epi32(at, _mm256_set1_epi32(8));
    }
    return {kept, mixed};
}
#endif

} // namespace gradcomp::exec::detail
