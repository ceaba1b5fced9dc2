/// @file How tensors are cut into selections, and how an index finds its element.
#include <gradcomp/core/layout.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

namespace gc = gradcomp;

namespace {

const gc::tensor_list list{{"a", {4}}, {"no", {0}}, {"b", {2, 3}}, {"c", {}}, {"end", {0}}};
std::size_t half(std::size_t d) { return (d + 1) / 2; }

} // namespace

TEST_CASE("per tensor, each tensor is a selection of its own")
{
    const gc::layout cut = gc::make_layout(list, {0, 1, 2, 3, 4}, gc::scope::per_tensor, half);
    REQUIRE(cut.selections.size() == 5);
    const std::size_t sizes[] = {4, 0, 6, 1, 0}, kept[] = {2, 0, 3, 1, 0}, positions[] = {0, 4, 4, 10, 11}, payloads[] = {0, 2, 2, 5, 6};
    for (std::size_t n = 0; n < 5; ++n) {
        const gc::selection& s = cut.selections[n];
        CHECK(s.size == sizes[n]);
        CHECK(s.kept == kept[n]);
        CHECK(s.position == positions[n]);
        CHECK(s.payload == payloads[n]);
        CHECK(s.key == n);
        REQUIRE(s.end == s.begin + 1);
        CHECK(cut.segments[s.begin].offset == list.offset(n));
        CHECK(cut.segments[s.begin].first == 0);
    }
    CHECK(cut.size == 11);
    CHECK(cut.kept == 6);
}

TEST_CASE("over the whole model, all tensors of the group are one selection")
{
    const gc::layout cut = gc::make_layout(list, {2, 3, 4}, gc::scope::whole_model, half);
    REQUIRE(cut.selections.size() == 1);
    CHECK(cut.selections[0].size == 7);
    CHECK(cut.selections[0].kept == 4);
    CHECK(cut.selections[0].key == 2);
    REQUIRE(cut.segments.size() == 3);
    CHECK(cut.segments[0].offset == 4);
    CHECK(cut.segments[1].first == 6);
    CHECK(cut.segments[1].tensor == 3);
    CHECK(gc::make_layout(list, {}, gc::scope::whole_model, half).selections.empty());
}

TEST_CASE("place_of finds the element of every index, past empty tensors and gaps")
{
    for (const gc::scope over : {gc::scope::per_tensor, gc::scope::whole_model}) {
        const gc::layout cut = gc::make_layout(list, {1, 2, 3, 4}, over, half);
        std::vector<std::size_t> found;
        for (const gc::selection& s : cut.selections)
            for (std::size_t i = 0; i < s.size; ++i) found.push_back(gc::place_of(cut, s)(i));
        CHECK(found == std::vector<std::size_t>{4, 5, 6, 7, 8, 9, 10});
    }
    const gc::layout gaps = gc::make_layout(list, {0, 3}, gc::scope::whole_model, half);
    const gc::place_of place(gaps, gaps.selections[0]);
    CHECK(place(3) == 3);
    CHECK(place(4) == 10);
}

TEST_CASE("an error about a count names the tensor it was meant for")
{
    const auto refuse = [](std::size_t d) -> std::size_t {
        if (d == 6) throw gc::error(gc::error_code::invalid_option, "k", "7", "must be from 1 to 6");
        return d;
    };
    try {
        gc::make_layout(list, {0, 1, 2, 3}, gc::scope::per_tensor, refuse);
        FAIL("accepted");
    } catch (const gc::error& e) {
        CHECK(e.tensor() == "b");
        CHECK(e.field() == "k");
    }
}
