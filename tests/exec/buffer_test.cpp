/// @file Host buffers: zeroed, aligned, moved, and refused when too large.
#include <gradcomp/exec/cpu/buffer.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

namespace gc = gradcomp;

TEST_CASE("a buffer is zeroed and starts on a cache line, whatever its size")
{
    for (const std::size_t n : {std::size_t{1}, std::size_t{15}, std::size_t{16}, std::size_t{17}, std::size_t{100003}, (std::size_t{4} << 20) / sizeof(float), std::size_t{2000001}}) {
        gc::exec::host_buffer<float> buffer(n);
        REQUIRE(buffer.size() == n);
        CHECK(buffer.size_bytes() == 4 * n);
        CHECK(reinterpret_cast<std::uintptr_t>(buffer.data()) % 64 == 0);
        CHECK(std::all_of(buffer.span().begin(), buffer.span().end(), [](float x) { return x == 0.0f; }));
        buffer.data()[n - 1] = 1; // the last element is memory of its own
        CHECK(std::as_const(buffer).span().back() == 1.0f);
    }
}

TEST_CASE("an empty buffer holds no memory")
{
    CHECK(gc::exec::host_buffer<double>().data() == nullptr);
    CHECK(gc::exec::host_buffer<double>(0).data() == nullptr);
    CHECK(gc::exec::host_buffer<double>(0).size() == 0);
}

TEST_CASE("moving and swapping hand the memory over")
{
    gc::exec::host_buffer<int> a(3), b(5);
    a.data()[0] = 7;
    int* const memory = a.data();
    gc::exec::host_buffer<int> c(std::move(a));
    CHECK(c.data() == memory);
    CHECK(a.data() == nullptr);
    CHECK(a.size() == 0);
    std::swap(b, c);
    CHECK(b.data() == memory);
    CHECK(b.data()[0] == 7);
    CHECK(c.size() == 5);
    b = gc::exec::host_buffer<int>(2);
    CHECK(b.size() == 2);
}

TEST_CASE("a size that leaves std::size_t is refused with its value")
{
    try {
        gc::exec::host_buffer<double> buffer(std::numeric_limits<std::size_t>::max() / 8);
        FAIL("accepted");
    } catch (const gc::error& e) {
        CHECK(e.code() == gc::error_code::size_overflow);
        CHECK(e.field() == "elements");
        CHECK(e.value() == std::to_string(std::numeric_limits<std::size_t>::max() / 8));
    }
}
