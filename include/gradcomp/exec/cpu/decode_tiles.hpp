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

template <class Target> inline constexpr bool is_dense = false;
template <class T> inline constexpr bool is_dense<dense_target<T>> = true;

template <class Code, class Target> struct decode_body {
    using T = typename Code::value_type;
    Code code;
    coded_run<const T, const std::uint8_t> from;
    Target to;
    std::size_t offset, begin, end;
    bool streamed;

    GRADCOMP_INLINE void bucket(std::size_t base, std::size_t at, std::size_t count, const code_store<Code>* codes, T* value) const
    {
        const T* const wire = from.parameters + (base + at) / from.bucket * static_cast<std::size_t>(Code::parameters);
        if (is_poisoned<Code>(wire)) [[unlikely]] {
            for (std::size_t i = at; i < at + count; ++i) value[i] = not_a_number<T>();
            return;
        }
        const Code own = code;
        const typename Code::bucket b = own.open(wire);
        GRADCOMP_INDEPENDENT
        for (std::size_t i = at; i < at + count; ++i) value[i] = own.decode(codes[i], b);
    }

    template <isa Level> GRADCOMP_INLINE void run_tile(std::size_t base, std::size_t count, code_buffers<Code>& tile) const
    {
        unpack_codes<Level>(from.codes + packed_bytes(base, code.bits()), count, code.bits(), tile.code);
        for (std::size_t at = 0; at < count; at += from.bucket) bucket(base, at, count - at < from.bucket ? count - at : from.bucket, tile.code, tile.c);
        if constexpr (is_dense<Target>)
            if (streamed) return stream_copy(Level, to.to + offset + base, tile.c, count * sizeof(T));
        const Target f = to;
        const T* const c = tile.c;
        const std::size_t first = offset + base;
        GRADCOMP_INDEPENDENT
        for (std::size_t i = 0; i < count; ++i) f(first + i, c[i]);
    }

    template <isa Level> GRADCOMP_INLINE void run() const
    {
        code_buffers<Code> tile;
        for (std::size_t base = begin; base < end; base += code_tile) {
            std::size_t count = end - base < code_tile ? end - base : code_tile;
            asm("" : "+r"(count)); // as tile_length()
            run_tile<Level>(base, count, tile);
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
    constexpr std::size_t beyond_caches = std::size_t{16} << 20;
    const bool streamed = detail::is_dense<Target> && n * sizeof(typename Code::value_type) >= beyond_caches;
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
