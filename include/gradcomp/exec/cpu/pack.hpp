/// @file Codes of a tile to the bit string of the wire and back.
#pragma once

#include <gradcomp/core/codes.hpp>
#include <gradcomp/exec/cpu/isa.hpp>

#include <cstring>

namespace gradcomp::exec::detail {

/// Writes packed_bytes(count, bits) bytes, unused bits of the last one as 0. Store is std::uint8_t, or std::uint16_t for more than 8 bits.
template <class Store> void pack_portable(const Store* code, std::size_t count, int bits, std::uint8_t* out)
{
    std::uint64_t held = 0;
    int have = 0;
    for (std::size_t i = 0; i < count; ++i) {
        held |= static_cast<std::uint64_t>(code[i]) << have;
        for (have += bits; have >= 8; have -= 8, held >>= 8) *out++ = static_cast<std::uint8_t>(held);
    }
    if (have > 0) *out = static_cast<std::uint8_t>(held);
}
template <class Store> void unpack_portable(const std::uint8_t* in, std::size_t count, int bits, Store* code)
{
    const std::uint64_t mask = (std::uint64_t{1} << bits) - 1;
    std::uint64_t held = 0;
    int have = 0;
    for (std::size_t i = 0; i < count; ++i) {
        for (; have < bits; have += 8) held |= static_cast<std::uint64_t>(*in++) << have;
        code[i] = static_cast<Store>(held & mask);
        held >>= bits;
        have -= bits;
    }
}

#if GRADCOMP_X86
/// The `bits` lowest bits of each code in a word of 64.
template <class Store> constexpr std::uint64_t code_mask(int bits)
{
    std::uint64_t mask = 0;
    for (std::size_t at = 0; at < 64; at += 8 * sizeof(Store)) mask |= ((std::uint64_t{1} << bits) - 1) << at;
    return mask;
}

/// One bit a code: 64 of them at once.
GRADCOMP_TARGET_AVX512 inline void pack_bits_avx512(const std::uint8_t* code, std::size_t words, std::uint8_t* out)
{
    for (std::size_t w = 0; w < words; ++w) {
        const std::uint64_t packed = _mm512_test_epi8_mask(_mm512_loadu_si512(code + 64 * w), _mm512_set1_epi8(1));
        std::memcpy(out + 8 * w, &packed, 8);
    }
}
/// Four bits a code: 64 of them become 32 bytes.
GRADCOMP_TARGET_AVX512 inline void pack_nibbles_avx512(const std::uint8_t* code, std::size_t words, std::uint8_t* out)
{
    for (std::size_t w = 0; w < words; ++w) {
        const __m512i pairs = _mm512_maskz_maddubs_epi16(~__mmask32{0}, _mm512_loadu_si512(code + 64 * w), _mm512_set1_epi16(0x1001));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 32 * w), _mm512_maskz_cvtepi16_epi8(~__mmask32{0}, pairs));
    }
}
/// 9 to 14 bits a code: 8 codes are joined in each quarter of a register, pair by pair; what a store writes behind them the next one overwrites.
/// @return codes packed, so many fewer than all that no store reaches beyond their last byte
GRADCOMP_TARGET_AVX512 inline std::size_t pack_words_avx512(const std::uint16_t* code, std::size_t count, int bits, std::uint8_t* out)
{
    const int rest = 64 - 4 * bits;
    const __m512i join = _mm512_set1_epi32(1 << bits << 16 | 1), half = _mm512_set1_epi64(0xffffffff);
    const __m512i down = _mm512_setr_epi64(0, rest, 0, rest, 0, rest, 0, rest), up = _mm512_setr_epi64(4 * bits, 64, 4 * bits, 64, 4 * bits, 64, 4 * bits, 64);
    const __m128i twice = _mm_cvtsi32_si128(2 * bits);
    std::size_t done = 0;
    for (; done + 64 <= count; done += 32, out += 4 * bits) {
        const __m512i two = _mm512_maskz_madd_epi16(0xffff, _mm512_loadu_si512(code + done), join);
        const __m512i four = _mm512_ternarylogic_epi64(two, half, _mm512_maskz_sll_epi64(0xff, _mm512_maskz_srli_epi64(0xff, two, 32), twice), 0xea); // (two & half) | ...
        const __m512i eight = _mm512_or_si512(_mm512_maskz_srlv_epi64(0xff, four, down), _mm512_maskz_sllv_epi64(0xff, _mm512_maskz_shuffle_epi32(0xffff, four, _MM_PERM_BADC), up));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm512_maskz_extracti32x4_epi32(0xf, eight, 0));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + bits), _mm512_maskz_extracti32x4_epi32(0xf, eight, 1));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 2 * bits), _mm512_maskz_extracti32x4_epi32(0xf, eight, 2));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 3 * bits), _mm512_maskz_extracti32x4_epi32(0xf, eight, 3));
    }
    return done;
}
GRADCOMP_TARGET_AVX512 inline void unpack_bits_avx512(const std::uint8_t* in, std::size_t words, std::uint8_t* code)
{
    for (std::size_t w = 0; w < words; ++w) {
        std::uint64_t packed;
        std::memcpy(&packed, in + 8 * w, 8);
        _mm512_storeu_si512(code + 64 * w, _mm512_maskz_set1_epi8(packed, 1));
    }
}

/// Copies words of 8 bytes one by one: a copy of 16 would wait for the two stores that it reads.
template <std::size_t Words> GRADCOMP_INLINE void copy_words(void* to, const void* from)
{
    for (std::size_t w = 0; w < Words; ++w) {
        std::uint64_t word;
        std::memcpy(&word, static_cast<const char*>(from) + 8 * w, 8);
        asm("" : "+r"(word));
        std::memcpy(static_cast<char*>(to) + 8 * w, &word, 8);
    }
}

/// Eight codes of one byte, or twice four of two, are `bits` bytes.
template <class Store> GRADCOMP_TARGET_AVX2 void pack_bmi2(const Store* code, std::size_t eights, int bits, std::uint8_t* out)
{
    const std::uint64_t mask = code_mask<Store>(bits);
    for (std::size_t w = 0; w < eights; ++w, code += 8, out += bits) {
        std::uint64_t word[sizeof(Store)];
        copy_words<sizeof(Store)>(word, code);
        word[0] = _pext_u64(word[0], mask);
        if constexpr (sizeof(Store) == 2) {
            const std::uint64_t second = _pext_u64(word[1], mask);
            word[0] |= second << (4 * bits);
            word[1] = second >> (64 - 4 * bits);
        }
        // Whole words while they stay inside, the rest being overwritten by the next: such a copy is one store.
        const std::size_t left = (eights - w) * static_cast<std::size_t>(bits);
        if (left >= sizeof word) copy_words<sizeof(Store)>(out, word);
        else std::memcpy(out, word, static_cast<std::size_t>(bits));
    }
}
template <class Store> GRADCOMP_TARGET_AVX2 void unpack_bmi2(const std::uint8_t* in, std::size_t eights, int bits, Store* code)
{
    const std::uint64_t mask = code_mask<Store>(bits);
    for (std::size_t w = 0; w < eights; ++w, code += 8, in += bits) {
        std::uint64_t word[sizeof(Store)] = {};
        const std::size_t left = (eights - w) * static_cast<std::size_t>(bits);
        if (left >= sizeof word) copy_words<sizeof(Store)>(word, in);
        else std::memcpy(word, in, static_cast<std::size_t>(bits));
        if constexpr (sizeof(Store) == 2) word[1] = _pdep_u64(word[0] >> (4 * bits) | word[1] << (64 - 4 * bits), mask);
        word[0] = _pdep_u64(word[0], mask);
        copy_words<sizeof(Store)>(code, word);
    }
}
#endif

/// @copydoc pack_portable
template <isa Level, class Store> GRADCOMP_INLINE void pack_codes(const Store* code, std::size_t count, int bits, std::uint8_t* out)
{
    if (bits == 8 * static_cast<int>(sizeof(Store))) {
        std::memcpy(out, code, count * sizeof(Store));
        return;
    }
    std::size_t done = 0;
#if GRADCOMP_X86
    if constexpr (Level != isa::scalar) {
        if constexpr (Level == isa::avx512 && sizeof(Store) == 1) {
            if (bits == 1) pack_bits_avx512(code, count / 64, out), done = count / 64 * 64;
            if (bits == 4) pack_nibbles_avx512(code, count / 64, out), done = count / 64 * 64;
        }
        if constexpr (Level == isa::avx512 && sizeof(Store) == 2)
            if (bits > 8 && bits < 15) done = pack_words_avx512(code, count, bits, out);
        const std::size_t eights = (count - done) / 8;
        pack_bmi2(code + done, eights, bits, out + packed_bytes(done, bits));
        done += 8 * eights;
    }
#endif
    pack_portable(code + done, count - done, bits, out + packed_bytes(done, bits));
}
template <isa Level, class Store> GRADCOMP_INLINE void unpack_codes(const std::uint8_t* in, std::size_t count, int bits, Store* code)
{
    if (bits == 8 * static_cast<int>(sizeof(Store))) {
        std::memcpy(code, in, count * sizeof(Store));
        return;
    }
    std::size_t done = 0;
#if GRADCOMP_X86
    if constexpr (Level != isa::scalar) {
        if constexpr (Level == isa::avx512 && sizeof(Store) == 1)
            if (bits == 1) unpack_bits_avx512(in, count / 64, code), done = count / 64 * 64;
        const std::size_t eights = (count - done) / 8;
        unpack_bmi2(in + packed_bytes(done, bits), eights, bits, code + done);
        done += 8 * eights;
    }
#endif
    unpack_portable(in + packed_bytes(done, bits), count - done, bits, code + done);
}

} // namespace gradcomp::exec::detail
