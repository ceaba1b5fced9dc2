/// @file The frames of gathered messages: hostile headers name their sender, before anything of a message is used.
#include <gradcomp/reduce/gathered.hpp>

#include <doctest/doctest.h>

#include <optional>
#include <vector>

namespace gc = gradcomp;

namespace {

std::optional<gc::error> read(const gc::gathered_header& header, std::uint32_t step, std::size_t bytes, int sender)
{
    std::byte frame[sizeof header];
    std::memcpy(frame, &header, sizeof header);
    try {
        const gc::gathered_header back = gc::read_header(frame, step, bytes, sender);
        CHECK(back.step == header.step);
        CHECK(back.said == header.said);
        CHECK(back.bytes == header.bytes);
        return std::nullopt;
    } catch (const gc::error& e) {
        return e;
    }
}

} // namespace

TEST_CASE("a header of this step and size is read as it is")
{
    for (const auto said : {gc::verdict::accepted, gc::verdict::rejected, gc::verdict::unreadable}) CHECK(!read({7, said, 40}, 7, 40, 3));
    CHECK(!read({0, gc::verdict::accepted, 0}, 0, 0, 0));
}

TEST_CASE("a header of another step names the sender and both steps")
{
    for (const std::uint32_t step : {6u, 8u, 0xffffffffu}) {
        const auto e = read({step, gc::verdict::accepted, 40}, 7, 40, 3);
        REQUIRE(e);
        CHECK(e->code() == gc::error_code::bad_message);
        CHECK(e->field() == "step");
        CHECK(e->value() == std::to_string(step));
        CHECK(std::string(e->what()).find("rank 3") != std::string::npos);
        CHECK(std::string(e->what()).find("7") != std::string::npos);
    }
}

TEST_CASE("a header of another size names the sender and both sizes")
{
    for (const std::uint64_t bytes : {std::uint64_t{0}, std::uint64_t{39}, std::uint64_t{41}, ~std::uint64_t{0}}) {
        const auto e = read({7, gc::verdict::accepted, bytes}, 7, 40, 5);
        REQUIRE(e);
        CHECK(e->code() == gc::error_code::bad_message);
        CHECK(e->field() == "bytes");
        CHECK(e->value() == std::to_string(bytes));
        CHECK(std::string(e->what()).find("rank 5") != std::string::npos);
    }
}

TEST_CASE("a verdict that is none is no message")
{
    const auto e = read({7, static_cast<gc::verdict>(3), 40}, 7, 40, 2);
    REQUIRE(e);
    CHECK(e->field() == "verdict");
    CHECK(e->value() == "3");
}

TEST_CASE("frames are as long as header and payload, padded to the header's alignment")
{
    CHECK(gc::gathered_stride(0) == 16);
    CHECK(gc::gathered_stride(1) == 32);
    CHECK(gc::gathered_stride(16) == 32);
    CHECK(gc::gathered_stride(17) == 48);
    for (std::size_t bytes = 0; bytes < 100; ++bytes) {
        CHECK(gc::gathered_stride(bytes) % 16 == 0);
        CHECK(gc::gathered_stride(bytes) - 16 - bytes < 16);
    }
}
