/// @file Golden messages of every compressor: read as they were written, and with every truncation and every flipped bit; the fuzzers' corpora again.
#include "compress/complaint.hpp"
#include "fuzz/frames.hpp"
#include "fuzz/golden.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <sstream>

using namespace fuzzing;

namespace {

const std::filesystem::path folder = std::filesystem::path(GRADCOMP_TEST_TREE) / "tests/fuzz";

std::string text_of_file(const std::filesystem::path& path)
{
    std::ifstream from(path, std::ios::binary);
    REQUIRE_MESSAGE(from.is_open(), path.string());
    std::ostringstream text;
    text << from.rdbuf();
    return text.str();
}
golden golden_of(const decoder& of)
{
    std::istringstream from(text_of_file(folder / "golden" / golden_name(of)));
    return read_golden(from, of);
}

/// Runs a target on every file of its corpus. @return how many there were.
template <class Target> std::size_t replay(const char* corpus, const Target& target)
{
    std::size_t count = 0;
    for (const auto& file : std::filesystem::directory_iterator(folder / "corpus" / corpus)) {
        const std::string text = text_of_file(file.path());
        CAPTURE(file.path().string());
        REQUIRE_NOTHROW(target(std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size())));
        ++count;
    }
    return count;
}

} // namespace

TEST_CASE("numbers and names of golden files are unique, and no file is left that nothing reads")
{
    std::set<std::string> names;
    std::set<std::pair<std::uint32_t, int>> numbers;
    for (const decoder& one : decoders()) {
        CHECK(names.insert(golden_name(one)).second);
        CHECK(numbers.insert({one.number, one.element}).second);
    }
    for (const auto& file : std::filesystem::directory_iterator(folder / "golden")) CHECK_MESSAGE(names.count(file.path().filename().string()) == 1, file.path().string());
}

TEST_CASE("golden messages of every compressor are read and say what they said")
{
    for (const decoder& one : decoders()) {
        CAPTURE(golden_name(one));
        const golden file = golden_of(one);
        decoded what(one.list->total());
        CHECK(receive(one, file.message, what));
        CHECK(digest_of(what) == file.digest);
    }
}

TEST_CASE("every truncation and every flipped bit of a golden file is refused before anything is decoded")
{
    for (const decoder& one : decoders()) {
        CAPTURE(golden_name(one));
        const std::string whole = text_of_file(folder / "golden" / golden_name(one));
        const auto read = [&](const std::string& text) {
            std::istringstream from(text);
            return complaint([&] { read_golden(from, one); });
        };
        REQUIRE(read(whole) == "accepted");
        std::size_t refused = 0;
        for (std::size_t n = 0; n < whole.size(); ++n) refused += read(whole.substr(0, n)).rfind("bad_message frame ", 0) == 0;
        CHECK(refused == whole.size());
        refused = 0;
        for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
            std::string bad = whole;
            bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
            refused += read(bad).rfind("bad_message ", 0) == 0;
        }
        CHECK(refused == 8 * whole.size());
    }
}

TEST_CASE("without a frame, every truncation and every flipped bit is refused or decodes within bounds, the target untouched when refused")
{
    for (const decoder& one : decoders()) {
        CAPTURE(golden_name(one));
        const auto good = golden_of(one).message;
        decoded what(one.list->total());
        std::size_t refused = 0;
        const auto take = [&](const std::vector<std::byte>& bad) {
            REQUIRE_NOTHROW(refused += !receive(one, bad, what));
            what.clear();
        };
        for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
            auto bad = good;
            bad[bit / 8] ^= std::byte{1} << (bit % 8);
            take(bad);
        }
        for (std::size_t n = 0; n < good.size(); ++n) {
            auto bad = good;
            std::fill(bad.begin() + static_cast<std::ptrdiff_t>(n), bad.end(), std::byte{0xff});
            take(bad);
        }
        const bool anything_goes = one.number <= 3 || (one.number >= 7 && one.number <= 9) || one.number == 80; // values alone
        CHECK((refused == 0) == anything_goes);
    }
}

TEST_CASE("the corpora of the fuzzers still break no promise, and hold an input of every decoder")
{
    std::set<std::uint8_t> first;
    replay("decoder", [&first](std::span<const std::uint8_t> input) {
        if (!input.empty()) first.insert(input[0]);
        decode_anything(input);
    });
    for (const decoder& one : decoders()) {
        CAPTURE(golden_name(one));
        CHECK(first.contains(corpus_byte(one)));
        CHECK(chosen_decoder(corpus_byte(one)) == static_cast<std::size_t>(&one - decoders().data()));
    }
    CHECK(replay("frame", read_any_frame) >= 3);
}
