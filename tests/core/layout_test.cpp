/// @file How tensors are cut into selections, how an index finds its element, and what a hostile message cannot do.
#include <gradcomp/core/layout.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

namespace gc = gradcomp;

namespace {

const gc::tensor_list list{{"a", {4}}, {"no", {0}}, {"b", {2, 3}}, {"c", {}}, {"end", {0}}};
std::size_t half(std::size_t d) { return (d + 1) / 2; }

/// The complaint about a message, or "accepted".
std::string verdict(const gc::layout& where, std::vector<std::uint32_t> index)
{
    try {
        gc::check_indices(where, index.data());
        return "accepted";
    } catch (const gc::error& e) {
        return std::string(gc::name_of(e.code())) + " " + e.field() + " " + e.value();
    }
}

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
            for (std::size_t i = 0; i < s.size; ++i) found.push_back(gc::place_of(cut, s)(static_cast<std::uint32_t>(s.position + i)));
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

TEST_CASE("a hostile message is found before anything is applied")
{
    const gc::layout cut = gc::make_layout(list, {0, 2, 3}, gc::scope::per_tensor, half); // 2 of [0, 4), 3 of [4, 10), 1 of [10, 11)
    CHECK(verdict(cut, {0, 3, 4, 5, 9, 10}) == "accepted");
    CHECK(verdict(cut, {0, 4, 4, 5, 9, 10}) == "bad_message index[1] 4");           // behind its selection
    CHECK(verdict(cut, {0, 3, 3, 5, 9, 10}) == "bad_message index[2] 3");           // before its selection
    CHECK(verdict(cut, {2, 2, 4, 5, 9, 10}) == "bad_message index[1] 2");           // twice the same
    CHECK(verdict(cut, {3, 0, 4, 5, 9, 10}) == "bad_message index[1] 0");           // not ascending
    CHECK(verdict(cut, {0, 3, 4, 9, 5, 10}) == "bad_message index[4] 5");           // not ascending, in the middle
    CHECK(verdict(cut, {0, 3, 4, 5, 9, 11}) == "bad_message index[5] 11");          // behind the group
    CHECK(verdict(cut, {0xffffffffu, 3, 4, 5, 9, 10}) == "bad_message index[0] 4294967295");
    CHECK(verdict(cut, {0x80000000u, 3, 4, 5, 9, 10}) == "bad_message index[0] 2147483648");
    const gc::layout whole = gc::make_layout(list, {0, 2, 3}, gc::scope::whole_model, half);
    CHECK(verdict(whole, {0, 1, 2, 3, 9, 10}) == "accepted");
    CHECK(verdict(whole, {0, 1, 2, 3, 9, 11}) == "bad_message index[5] 11");
    CHECK(verdict(gc::make_layout(list, {1, 4}, gc::scope::per_tensor, half), {}) == "accepted");
}

TEST_CASE("among all short messages exactly the ascending ones inside the selection are accepted")
{
    const gc::layout cut = gc::make_layout(gc::tensor_list{{"a", {5}}}, {0}, gc::scope::per_tensor, [](std::size_t) { return std::size_t{3}; });
    int accepted = 0;
    for (std::uint32_t a = 0; a < 7; ++a)
        for (std::uint32_t b = 0; b < 7; ++b)
            for (std::uint32_t c = 0; c < 7; ++c) {
                const bool good = a < b && b < c && c < 5;
                CHECK((verdict(cut, {a, b, c}) == "accepted") == good);
                accepted += good;
            }
    CHECK(accepted == 10);
}
