/// @file Decoding the codes of a quantizer: bucket by bucket, by way of the first cache level, to a target.
#pragma once

#include <gradcomp/exec/cpu/encode_tiles.hpp>
#include <gradcomp/exec/cpu/scatter.hpp>

#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpass-failed" // a build without optimisation leaves these loops as they are
#endif

namespace gradcomp::exec {

namespace detail {

template <class Code, class Target> struct decode_body {
    using T = typename Code::value_type;
    Code code;
    coded_run<const T, const std::uint8_t> from;
    Target to;
    std::size_t offset, begin, end;
    bool streamed;

    /// Elements [at, at + count) of a tile, which lie in one bucket.
    template <isa Level> GRADCOMP_INLINE void run_chunk(const typename Code::bucket& bucket, std::size_t base, std::size_t at, std::size_t count, const code_store<Code>* codes) const
    {
        const Code own = code; // local copies: what might alias the stores keeps a loop from being vectorised
        const typename Code::bucket b = bucket;
        const Target f = to;
        const std::size_t first = offset + base;
        if constexpr (is_dense<Target>)
            if (streamed) {
                alignas(64) T value[chunk_size<T>];
                GRADCOMP_INDEPENDENT
                for (std::size_t i = 0; i < count; ++i) value[i] = own.decode(codes[at + i], b);
                return stream_copy(Level, to.to + first + at, value, count * sizeof(T));
            }
        GRADCOMP_INDEPENDENT
        for (std::size_t i = at; i < at + count; ++i) f(first + i, own.decode(codes[i], b));
    }

    /// Elements [at, last) of a tile: one bucket.
    template <isa Level> GRADCOMP_INLINE void run_bucket(std::size_t base, std::size_t at, std::size_t last, const code_store<Code>* codes) const
    {
        const T* const wire = from.parameters + (base + at) / from.bucket * static_cast<std::size_t>(Code::parameters);
        if (is_poisoned<Code>(wire)) [[unlikely]] {
            for (; at < last; ++at) to(offset + base + at, not_a_number<T>());
            return;
        }
        const typename Code::bucket b = code.open(wire);
        for (; at + chunk_size<T> <= last; at += chunk_size<T>) run_chunk<Level>(b, base, at, chunk_size<T>, codes);
        if (at < last) run_chunk<Level>(b, base, at, last - at, codes);
    }

    /// Codes that are whole bytes are read where they lie.
    template <isa Level> GRADCOMP_INLINE void run_tile(std::size_t base, std::size_t count, code_store<Code>* unpacked) const
    {
        const std::uint8_t* const packed = from.codes + packed_bytes(base, code.bits());
        const code_store<Code>* codes = reinterpret_cast<const code_store<Code>*>(packed);
        if (code.bits() != 8 * static_cast<int>(sizeof(code_store<Code>))) {
            unpack_codes<Level>(packed, count, code.bits(), unpacked);
            codes = unpacked;
        }
        for (std::size_t at = 0; at < count; at += from.bucket) run_bucket<Level>(base, at, std::min(at + from.bucket, count), codes);
    }

    template <isa Level> GRADCOMP_INLINE void run() const
    {
        alignas(64) code_store<Code> unpacked[code_tile];
        for (std::size_t base = begin; base < end; base += code_tile) {
            std::size_t count = end - base < code_tile ? end - base : code_tile;
            asm("" : "+r"(count)); // as tile_length()
            run_tile<Level>(base, count, unpacked);
        }
#if GRADCOMP_X86
        if (streamed) _mm_sfence();
#endif
    }
};

} // namespace detail

/// to(offset + i, c_i) for i in [0, n). Allocates nothing. @pre check_tiles() accepted the message
template <tile_code Code, target<typename Code::value_type> Target>
void decode_tiles(const cpu_team& team, const Code& code, coded_run<const typename Code::value_type, const std::byte> run, std::size_t n, std::size_t offset, const Target& to)
{
    const bool streamed = is_dense<Target> && n * sizeof(typename Code::value_type) >= beyond_caches;
    const std::size_t members = team.members_for(n);
    team.run(members, [&](std::size_t t) {
        at_level(team.level(), detail::decode_body<Code, Target>{code, {run.parameters, reinterpret_cast<const std::uint8_t*>(run.codes), run.bucket}, to, offset,
            detail::share_begin(n, t, members), detail::share_begin(n, t + 1, members), streamed});
    });
}

} // namespace gradcomp::exec

#if defined(__clang__)
#pragma clang diagnostic pop
#endif
