/// @file SHA-256 against the published examples.
#include "data/sha256.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>

namespace {

std::string digest(const std::string& text)
{
    apps::data::sha256 hash;
    hash.update({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    return hash.hex();
}

} // namespace

TEST_CASE("sha256: the known answers of the standard's examples")
{
    CHECK(digest("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    CHECK(digest("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu") ==
        "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
    CHECK(digest(std::string(1000000, 'a')) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("sha256: pieces of any size give the digest of the whole, at every length around a block")
{
    for (std::size_t length = 0; length <= 130; ++length) {
        const std::string text(length, 'x');
        apps::data::sha256 pieces;
        for (std::size_t at = 0; at < length; at += 3) {
            const std::size_t count = std::min<std::size_t>(3, length - at);
            pieces.update({reinterpret_cast<const std::uint8_t*>(text.data()) + at, count});
        }
        CHECK(pieces.hex() == digest(text));
    }
}

TEST_CASE("sha256: a file's digest is that of its bytes, and a file that is not there has none")
{
    const auto file = std::filesystem::temp_directory_path() / ("gradcomp_sha256_test_" + std::to_string(getpid()));
    const std::string text(100000, 'q');
    std::ofstream(file, std::ios::binary) << text;
    CHECK(apps::data::sha256_of(file) == digest(text));
    std::filesystem::remove(file);
    CHECK(apps::data::sha256_of(file).empty());
}
