/// @file The readers of data on hostile files: the fuzzer's corpus again, and every truncation and flipped bit of its files.
#include "fuzz/readers.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

TEST_CASE("no file of the corpus, cut anywhere or with any bit flipped, breaks a promise of the readers")
{
    std::size_t count = 0;
    for (const auto& file : std::filesystem::directory_iterator(std::filesystem::path(GRADCOMP_TEST_TREE) / "tests/fuzz/corpus/readers")) {
        CAPTURE(file.path().string());
        std::ifstream from(file.path(), std::ios::binary);
        const std::vector<std::uint8_t> good{std::istreambuf_iterator<char>(from), {}};
        REQUIRE_NOTHROW(fuzzing::read_any_file(good));
        for (std::size_t n = 0; n < good.size(); ++n) REQUIRE_NOTHROW(fuzzing::read_any_file(std::span(good).first(n)));
        for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
            auto bad = good;
            bad[bit / 8] = static_cast<std::uint8_t>(bad[bit / 8] ^ 1u << (bit % 8));
            REQUIRE_NOTHROW(fuzzing::read_any_file(bad));
        }
        ++count;
    }
    CHECK(count >= 10);
}
