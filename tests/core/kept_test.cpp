/// @file How a ratio becomes a count of kept elements.
#include <gradcomp/core/kept.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <string>

namespace gc = gradcomp;

static_assert(gc::kept_count(1000, 10) == 100);
static_assert(gc::kept_exactly(10, 3) == 3);

TEST_CASE("kept_count is floor(d / ratio), at least 1, and 0 only for an empty tensor")
{
    CHECK(gc::kept_count(0, 64) == 0);
    CHECK(gc::kept_count(1, 64) == 1);
    CHECK(gc::kept_count(10, 64) == 1);
    CHECK(gc::kept_count(64, 64) == 1);
    CHECK(gc::kept_count(127, 64) == 1);
    CHECK(gc::kept_count(128, 64) == 2);
    CHECK(gc::kept_count(200704, 64) == 3136);
    CHECK(gc::kept_count(25557032, 1000) == 25557);
    CHECK(gc::kept_count(5, 1) == 5);
    CHECK(gc::kept_count(7, 1.5) == 4);
    CHECK(gc::kept_count(7, 7.5) == 1);
    CHECK(gc::kept_count(11, 1.1) == 10);
    CHECK(gc::kept_count(5, 1e300) == 1);
}

TEST_CASE("a whole-numbered ratio divides exactly for every d")
{
    for (std::size_t d = 1; d < 3000; ++d)
        for (std::size_t ratio = 1; ratio < 70; ++ratio) CHECK(gc::kept_count(d, static_cast<double>(ratio)) == std::max<std::size_t>(1, d / ratio));
    // Sizes that no double holds exactly.
    const std::size_t large = (std::size_t(1) << 62) + 1;
    CHECK(gc::kept_count(large, 1) == large);
    CHECK(gc::kept_count(large, 3) == large / 3);
    const std::size_t largest = std::numeric_limits<std::size_t>::max();
    CHECK(gc::kept_count(largest, 1) == largest);
    CHECK(gc::kept_count(largest, 2) == largest / 2);
    CHECK(gc::kept_count(largest, 1.0000000000000002) <= largest);
    CHECK(gc::kept_count(largest, 18446744073709551616.0) == 1);
    CHECK(gc::kept_count(largest, 9223372036854775808.0) == 1);
}

TEST_CASE("any other ratio keeps between d / ratio - 1 and d / ratio, and never less for a larger tensor")
{
    for (double ratio = 1; ratio < 40; ratio = ratio * 1.0371) {
        std::size_t before = 1;
        for (std::size_t d = 1; d < 2000; ++d) {
            const std::size_t k = gc::kept_count(d, ratio);
            const double exact = static_cast<double>(d) / ratio;
            CHECK(k >= before);
            CHECK(k >= 1);
            CHECK(k <= d);
            if (exact >= 1) CHECK(static_cast<double>(k) <= exact);
            CHECK(static_cast<double>(k) > exact - 1);
            before = k;
        }
    }
}

namespace {

/// The text of the error that a call throws, or "no error".
template <class Call> std::string error_of(Call call)
{
    try {
        call();
    } catch (const gc::error& e) {
        CHECK(e.code() == gc::error_code::invalid_option);
        return e.what();
    }
    return "no error";
}

} // namespace

TEST_CASE("a ratio below 1, NaN or infinite is an error that names it, for empty tensors as well")
{
    const std::string rest = ": must be finite and at least 1: elements of the original over elements sent";
    for (const std::size_t d : {std::size_t(0), std::size_t(10)}) {
        CHECK(error_of([&] { gc::kept_count(d, 0.5); }) == "invalid_option: ratio = 0.5" + rest);
        CHECK(error_of([&] { gc::kept_count(d, 0); }) == "invalid_option: ratio = 0" + rest);
        CHECK(error_of([&] { gc::kept_count(d, -64); }) == "invalid_option: ratio = -64" + rest);
        CHECK(error_of([&] { gc::kept_count(d, std::numeric_limits<double>::infinity()); }) == "invalid_option: ratio = inf" + rest);
        CHECK(error_of([&] { gc::kept_count(d, std::numeric_limits<double>::quiet_NaN()); }) == "invalid_option: ratio = nan" + rest);
        CHECK(error_of([&] { gc::kept_count(d, 0.9999999999999999); }) == "invalid_option: ratio = 0.9999999999999999" + rest);
    }
}

TEST_CASE("an explicit k must lie in [1, d]; an empty tensor keeps nothing")
{
    CHECK(gc::kept_exactly(10, 1) == 1);
    CHECK(gc::kept_exactly(10, 10) == 10);
    CHECK(gc::kept_exactly(0, 5) == 0);
    CHECK(error_of([] { gc::kept_exactly(10, 11); }) == "invalid_option: k = 11: must be from 1 to 10, the elements of the tensor");
    CHECK(error_of([] { gc::kept_exactly(10, 0); }) == "invalid_option: k = 0: must be from 1 to 10, the elements of the tensor");
    CHECK(error_of([] { gc::kept_exactly(0, 0); }) == "invalid_option: k = 0: must be at least 1");
}

TEST_CASE("text_of writes the shortest decimal that reads back")
{
    CHECK(gc::text_of(0.5) == "0.5");
    CHECK(gc::text_of(64) == "64");
    CHECK(gc::text_of(0.1) == "0.1");
    CHECK(gc::text_of(1e-7) == "1e-07");
    CHECK(gc::text_of(1.0 / 3) == "0.3333333333333333");
    CHECK(gc::text_of(-0.0) == "-0");
    CHECK(gc::text_of(std::numeric_limits<double>::infinity()) == "inf");
    CHECK(gc::text_of(std::numeric_limits<double>::quiet_NaN()) == "nan");
}
