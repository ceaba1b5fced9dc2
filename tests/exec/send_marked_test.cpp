/// @file Marked subsets: as many as asked for, uniform, and found again by every way of asking.
#include <gradcomp/exec/cpu/send_marked.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

namespace gc = gradcomp;
using gc::exec::marked_subset;

namespace {

gc::random_stream stream(std::uint32_t step) { return {29, step, 1, gc::purpose::rand_k, 0}; }

std::vector<std::size_t> members(const marked_subset& subset, std::size_t begin, std::size_t end)
{
    std::vector<std::size_t> found;
    subset.for_each(begin, end, [&](std::size_t i) { found.push_back(i); });
    return found;
}

} // namespace

TEST_CASE("a draw marks exactly the asked-for number of distinct coordinates, the first ones of the keyed order")
{
    for (const std::size_t size : {1u, 2u, 63u, 64u, 65u, 128u, 1000u, 4097u})
        for (const std::size_t kept : {std::size_t{0}, std::size_t{1}, size / 2, size - 1, size}) {
            marked_subset subset(size, kept);
            for (std::uint32_t step = 0; step < 3; ++step) {
                subset.draw(stream(step));
                const auto all = members(subset, 0, size);
                REQUIRE(all.size() == kept);
                REQUIRE(std::is_sorted(all.begin(), all.end()));
                REQUIRE(std::adjacent_find(all.begin(), all.end()) == all.end());
                std::vector<std::size_t> expected;
                const gc::keyed_permutation order(static_cast<std::uint32_t>(size), stream(step));
                for (std::uint32_t j = 0; j < kept; ++j) expected.push_back(order(j));
                std::sort(expected.begin(), expected.end());
                REQUIRE(all == expected);
            }
        }
    marked_subset none(0, 0);
    none.draw(stream(0));
    CHECK(members(none, 0, 0).empty());
}

TEST_CASE("count_below and parts of the range agree with the whole")
{
    marked_subset subset(1000, 333);
    subset.draw(stream(8));
    const auto all = members(subset, 0, 1000);
    for (const std::size_t cut : {0u, 1u, 63u, 64u, 65u, 127u, 500u, 959u, 960u, 999u, 1000u}) {
        const auto below = members(subset, 0, cut), above = members(subset, cut, 1000);
        CHECK(subset.count_below(cut) == below.size());
        auto joined = below;
        joined.insert(joined.end(), above.begin(), above.end());
        CHECK(joined == all);
        for (const std::size_t end : {cut, std::min<std::size_t>(1000, cut + 1), std::min<std::size_t>(1000, cut + 30)}) {
            std::size_t inside = 0;
            for (const std::size_t i : all) inside += i >= cut && i < end;
            CHECK(members(subset, cut, end).size() == inside);
        }
    }
}

TEST_CASE("every coordinate is marked with probability kept / size")
{
    struct one {
        std::size_t size, kept;
    };
    for (const one of : {one{2, 1}, one{3, 1}, one{5, 2}, one{7, 1}, one{9, 8}, one{64, 5}, one{200, 20}}) {
        constexpr std::uint32_t draws = 20000;
        const double q = double(of.kept) / double(of.size);
        std::vector<double> count(of.size);
        marked_subset subset(of.size, of.kept);
        for (std::uint32_t step = 0; step < draws; ++step) {
            subset.draw(stream(step));
            subset.for_each(0, of.size, [&](std::size_t i) { ++count[i]; });
        }
        double worst = 0;
        for (const double c : count) worst = std::max(worst, std::abs(c - draws * q) / std::sqrt(draws * q * (1 - q)));
        CAPTURE(of.size);
        CHECK(worst < 6);
    }
}
