/// @file Packed codes and the random bits of tiles: every copy gives what the portable one gives, which gives what is written down.
#include <gradcomp/exec/cpu/pack.hpp>
#include <gradcomp/exec/cpu/random_lanes.hpp>

#include <doctest/doctest.h>

#include <vector>

using namespace gradcomp;
using namespace gradcomp::exec;

namespace {

template <isa Level, class Store> void packs_as_written(int bits)
{
    for (const std::size_t n : {0u, 1u, 7u, 8u, 9u, 63u, 64u, 65u, 200u, 512u}) {
        std::vector<Store> code(n + 64), back(n + 64, Store{1});
        for (std::size_t i = 0; i < n; ++i) code[i] = static_cast<Store>((i * 2654435761u >> 7) & ((1u << bits) - 1));
        const std::size_t bytes = packed_bytes(n, bits);
        std::vector<std::uint8_t> packed(bytes + 16, 0xcc);
        detail::pack_codes<Level>(code.data(), n, bits, packed.data());
        for (std::size_t j = bytes; j < packed.size(); ++j) REQUIRE(packed[j] == 0xcc); // nothing behind the last byte
        for (std::size_t at = 0; at < 8 * bytes; ++at) {
            const std::size_t i = at / static_cast<std::size_t>(bits), bit = at % static_cast<std::size_t>(bits);
            const unsigned wanted = i < n ? static_cast<unsigned>(code[i]) >> bit & 1u : 0u;
            REQUIRE((packed[at / 8] >> (at % 8) & 1u) == wanted);
        }
        std::vector<std::uint8_t> exact(packed.begin(), packed.begin() + static_cast<std::ptrdiff_t>(bytes)); // a sanitizer sees a read behind it
        exact.reserve(1);
        detail::unpack_codes<Level>(exact.data(), n, bits, back.data());
        for (std::size_t i = 0; i < n; ++i) REQUIRE(back[i] == code[i]);
    }
}

template <isa Level> void draws_as_written()
{
    const random_stream stream{0x0123456789abcdefu, 17, 3, purpose::quantize, 5};
    for (const std::uint32_t first : {0u, 1000u, 0xfffffff0u}) {
        std::vector<std::uint16_t> drawn(512);
        detail::fill_random<Level>(detail::random_lanes(stream), first, 512, drawn.data());
        for (std::size_t i = 0; i < 512; ++i) {
            const word4 block = stream.block(first + static_cast<std::uint32_t>(i / 8));
            REQUIRE(drawn[i] == (block.at[i % 8 / 2] >> (16 * (i % 2)) & 0xffffu));
        }
    }
}

template <isa Level> void all()
{
    for (int bits = 1; bits <= 8; ++bits) packs_as_written<Level, std::uint8_t>(bits);
    for (int bits = 9; bits <= 16; ++bits) packs_as_written<Level, std::uint16_t>(bits);
    draws_as_written<Level>();
}

} // namespace

TEST_CASE("codes are packed, unpacked and drawn as written: portable") { all<isa::scalar>(); }
TEST_CASE("codes are packed, unpacked and drawn as written: AVX2")
{
    if (supports(isa::avx2)) all<isa::avx2>();
    CHECK(true);
}
TEST_CASE("codes are packed, unpacked and drawn as written: AVX-512")
{
    if (supports(isa::avx512)) all<isa::avx512>();
    CHECK(true);
}
