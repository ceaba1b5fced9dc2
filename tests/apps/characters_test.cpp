/// @file Texts as numbers of symbols, the files that are refused, and the table of pairs.
#include "data/characters.hpp"
#include "data/error.hpp"
#include "random.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>
#include <zlib.h>

namespace fs = std::filesystem;
using apps::data::character_text;
using apps::data::data_error;
using apps::data::read_characters;

namespace {

/// GRADCOMP_DATA as the program found it: other tests of this program set it.
const std::string data_folder = [] {
    const char* found = std::getenv("GRADCOMP_DATA");
    return std::string(found ? found : "");
}();
const bool has_data = fs::exists(fs::path(data_folder) / "text" / "tinyshakespeare.txt.gz");

/// A folder with one file of that text, packed, gone with the object.
struct packed_text {
    fs::path folder = fs::temp_directory_path() / ("gradcomp_characters_test_" + std::to_string(getpid()));
    fs::path path;
    explicit packed_text(const std::string& text, const std::string& name = "some.text.gz") : path(folder / name)
    {
        fs::create_directories(folder);
        const gzFile out = gzopen(path.c_str(), "wb");
        REQUIRE(gzwrite(out, text.data(), static_cast<unsigned>(text.size())) == static_cast<int>(text.size()));
        gzclose(out);
    }
    ~packed_text() { fs::remove_all(folder); }
};

character_text read(const std::string& text) { return read_characters(packed_text(text).path); }

std::string as_text(const character_text& of, const std::vector<std::uint8_t>& numbers)
{
    std::string out;
    for (const std::uint8_t one : numbers) out += of.symbols.at(one);
    return out;
}

} // namespace

TEST_CASE("a text becomes the numbers of its symbols, the first nine tenths and the rest; line ends and all bytes are symbols")
{
    const character_text text = read("to be\r\nor not to be\xff!");
    CHECK(text.name == "some");
    CHECK(text.symbols == "\n\r !benort\xff");
    CHECK(as_text(text, text.train) == "to be\r\nor not to b"); // 18 of 21
    CHECK(as_text(text, text.validation) == "e\xff!");
    const packed_text packed("");
    std::ofstream(packed.path, std::ios::binary) << "abababababab"; // not packed at all
    CHECK(read_characters(packed.path).train.size() == 10);
}

TEST_CASE("a text that is missing, damaged, cut off, too short or without anything to guess is refused by its file's name")
{
    CHECK_THROWS_WITH_AS(read_characters("/nowhere/some.txt"), doctest::Contains("/nowhere/some.txt: cannot be read"), data_error);
    CHECK_THROWS_WITH_AS(read(""), doctest::Contains("some.text.gz: holds 0 bytes"), data_error);
    CHECK_THROWS_WITH_AS(read("abcabcabc"), doctest::Contains("holds 9 bytes"), data_error);
    CHECK_THROWS_WITH_AS(read(std::string(20, 'a')), doctest::Contains("nothing to guess"), data_error);
    std::string noise;
    apps::generator random(3);
    for (int i = 0; i < 4000; ++i) noise += "abcdefghijklmnopqrstuvwxyz"[random.below(26)];
    const packed_text packed(noise);
    CHECK(read_characters(packed.path).symbols.size() == 26);
    fs::resize_file(packed.path, fs::file_size(packed.path) - 9);
    CHECK_THROWS_WITH_AS(read_characters(packed.path), doctest::Contains("is damaged"), data_error);
}

TEST_CASE("tiny-shakespeare is looked for by name, and no other text is taken for it")
{
    const packed_text other("not to be or to be", "tinyshakespeare.txt.gz");
    CHECK_THROWS_WITH_AS(apps::data::load_tiny_shakespeare(other.folder.string()), doctest::Contains("holds 18 characters of 7 kinds, tiny-shakespeare 1115394 of 65"), data_error);
    if (!has_data) CHECK_THROWS_WITH_AS(apps::data::load_tiny_shakespeare("synthetic"), doctest::Contains("tinyshakespeare.txt.gz is neither in --data nor in GRADCOMP_DATA"), data_error);
}

TEST_CASE("a table of pairs: counts plus one, in nats a character")
{
    const std::vector<std::uint8_t> from = {0, 1, 0, 1, 1}, of = {1, 0, 0}; // pairs 01, 10, 01, 11
    CHECK(apps::data::pair_loss(from, of, 2) == doctest::Approx((std::log(4.0 / 2) + std::log(4.0 / 1)) / 2)); // after 1: 0 and 1 once each; after 0: 1 twice
    CHECK(apps::data::pair_loss({}, of, 5) == doctest::Approx(std::log(5.0)));
}

TEST_CASE("tiny-shakespeare has the size, the symbols and the table of pairs that are known of it" * doctest::skip(!has_data))
{
    const character_text text = apps::data::load_tiny_shakespeare(data_folder);
    CHECK(text.name == "tiny-shakespeare");
    CHECK(text.train.size() == 1003854);
    CHECK(text.validation.size() == 111540);
    CHECK(as_text(text, {text.train.begin(), text.train.begin() + 14}) == "First Citizen:");
    CHECK(text.symbols.front() == '\n');
    CHECK(text.symbols.back() == 'z');
    std::vector<std::uint8_t> whole = text.train;
    whole.insert(whole.end(), text.validation.begin(), text.validation.end());
    CHECK(std::abs(apps::data::pair_loss(whole, whole, 65) - 2.453) < 0.005); // in the sample itself 2.453
    CHECK(std::abs(apps::data::pair_loss(text.train, text.validation, 65) - 2.482) < 0.0005);
}
