/// @file Tensor lists: sizes, offsets, and the shapes that cannot be.
#include <gradcomp/core/tensors.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <string>

namespace gc = gradcomp;

TEST_CASE("a list packs its tensors one behind the other")
{
    const gc::tensor_list list{{"w", {3, 4}}, {"empty", {0, 9}}, {"b", {5}}, {"scalar", {}}};
    CHECK(list.count() == 4);
    CHECK(list.total() == 18);
    const std::size_t sizes[] = {12, 0, 5, 1}, offsets[] = {0, 12, 12, 17};
    for (std::size_t t = 0; t < 4; ++t) {
        CHECK(list.size(t) == sizes[t]);
        CHECK(list.offset(t) == offsets[t]);
        CHECK(list[t].size() == sizes[t]);
    }
    CHECK(list.name(2) == "b");
    CHECK(list.shape(0) == std::vector<std::size_t>{3, 4});
    CHECK(gc::tensor_list{}.total() == 0);
}

TEST_CASE("two tensors must not share a name")
{
    try {
        gc::tensor_list({{"w", {1}}, {"b", {1}}, {"w", {2}}});
        FAIL("a list with two tensors of one name was accepted");
    } catch (const gc::error& e) {
        CHECK(e.code() == gc::error_code::invalid_argument);
        CHECK(e.field() == "name");
        CHECK(e.value() == "w");
    }
}

TEST_CASE("sizes that leave std::size_t are errors that name the tensor")
{
    const std::size_t huge = std::numeric_limits<std::size_t>::max();
    const auto code_of = [](std::vector<gc::tensor> tensors) {
        try {
            return gc::tensor_list(std::move(tensors)).total() ? std::string("accepted") : std::string("zero");
        } catch (const gc::error& e) {
            return std::string(gc::name_of(e.code())) + " " + e.tensor();
        }
    };
    CHECK(code_of({{"a", {huge, 2}}}) == "size_overflow a");
    CHECK(code_of({{"a", {1}}, {"b", {std::size_t{1} << 32, std::size_t{1} << 32}}}) == "size_overflow b");
    CHECK(code_of({{"a", {huge / 32}}, {"b", {huge / 16}}}) == "size_overflow b");
    CHECK(code_of({{"a", {huge / 32}}, {"b", {huge / 64}}}) == "accepted");
    CHECK(code_of({{"a", {0, huge}}}) == "zero");
    CHECK(code_of({{"a", {huge, 0}}}) == "zero");
}
