/// @file Indices on the wire: their bytes as written down, which form is chosen, and counts that cannot be.
#include "compress/complaint.hpp"

#include <gradcomp/core/index_code.hpp>

#include <doctest/doctest.h>

#include <numeric>
#include <vector>

using namespace gradcomp;

namespace {

/// The words of the indices of one selection.
std::vector<std::uint32_t> written(const selection& s, const std::vector<std::uint32_t>& index)
{
    std::vector<std::uint32_t> words(index_bytes(s) / 4, 0xcdcdcdcd);
    encode_indices(s, index.data(), reinterpret_cast<std::byte*>(words.data()));
    return words;
}
std::string read(const selection& s, const std::vector<std::uint32_t>& words)
{
    std::vector<std::uint32_t> index(s.kept, 0xeeeeeeee);
    return complaint([&] { decode_indices(s, reinterpret_cast<const std::byte*>(words.data()), index.data()); });
}

} // namespace

TEST_CASE("within one tile an index is 16 bits, counted from the selection's first element; an odd number ends in zeros")
{
    const selection s{.size = 65536, .kept = 3, .position = 1000};
    CHECK(index_bytes(s) == 8);
    CHECK(written(s, {1000, 1258, 66535}) == std::vector<std::uint32_t>{0x01020000, 0x0000ffff});
}

TEST_CASE("over several tiles each tile's count of 32 bits comes first")
{
    std::vector<std::uint32_t> index{5, 65535, 65536, 200000};
    for (std::uint32_t j = 0; j < 16; ++j) index.push_back(250000 + j);
    const selection s{.size = 4 * 65536, .kept = 20};
    const auto words = written(s, index);
    REQUIRE(words.size() == 4 + 10);
    CHECK(std::vector<std::uint32_t>(words.begin(), words.begin() + 6) == std::vector<std::uint32_t>{2, 1, 0, 17, 0xffff0005, (200000 - 3 * 65536) << 16});
}

TEST_CASE("32 bits where the counts would cost more than they save, and nothing for nothing")
{
    CHECK(written({.size = 65537, .kept = 4}, {0, 1, 2, 65536}) == std::vector<std::uint32_t>{0, 1, 2, 65536}); // 8 + 8 bytes either way
    CHECK(index_bytes({.size = 65537, .kept = 5}) == 20);                                                    // 8 + 10, padded to 20, for 20
    CHECK(index_bytes({.size = 65537, .kept = 6}) == 20);
    CHECK(index_bytes({.size = 65537, .kept = 0}) == 0);
    CHECK(index_bytes({}) == 0);
}

TEST_CASE("counts that do not add up to the selection's kept elements are refused by tile and value")
{
    const selection s{.size = 3 * 65536, .kept = 20};
    std::vector<std::uint32_t> index(20);
    std::iota(index.begin(), index.end(), 65530u);
    const auto good = written(s, index);
    CHECK(read(s, good) == "accepted");
    const auto with = [&](std::size_t tile, std::uint32_t count) {
        auto bad = good;
        bad[tile] = count;
        return read(s, bad);
    };
    CHECK((good[0] == 6 && good[1] == 14 && good[2] == 0));
    CHECK(with(0, 5) == "bad_message count 19");
    CHECK(with(0, 7) == "bad_message count[1] 14");
    CHECK(with(2, 1) == "bad_message count[2] 1");
    CHECK(with(0, 21) == "bad_message count[0] 21");
    CHECK(with(1, 0xffffffff) == "bad_message count[1] 4294967295");
    CHECK(with(1, 0) == "bad_message count 6");
}
