/// @file 16 random bits an element for a tile of elements: the stream of core/random.hpp, computed many counters at a time.
///
/// Element i takes bits [16 h, 16 h + 16) of the block i / 8, h = i % 8, the block's four words being one little-endian string of bits.
/// The vector copies keep each 32-bit word in a lane of 64 bits; what piles up in the upper half is ignored by the multiplication.
#pragma once

#include <gradcomp/core/codes.hpp>
#include <gradcomp/core/random.hpp>
#include <gradcomp/exec/cpu/isa.hpp>

#include <bit>
#include <cstring>

namespace gradcomp::exec::detail {

static_assert(std::endian::native == std::endian::little, "messages and random bits are little-endian");

/// Elements whose random bits one call of a vector copy makes.
inline constexpr std::size_t random_group = 128;

inline void random_portable(const random_stream& stream, std::uint32_t first, std::size_t groups, std::uint16_t* out)
{
    for (std::size_t b = 0; b < groups * (random_group / 8); ++b) {
        const word4 block = stream.block(first + static_cast<std::uint32_t>(b));
        std::memcpy(out + 8 * b, block.at, 16);
    }
}

#if GRADCOMP_X86
/// The words of a counter that are the same in all lanes, and the key.
struct random_words {
    long long step, tensor, use;
    std::uint32_t key0, key1;
    explicit random_words(const random_stream& s)
        : step(s.step), tensor(s.tensor), use(static_cast<long long>(static_cast<std::uint32_t>(s.use) | s.owner << 8)),
          key0(static_cast<std::uint32_t>(s.seed)), key1(static_cast<std::uint32_t>(s.seed >> 32))
    {
    }
};

GRADCOMP_TARGET_AVX512 inline void random_avx512(const random_stream& stream, std::uint32_t first, std::size_t groups, std::uint16_t* out)
{
    const random_words with(stream);
    const __m512i m0 = _mm512_set1_epi64(0xD2511F53), m1 = _mm512_set1_epi64(0xCD9E8D57), low = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i count = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
    for (std::size_t g = 0; g < groups; ++g, first += 16, out += random_group) {
        __m512i x[2][4]; // two chains of 8 counters, to hide the latency of the multiplication
        for (int c = 0; c < 2; ++c) {
            x[c][0] = _mm512_add_epi64(_mm512_set1_epi64(first + 8u * static_cast<unsigned>(c)), count);
            x[c][1] = _mm512_set1_epi64(with.step);
            x[c][2] = _mm512_set1_epi64(with.tensor);
            x[c][3] = _mm512_set1_epi64(with.use);
        }
        std::uint32_t key0 = with.key0, key1 = with.key1;
#pragma GCC unroll 10
        for (int round = 0; round < 10; ++round) {
            const __m512i k0 = _mm512_set1_epi64(key0), k1 = _mm512_set1_epi64(key1);
#pragma GCC unroll 2
            for (auto& y : x) {
                const __m512i a = _mm512_maskz_mul_epu32(0xff, y[0], m0), b = _mm512_maskz_mul_epu32(0xff, y[2], m1);
                y[0] = _mm512_ternarylogic_epi64(_mm512_maskz_srli_epi64(0xff, b, 32), y[1], k0, 0x96);
                y[2] = _mm512_ternarylogic_epi64(_mm512_maskz_srli_epi64(0xff, a, 32), y[3], k1, 0x96);
                y[1] = b;
                y[3] = a;
            }
            key0 += 0x9E3779B9u;
            key1 += 0xBB67AE85u;
        }
        __m512i w[4];
        for (int j = 0; j < 4; ++j) w[j] = _mm512_maskz_permutex2var_epi32(0xffff, x[0][j], low, x[1][j]);
        // From word j of 16 counters to the four words of each counter in turn.
        const __m512i a = _mm512_maskz_unpacklo_epi32(0xffff, w[0], w[1]), b = _mm512_maskz_unpackhi_epi32(0xffff, w[0], w[1]);
        const __m512i c = _mm512_maskz_unpacklo_epi32(0xffff, w[2], w[3]), d = _mm512_maskz_unpackhi_epi32(0xffff, w[2], w[3]);
        const __m512i q0 = _mm512_maskz_unpacklo_epi64(0xff, a, c), q1 = _mm512_maskz_unpackhi_epi64(0xff, a, c);
        const __m512i q2 = _mm512_maskz_unpacklo_epi64(0xff, b, d), q3 = _mm512_maskz_unpackhi_epi64(0xff, b, d);
        const __m512i t0 = _mm512_maskz_shuffle_i32x4(0xffff, q0, q1, 0x44), t1 = _mm512_maskz_shuffle_i32x4(0xffff, q2, q3, 0x44);
        const __m512i t2 = _mm512_maskz_shuffle_i32x4(0xffff, q0, q1, 0xee), t3 = _mm512_maskz_shuffle_i32x4(0xffff, q2, q3, 0xee);
        _mm512_storeu_si512(out, _mm512_maskz_shuffle_i32x4(0xffff, t0, t1, 0x88));
        _mm512_storeu_si512(out + 32, _mm512_maskz_shuffle_i32x4(0xffff, t0, t1, 0xdd));
        _mm512_storeu_si512(out + 64, _mm512_maskz_shuffle_i32x4(0xffff, t2, t3, 0x88));
        _mm512_storeu_si512(out + 96, _mm512_maskz_shuffle_i32x4(0xffff, t2, t3, 0xdd));
    }
}

GRADCOMP_TARGET_AVX2 inline void store_avx2(std::uint16_t* to, __m256i v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), v); } // nvcc forgets a lambda's target

GRADCOMP_TARGET_AVX2 inline void random_avx2(const random_stream& stream, std::uint32_t first, std::size_t groups, std::uint16_t* out)
{
    const random_words with(stream);
    const __m256i m0 = _mm256_set1_epi64x(0xD2511F53), m1 = _mm256_set1_epi64x(0xCD9E8D57);
    for (std::size_t g = 0; g < 2 * groups; ++g, first += 8, out += random_group / 2) {
        __m256i x[2][4];
        for (int c = 0; c < 2; ++c) {
            x[c][0] = _mm256_add_epi64(_mm256_set1_epi64x(first + 4u * static_cast<unsigned>(c)), _mm256_setr_epi64x(0, 1, 2, 3));
            x[c][1] = _mm256_set1_epi64x(with.step);
            x[c][2] = _mm256_set1_epi64x(with.tensor);
            x[c][3] = _mm256_set1_epi64x(with.use);
        }
        std::uint32_t key0 = with.key0, key1 = with.key1;
        for (int round = 0; round < 10; ++round) {
            const __m256i k0 = _mm256_set1_epi64x(key0), k1 = _mm256_set1_epi64x(key1);
            for (auto& y : x) {
                const __m256i a = _mm256_mul_epu32(y[0], m0), b = _mm256_mul_epu32(y[2], m1);
                y[0] = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(b, 32), y[1]), k0);
                y[2] = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(a, 32), y[3]), k1);
                y[1] = b;
                y[3] = a;
            }
            key0 += 0x9E3779B9u;
            key1 += 0xBB67AE85u;
        }
        __m256i w[4];
        for (int j = 0; j < 4; ++j)
            w[j] = _mm256_permute4x64_epi64(_mm256_castps_si256(_mm256_shuffle_ps(_mm256_castsi256_ps(x[0][j]), _mm256_castsi256_ps(x[1][j]), 0x88)), 0xd8);
        const __m256i a = _mm256_unpacklo_epi32(w[0], w[1]), b = _mm256_unpackhi_epi32(w[0], w[1]);
        const __m256i c = _mm256_unpacklo_epi32(w[2], w[3]), d = _mm256_unpackhi_epi32(w[2], w[3]);
        const __m256i q0 = _mm256_unpacklo_epi64(a, c), q1 = _mm256_unpackhi_epi64(a, c), q2 = _mm256_unpacklo_epi64(b, d), q3 = _mm256_unpackhi_epi64(b, d);
        store_avx2(out, _mm256_permute2x128_si256(q0, q1, 0x20));
        store_avx2(out + 16, _mm256_permute2x128_si256(q2, q3, 0x20));
        store_avx2(out + 32, _mm256_permute2x128_si256(q0, q1, 0x31));
        store_avx2(out + 48, _mm256_permute2x128_si256(q2, q3, 0x31));
    }
}
#endif

/// The random bits of `count` elements from the block `first` on; writes whole groups.
template <isa Level> GRADCOMP_INLINE void fill_random(const random_stream& stream, std::uint32_t first, std::size_t count, std::uint16_t* out)
{
    const std::size_t groups = (count + random_group - 1) / random_group;
#if GRADCOMP_X86
    if constexpr (Level == isa::avx512) return random_avx512(stream, first, groups, out);
    if constexpr (Level == isa::avx2) return random_avx2(stream, first, groups, out);
#endif
    random_portable(stream, first, groups, out);
}

} // namespace gradcomp::exec::detail
