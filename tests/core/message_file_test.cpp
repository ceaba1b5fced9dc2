/// @file Framed messages in streams and files: what was written is read, what is not expected is refused by name.
#include "compress/complaint.hpp"

#include <gradcomp/core/message_file.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include <sstream>

using namespace gradcomp;

namespace {

std::vector<std::byte> some_bytes(std::size_t n, unsigned start)
{
    std::vector<std::byte> out(n);
    for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<std::byte>(start + 37 * i);
    return out;
}

/// A folder of this process that goes away with it.
class scratch {
public:
    scratch() : path_(std::filesystem::temp_directory_path() / "gradcomp_XXXXXX")
    {
        std::string name = path_.string();
        REQUIRE(mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    scratch(const scratch&) = delete;
    ~scratch() { std::filesystem::remove_all(path_); }
    std::filesystem::path operator/(const char* name) const { return path_ / name; }

private:
    std::filesystem::path path_;
};

} // namespace

TEST_CASE("messages of several sizes follow each other in a stream and are read in order")
{
    std::stringstream stream;
    const std::size_t sizes[] = {0, 1, 31, 4096};
    for (const std::size_t n : sizes) write_message(stream, {.kind = 3, .step = n}, some_bytes(n, 5));
    for (const std::size_t n : sizes) {
        std::vector<std::byte> payload(n);
        read_message(stream, {.kind = 3, .step = n}, payload);
        CHECK(payload == some_bytes(n, 5));
    }
    CHECK(complaint([&] { read_message(stream, {.kind = 3}, {}); }) == "bad_message frame 0");
}

TEST_CASE("a stream that ends early is refused at every byte, and every flipped bit by name")
{
    const frame_header sent{.kind = 9, .tensors = 77, .step = 4};
    std::ostringstream out;
    write_message(out, sent, some_bytes(50, 1));
    const std::string whole = out.str();
    std::vector<std::byte> payload(50);
    const auto read = [&](const std::string& text) {
        std::istringstream from(text);
        return complaint([&] { read_message(from, sent, payload); });
    };
    REQUIRE(read(whole) == "accepted");
    for (std::size_t n = 0; n < whole.size(); ++n) REQUIRE(read(whole.substr(0, n)) == "bad_message frame " + std::to_string(n));
    for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
        std::string bad = whole;
        bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
        const std::string said = read(bad);
        REQUIRE(said.rfind("bad_message ", 0) == 0);
        if (bit / 8 >= sizeof(frame_header)) REQUIRE(said.rfind("bad_message payload_crc ", 0) == 0);
    }
}

TEST_CASE("a header that does not fit is refused before its payload is read: no size on the wire is believed")
{
    std::ostringstream out;
    write_message(out, {.kind = 1}, some_bytes(8, 0));
    std::istringstream from(out.str());
    std::vector<std::byte> payload(16, std::byte{0xee});
    CHECK(complaint([&] { read_message(from, {.kind = 1}, payload); }) == "bad_message bytes 8");
    CHECK(from.tellg() == std::istringstream::pos_type(sizeof(frame_header)));
    CHECK(payload == std::vector<std::byte>(16, std::byte{0xee}));
    std::istringstream newer(out.str());
    CHECK(complaint([&] { read_message(newer, {.version = 2, .kind = 1}, std::span(payload).first(8)); }) == "bad_message version 1");
}

TEST_CASE("a file holds one message and nothing else; half of one is never seen")
{
    const scratch folder;
    const auto path = folder / "message";
    const auto payload = some_bytes(300, 9);
    save_message(path, {.kind = 5, .step = 6}, payload);
    CHECK(std::filesystem::file_size(path) == sizeof(frame_header) + 300);
    CHECK(!std::filesystem::exists(folder / "message.part"));
    std::vector<std::byte> back(300);
    load_message(path, {.kind = 5, .step = 6}, back);
    CHECK(back == payload);
    CHECK(complaint([&] { load_message(path, {.kind = 6, .step = 6}, back); }) == "bad_message kind 5");
    CHECK(complaint([&] { load_message(path, {.kind = 5, .step = 6}, std::span(back).first(299)); }) == "bad_message bytes 300");
    std::ofstream(path, std::ios::binary | std::ios::app) << 'x';
    CHECK(complaint([&] { load_message(path, {.kind = 5, .step = 6}, back); }) == "bad_message frame " + path.string());
    CHECK(complaint([&] { load_message(folder / "none", {}, back); }) == "file path " + (folder / "none").string());
    CHECK(complaint([&] { save_message(folder / "no/such/folder", {}, back); }) == "file path " + (folder / "no/such/folder").string());
}

TEST_CASE("a stream that takes no more is an error, not a silent loss")
{
    std::ofstream full("/dev/full", std::ios::binary);
    if (full.is_open()) CHECK(complaint([&] { write_message(full, {}, some_bytes(1 << 16, 0)); }) == "file stream 65536");
    std::ostringstream closed;
    closed.setstate(std::ios::badbit);
    CHECK(complaint([&] { write_message(closed, {}, some_bytes(3, 0)); }) == "file stream 3");
}
