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

/// Elements whose random bits are made together.
inline constexpr std::size_t random_group = 256;

/// The numbers of a stream that all of its blocks share. Of a counter only the first word differs, so half of the first two rounds is done
/// here: `first` and `second` are what a round adds to words 0 and 2, the key and whatever is the same in all lanes.
struct random_lanes {
    random_stream stream;
    long long first[10], second[10];

    explicit random_lanes(const random_stream& s) : stream(s)
    {
        const std::uint32_t seed[2] = {static_cast<std::uint32_t>(s.seed), static_cast<std::uint32_t>(s.seed >> 32)};
        for (std::uint32_t round = 0; round < 10; ++round) {
            first[round] = static_cast<std::uint32_t>(seed[0] + round * 0x9E3779B9u);
            second[round] = static_cast<std::uint32_t>(seed[1] + round * 0xBB67AE85u);
        }
        const std::uint64_t b = std::uint64_t{0xCD9E8D57u} * s.tensor;
        const std::uint64_t a = std::uint64_t{0xD2511F53u} * (static_cast<std::uint32_t>(b >> 32) ^ s.step ^ static_cast<std::uint32_t>(first[0]));
        second[0] ^= static_cast<std::uint32_t>(s.use) | s.owner << 8;
        first[1] ^= static_cast<std::uint32_t>(b);
        second[1] ^= static_cast<std::uint32_t>(a >> 32);
        second[2] ^= static_cast<std::uint32_t>(a);
    }
};

inline void random_portable(const random_stream& stream, std::uint32_t first, std::size_t groups, std::uint16_t* out)
{
    for (std::size_t b = 0; b < groups * (random_group / 8); ++b) {
        const word4 block = stream.block(first + static_cast<std::uint32_t>(b));
        std::memcpy(out + 8 * b, block.at, 16);
    }
}

#if GRADCOMP_X86
GRADCOMP_TARGET_AVX512 [[gnu::noinline]] inline void random_avx512(const random_lanes& with, std::uint32_t first, std::size_t groups, std::uint16_t* out)
{
    const __m512i m0 = _mm512_set1_epi64(0xD2511F53), m1 = _mm512_set1_epi64(0xCD9E8D57), eight = _mm512_set1_epi64(8);
    // In this order of counters the words of a block meet when neighbouring lanes are joined, and blocks come out in turn.
    __m512i counter = _mm512_add_epi64(_mm512_set1_epi64(first), _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7));
    for (std::size_t g = 0; g < groups; ++g) {
        __m512i x[4][4]; // four chains of 8 counters, to hide the latency of the multiplication
#pragma GCC unroll 4
        for (auto& y : x) {
            const __m512i a = _mm512_maskz_mul_epu32(0xff, counter, m0);
            const __m512i b = _mm512_maskz_mul_epu32(0xff, _mm512_xor_si512(_mm512_maskz_srli_epi64(0xff, a, 32), _mm512_set1_epi64(with.second[0])), m1);
            counter = _mm512_add_epi64(counter, eight);
            y[0] = _mm512_xor_si512(_mm512_maskz_srli_epi64(0xff, b, 32), _mm512_set1_epi64(with.first[1]));
            y[1] = b;
            y[2] = _mm512_xor_si512(a, _mm512_set1_epi64(with.second[1]));
            y[3] = _mm512_setzero_si512();
        }
#pragma GCC unroll 8
        for (int round = 2; round < 10; ++round)
#pragma GCC unroll 4
            for (auto& y : x) {
                const __m512i a = _mm512_maskz_mul_epu32(0xff, y[0], m0), b = _mm512_maskz_mul_epu32(0xff, y[2], m1);
                y[0] = _mm512_ternarylogic_epi64(_mm512_maskz_srli_epi64(0xff, b, 32), y[1], _mm512_set1_epi64(with.first[round]), 0x96);
                y[2] = _mm512_ternarylogic_epi64(_mm512_maskz_srli_epi64(0xff, a, 32), y[3], _mm512_set1_epi64(with.second[round]), 0x96);
                y[1] = b;
                y[3] = a;
            }
        for (const auto& y : x) {
            const __m512i p = _mm512_mask_shuffle_epi32(y[0], 0xaaaa, y[1], _MM_PERM_CCAA), q = _mm512_mask_shuffle_epi32(y[2], 0xaaaa, y[3], _MM_PERM_CCAA);
            _mm512_storeu_si512(out, _mm512_maskz_unpacklo_epi64(0xff, p, q));
            _mm512_storeu_si512(out + 32, _mm512_maskz_unpackhi_epi64(0xff, p, q));
            out += 64;
        }
    }
}

GRADCOMP_TARGET_AVX2 [[gnu::noinline]] inline void random_avx2(const random_lanes& with, std::uint32_t first, std::size_t groups, std::uint16_t* out)
{
    const __m256i m0 = _mm256_set1_epi64x(0xD2511F53), m1 = _mm256_set1_epi64x(0xCD9E8D57), four = _mm256_set1_epi64x(4);
    __m256i counter = _mm256_add_epi64(_mm256_set1_epi64x(first), _mm256_setr_epi64x(0, 2, 1, 3));
    for (std::size_t g = 0; g < 4 * groups; ++g) {
        __m256i x[2][4];
        for (auto& y : x) {
            const __m256i a = _mm256_mul_epu32(counter, m0);
            const __m256i b = _mm256_mul_epu32(_mm256_xor_si256(_mm256_srli_epi64(a, 32), _mm256_set1_epi64x(with.second[0])), m1);
            counter = _mm256_add_epi64(counter, four);
            y[0] = _mm256_xor_si256(_mm256_srli_epi64(b, 32), _mm256_set1_epi64x(with.first[1]));
            y[1] = b;
            y[2] = _mm256_xor_si256(a, _mm256_set1_epi64x(with.second[1]));
            y[3] = _mm256_setzero_si256();
        }
#pragma GCC unroll 8
        for (int round = 2; round < 10; ++round)
            for (auto& y : x) {
                const __m256i a = _mm256_mul_epu32(y[0], m0), b = _mm256_mul_epu32(y[2], m1);
                y[0] = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(b, 32), y[1]), _mm256_set1_epi64x(with.first[round]));
                y[2] = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(a, 32), y[3]), _mm256_set1_epi64x(with.second[round]));
                y[1] = b;
                y[3] = a;
            }
        for (const auto& y : x) {
            const __m256i p = _mm256_blend_epi32(y[0], _mm256_slli_epi64(y[1], 32), 0xaa), q = _mm256_blend_epi32(y[2], _mm256_slli_epi64(y[3], 32), 0xaa);
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_unpacklo_epi64(p, q));
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 16), _mm256_unpackhi_epi64(p, q));
            out += 32;
        }
    }
}
#endif

/// The random bits of `count` elements from the block `first` on; writes whole groups.
template <isa Level> GRADCOMP_INLINE void fill_random(const random_lanes& with, std::uint32_t first, std::size_t count, std::uint16_t* out)
{
    const std::size_t groups = (count + random_group - 1) / random_group;
#if GRADCOMP_X86
    if constexpr (Level == isa::avx512) return random_avx512(with, first, groups, out);
    if constexpr (Level == isa::avx2) return random_avx2(with, first, groups, out);
#endif
    random_portable(with.stream, first, groups, out);
}

} // namespace gradcomp::exec::detail
