/// @file Indices on the wire: their bytes as written down, which form is chosen, reading parts of them, and what no peer can have sent.
#include "compress/complaint.hpp"
#include "conformance/indices.hpp"

#include <doctest/doctest.h>

#include <numeric>
#include <vector>

using namespace gradcomp;
using conformance::read_indices, conformance::written_indices;

namespace {

using words = std::vector<std::uint32_t>;

const std::byte* bytes_of(const words& from) { return reinterpret_cast<const std::byte*>(from.data()); }
std::string verdict(const index_form& form, std::size_t count, const words& from)
{
    return complaint([&] { check_indices(form, count, bytes_of(from), 7); });
}
std::vector<std::size_t> every(std::size_t step, std::size_t count)
{
    std::vector<std::size_t> index(count);
    for (std::size_t j = 0; j < count; ++j) index[j] = j * step;
    return index;
}

} // namespace

TEST_CASE("within one tile an index is 16 bits, counted from the selection's first element; an odd number ends in zeros")
{
    const index_form form = index_form_of(65536, 3);
    CHECK((form.width == 2 && form.tiles == 0 && form.bytes() == 8));
    const words wire{0x01020000, 0x0000ffff};
    CHECK(read_indices(form, bytes_of(wire), 3) == std::vector<std::size_t>{0, 258, 65535});
    CHECK(written_indices(form, {0, 258, 65535}) == wire);
    CHECK(verdict(form, 3, wire) == "accepted");
    CHECK(verdict(form, 3, {0x01020000, 0x0001ffff}) == "bad_message index[10] 1");
}

TEST_CASE("over several tiles each tile's count of 32 bits comes first")
{
    std::vector<std::size_t> index{5, 65535, 65536, 200000};
    for (std::size_t j = 0; j < 16; ++j) index.push_back(250000 + j);
    const index_form form = index_form_of(4 * 65536, 20);
    const words wire = written_indices(form, index);
    REQUIRE(wire.size() == 4 + 10);
    CHECK(words(wire.begin(), wire.begin() + 6) == words{2, 1, 0, 17, 0xffff0005, (200000 - 3 * 65536) << 16});
    CHECK(verdict(form, 20, wire) == "accepted");
    CHECK(read_indices(form, bytes_of(wire), 20) == index);
}

TEST_CASE("32 bits where the counts would cost more than they save, and nothing for nothing")
{
    const index_form plain = index_form_of(65537, 4); // 8 + 8 bytes either way
    CHECK((plain.width == 4 && plain.tiles == 0));
    CHECK(written_indices(plain, {0, 1, 2, 65536}) == words{0, 1, 2, 65536});
    CHECK(index_form_of(65537, 5).bytes() == 20); // 8 + 10, padded to 20, for 20
    CHECK(index_form_of(65537, 6).bytes() == 20);
    CHECK(index_form_of(65537, 0).bytes() == 0);
    CHECK(index_form_of(0, 0).bytes() == 0);
}

TEST_CASE("the form is the shortest of 16, 32 and 64 bits, for any size")
{
    constexpr std::size_t billion = std::size_t{1} << 30, edge = std::size_t{1} << 32;
    for (const std::size_t size : {std::size_t{1}, index_tile, index_tile + 1, billion, edge - 1, edge, edge + 1, 40 * billion})
        for (const std::size_t kept : {std::size_t{1}, std::size_t{2}, std::size_t{40000}, std::size_t{50000}, std::size_t{3'000'000}}) {
            const std::size_t tiles = (size + 65535) / 65536, tiled = (tiles > 1 ? 4 * tiles : 0) + 2 * kept, plain = (size > edge ? 8 : 4) * kept;
            if (kept > size) continue;
            CAPTURE(size);
            CAPTURE(kept);
            CHECK(index_form_of(size, kept).bytes() == (std::min(tiled, plain) + 3) / 4 * 4);
        }
    CHECK(index_form_of(edge, 1000).width == 4);
    CHECK(index_form_of(edge + 1, 1000).width == 8);
    CHECK(index_form_of(edge + 1, 60000).width == 2);
    const tensor_list list{{"huge", {5 * billion}}, {"a", {100}}};
    const layout where = make_layout(list, {0, 1}, scope::per_tensor, [](std::size_t) { return std::size_t{3}; });
    CHECK(index_bytes(where) == 3 * 8 + 8);
}

TEST_CASE("64 bits are read at any multiple of 4 bytes, and checked like all others")
{
    const std::size_t size = (std::size_t{1} << 32) + 10;
    const index_form form = index_form_of(size, 3);
    words wire{0};
    const std::vector<std::size_t> index{3, (std::size_t{1} << 32) - 1, size - 1};
    for (const std::uint32_t word : written_indices(form, index)) wire.push_back(word);
    REQUIRE(wire.size() == 1 + 6);
    const auto check = [&] { return complaint([&] { check_indices(form, 3, bytes_of(wire) + 4, 0); }); };
    CHECK(read_indices(form, bytes_of(wire) + 4, 3) == index);
    CHECK(check() == "accepted");
    wire[5] = 10;
    CHECK(check() == "bad_message index[2] 4294967306");
    wire[6] = 0;
    CHECK(check() == "bad_message index[2] 10");
}

TEST_CASE("any part of the indices is read by itself, and a run lies in one tile")
{
    for (const auto& [size, kept] : {std::pair<std::size_t, std::size_t>{65536, 100}, {300000, 100}, {300000, 9}}) {
        const index_form form = index_form_of(size, kept);
        const auto index = every(size / kept, kept);
        const words wire = written_indices(form, index);
        for (std::size_t begin = 0; begin <= kept; begin += 3)
            for (std::size_t end = begin; end <= kept; end += 5) {
                std::vector<std::size_t> seen;
                each_index_run(form, bytes_of(wire), begin, end, [&](auto places, std::size_t base, std::size_t from, std::size_t to) {
                    for (std::size_t j = from; j < to; ++j) seen.push_back(base + places[j]);
                    CHECK((form.width != 2 || seen.back() / index_tile == base / index_tile));
                });
                CHECK(seen == std::vector<std::size_t>(index.begin() + static_cast<std::ptrdiff_t>(begin), index.begin() + static_cast<std::ptrdiff_t>(end)));
            }
    }
}

TEST_CASE("counts that do not add up to the selection's indices are refused by tile and value")
{
    const index_form form = index_form_of(3 * 65536, 20);
    std::vector<std::size_t> index(20);
    std::iota(index.begin(), index.end(), std::size_t{65530});
    const words good = written_indices(form, index);
    CHECK(verdict(form, 20, good) == "accepted");
    const auto with = [&](std::size_t tile, std::uint32_t count) {
        words bad = good;
        bad[tile] = count;
        return verdict(form, 20, bad);
    };
    CHECK((good[0] == 6 && good[1] == 14 && good[2] == 0));
    CHECK(with(0, 5) == "bad_message count 19");
    CHECK(with(0, 7) == "bad_message count[1] 14");
    CHECK(with(2, 1) == "bad_message count[2] 1");
    CHECK(with(0, 21) == "bad_message count[0] 21");
    CHECK(with(1, 0xffffffff) == "bad_message count[1] 4294967295");
    CHECK(with(1, 0) == "bad_message count 6");
}

TEST_CASE("indices that do not ascend inside the selection are refused by place and value")
{
    const index_form plain = index_form_of(70000, 3), tile = index_form_of(10, 3);
    CHECK(verdict(plain, 3, {0, 1, 69999}) == "accepted");
    CHECK(verdict(plain, 3, {0, 1, 70000}) == "bad_message index[9] 70000");
    CHECK(verdict(plain, 3, {0, 70000, 70001}) == "bad_message index[8] 70000");
    CHECK(verdict(plain, 3, {5, 5, 6}) == "bad_message index[8] 5");
    CHECK(verdict(plain, 3, {0, 9, 8}) == "bad_message index[9] 8");
    CHECK(verdict(plain, 3, {0xffffffffu, 1, 2}) == "bad_message index[7] 4294967295");
    CHECK(verdict(tile, 3, {0x00020001, 9}) == "accepted");
    CHECK(verdict(tile, 3, {0x00020001, 10}) == "bad_message index[9] 10");
    CHECK(verdict(tile, 3, {0x00020002, 9}) == "bad_message index[8] 2");
    const index_form last = index_form_of(65536 + 100, 20); // the last tile is a short one
    auto index = every(5000, 13);
    for (const std::size_t i : {65536u, 65537u, 65540u, 65600u, 65610u, 65620u, 65635u}) index.push_back(i);
    words wire = written_indices(last, index);
    CHECK(verdict(last, 20, wire) == "accepted");
    reinterpret_cast<std::uint16_t*>(wire.data() + 2)[19] = 100;
    CHECK(verdict(last, 20, wire) == "bad_message index[26] 65636");
}

TEST_CASE("fewer indices than there is room for: the rest is zero")
{
    for (const std::size_t size : {std::size_t{1000}, std::size_t{65537}, std::size_t{400000}}) {
        const index_form form = index_form_of(size, 12);
        const std::size_t most = form.width == 2 && form.tiles > 0 ? 0 : 12; // with counts of tiles, these say how many
        const words wire = written_indices(form, every(7, 5));
        CHECK(verdict(form, 5, wire) == "accepted");
        CHECK(verdict(form, most == 0 ? 6 : 4, wire).rfind("bad_message", 0) == 0);
    }
    CHECK(verdict(index_form_of(1000, 4), 0, {0, 0}) == "accepted");
    CHECK(verdict(index_form_of(1000, 4), 0, {0, 1}) == "bad_message index[7] 1");
}

TEST_CASE("among all short messages exactly the ascending ones inside the selection are accepted")
{
    int accepted = 0;
    for (std::uint32_t a = 0; a < 7; ++a)
        for (std::uint32_t b = 0; b < 7; ++b)
            for (std::uint32_t c = 0; c < 7; ++c) {
                const bool good = a < b && b < c && c < 5;
                CHECK((verdict(index_form_of(5, 3), 3, {a | b << 16, c}) == "accepted") == good);
                CHECK((verdict({5, 3, 0, 4}, 3, {a, b, c}) == "accepted") == good);
                accepted += good;
            }
    CHECK(accepted == 10);
}
