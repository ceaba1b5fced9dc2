/// @file The one exception type: its sentence, its fields, and how outer layers add the place.
#include <gradcomp/core/error.hpp>

#include <doctest/doctest.h>

#include <string>

namespace gc = gradcomp;

TEST_CASE("an error's sentence holds code, field, value, expectation and place")
{
    const gc::error e(gc::error_code::invalid_option, "ratio", "0.5", "must be finite and at least 1", {.rank = 2, .step = 17, .tensor = "fc1.weight"});
    CHECK(std::string(e.what()) == "invalid_option: ratio = 0.5: must be finite and at least 1 (rank 2, step 17, tensor fc1.weight)");
    CHECK(e.code() == gc::error_code::invalid_option);
    CHECK(e.rank() == 2);
    CHECK(e.step() == 17);
    CHECK(e.tensor() == "fc1.weight");
    CHECK(e.field() == "ratio");
    CHECK(e.value() == "0.5");
}

TEST_CASE("what does not apply is left out of the sentence")
{
    CHECK(std::string(gc::error(gc::error_code::device, "stream", "", "was destroyed").what()) == "device: stream: was destroyed");
    CHECK(std::string(gc::error(gc::error_code::overlap, "gradient", "x", "is bad", {.step = 0}).what()) == "overlap: gradient = x: is bad (step 0)");
    CHECK(std::string(gc::error(gc::error_code::overlap, "gradient", "x", "is bad", {.tensor = "w"}).what()) == "overlap: gradient = x: is bad (tensor w)");
}

TEST_CASE("at() fills in what was unknown and keeps what was known")
{
    const gc::error inner(gc::error_code::bad_message, "index[3]", "9", "must be below 7", {.tensor = "w"});
    const gc::error outer = inner.at({.rank = 1, .step = 4, .tensor = "other"});
    CHECK(outer.rank() == 1);
    CHECK(outer.step() == 4);
    CHECK(outer.tensor() == "w");
    CHECK(std::string(outer.what()) == "bad_message: index[3] = 9: must be below 7 (rank 1, step 4, tensor w)");
    const gc::error again = outer.at({.rank = 8, .step = 9});
    CHECK(again.rank() == 1);
    CHECK(again.step() == 4);
}

TEST_CASE("every code has its own name")
{
    for (int a = 0; a <= static_cast<int>(gc::error_code::file); ++a) {
        CHECK(!gc::name_of(static_cast<gc::error_code>(a)).empty());
        for (int b = 0; b < a; ++b) CHECK(gc::name_of(static_cast<gc::error_code>(a)) != gc::name_of(static_cast<gc::error_code>(b)));
    }
    CHECK(gc::name_of(gc::error_code::device) == "device");
    CHECK(gc::name_of(gc::error_code::file) == "file");
    CHECK(gc::name_of(gc::error_code::peer_lost) == "peer_lost");
}
