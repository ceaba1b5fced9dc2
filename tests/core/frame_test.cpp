/// @file The frame around messages: checksum known answers, and every truncation and flipped bit refused.
#include "compress/complaint.hpp"

#include <gradcomp/core/frame.hpp>

#include <doctest/doctest.h>

using namespace gradcomp;

namespace {

std::vector<std::byte> bytes_of(const std::string& text)
{
    std::vector<std::byte> out(text.size());
    if (!text.empty()) std::memcpy(out.data(), text.data(), text.size());
    return out;
}

} // namespace

TEST_CASE("CRC32C gives the known answers, in one piece or in several")
{
    CHECK(crc32c(bytes_of("")) == 0);
    CHECK(crc32c(bytes_of("123456789")) == 0xE3069283u);
    CHECK(crc32c(std::vector<std::byte>(32)) == 0x8A9136AAu);
    CHECK(crc32c(std::vector<std::byte>(32, std::byte{0xff})) == 0x62A8AB43u);
    CHECK(crc32c(bytes_of("6789"), crc32c(bytes_of("12345"))) == 0xE3069283u);
}

TEST_CASE("tensor lists that differ in a name or a shape differ in their hash")
{
    const std::uint32_t of = hash_of(tensor_list{{"a", {2, 3}}, {"b", {4}}});
    CHECK(of == hash_of(tensor_list{{"a", {2, 3}}, {"b", {4}}}));
    CHECK(of != hash_of(tensor_list{{"a", {3, 2}}, {"b", {4}}}));
    CHECK(of != hash_of(tensor_list{{"a", {2, 3}}, {"c", {4}}}));
    CHECK(of != hash_of(tensor_list{{"a", {2, 3}}}));
    CHECK(hash_of(tensor_list{{"ab", {2}}}) != hash_of(tensor_list{{"a", {2}}}));
}

TEST_CASE("what was framed is read again; every truncation and every flipped bit is refused")
{
    const auto payload = bytes_of("thirty-one bytes of some payload");
    const frame_header expected{.kind = 7, .tensors = 0x1234, .step = 99, .bytes = payload.size()};
    std::vector<std::byte> frame(sizeof(frame_header) + payload.size());
    REQUIRE(write_frame(expected, payload, frame.data()) == frame.size());
    const auto read = read_frame(expected, frame);
    CHECK(std::vector<std::byte>(read.begin(), read.end()) == payload);
    for (std::size_t n = 0; n < frame.size(); ++n)
        REQUIRE(complaint([&] { read_frame(expected, std::span(frame).first(n)); }) == "bad_message frame " + std::to_string(n));
    for (std::size_t bit = 0; bit < 8 * frame.size(); ++bit) {
        auto bad = frame;
        bad[bit / 8] ^= std::byte{1} << (bit % 8);
        REQUIRE(complaint([&] { read_frame(expected, bad); }).rfind("bad_message", 0) == 0);
    }
}

TEST_CASE("a frame of another step, kind, element or model is refused by name")
{
    const frame_header sent{.kind = 1, .tensors = 5, .step = 3, .bytes = 0};
    std::vector<std::byte> frame(sizeof(frame_header));
    write_frame(sent, {}, frame.data());
    const auto read_as = [&](auto change) {
        frame_header expected = sent;
        change(expected);
        return complaint([&] { read_frame(expected, frame); });
    };
    CHECK(read_as([](frame_header&) {}) == "accepted");
    CHECK(read_as([](frame_header& h) { h.step = 4; }) == "bad_message step 3");
    CHECK(read_as([](frame_header& h) { h.kind = 2; }) == "bad_message kind 1");
    CHECK(read_as([](frame_header& h) { h.element = 8; }) == "bad_message element 4");
    CHECK(read_as([](frame_header& h) { h.tensors = 6; }) == "bad_message tensors 5");
    CHECK(read_as([](frame_header& h) { h.bytes = 1; }) == "bad_message frame 40");
}
