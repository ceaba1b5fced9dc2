/// @file Chosen blocks: which elements they are, where they stand in the message, and that every piece of a selection agrees.
#include <gradcomp/exec/cpu/gather_blocks.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <vector>

namespace gc = gradcomp;
using gc::block_choice, gc::exec::chosen_blocks;

namespace {

gc::random_stream stream(std::uint32_t step) { return {23, step, 1, gc::purpose::random_block, 0}; }

/// Element -> place in the message, as a plain loop over the definition sees it.
std::map<std::size_t, std::size_t> plain(const block_choice& choice, const gc::random_stream& from)
{
    std::map<std::size_t, std::size_t> place;
    if (choice.size == 0) return place;
    if (choice.block == 0) {
        const std::size_t start = from.below(choice.size);
        for (std::size_t j = 0; j < choice.kept; ++j) place[(start + j) % choice.size] = j;
        return place;
    }
    const gc::keyed_permutation order(static_cast<std::uint32_t>((choice.size + choice.block - 1) / choice.block), from);
    for (std::uint32_t slot = 0; slot < choice.kept / choice.block; ++slot)
        for (std::size_t j = 0; j < choice.block; ++j)
            if (const std::size_t i = std::size_t{order(slot)} * choice.block + j; i < choice.size) place[i] = slot * choice.block + j;
    return place;
}

std::vector<block_choice> choices()
{
    std::vector<block_choice> all;
    for (const std::size_t size : {0u, 1u, 2u, 5u, 16u, 17u, 100u, 257u, 1000u})
        for (const std::uint32_t block : {0u, 1u, 3u, 16u, 64u})
            for (const std::size_t share : {1u, 2u, 7u}) {
                const std::size_t k = size == 0 ? 0 : std::max<std::size_t>(1, size / share);
                all.push_back({.size = size, .kept = block_choice::kept_for(k, block), .block = block_choice::block_for(k, block)});
            }
    return all;
}

} // namespace

TEST_CASE("pieces are the chosen elements in index order, for any cut of the selection")
{
    for (const block_choice& choice : choices()) {
        chosen_blocks blocks(choice);
        for (std::uint32_t step = 0; step < 20; ++step) { // the same object step after step, as a coder holds it
            blocks.draw(stream(step));
            const auto expected = plain(choice, stream(step));
            for (const std::size_t cut : {std::size_t{1}, std::size_t{7}, std::size_t{64}, choice.size + 1}) {
                std::map<std::size_t, std::size_t> seen;
                std::size_t last = 0, out_of_order = 0, outside = 0;
                for (std::size_t begin = 0; begin < choice.size; begin += cut) {
                    const std::size_t end = std::min(choice.size, begin + cut);
                    blocks.pieces(begin, end, [&](std::size_t first, std::size_t count, std::size_t at) {
                        out_of_order += first < last || count == 0;
                        outside += first < begin || first + count > end;
                        last = first + count;
                        for (std::size_t j = 0; j < count; ++j) seen[first + j] = at + j;
                    });
                }
                CAPTURE(choice.size);
                CAPTURE(choice.block);
                REQUIRE(out_of_order == 0);
                REQUIRE(outside == 0);
                REQUIRE(seen == expected);
            }
            if (choice.block != 0)
                for (std::uint32_t slot = 0; slot < choice.slots(); ++slot) REQUIRE(expected.at(blocks.first_of(slot)) == std::size_t{slot} * choice.block);
        }
    }
}

TEST_CASE("one run contains each element for exactly kept of its size starts")
{
    for (const std::size_t size : {1u, 2u, 7u, 20u})
        for (std::size_t kept = 1; kept <= size; ++kept) {
            // Draw until every start has been seen, and count each start once.
            std::map<std::size_t, bool> starts;
            std::vector<std::size_t> included(size);
            chosen_blocks blocks(block_choice{.size = size, .kept = kept});
            for (std::uint32_t step = 0; starts.size() < size && step < 2000; ++step) {
                if (std::exchange(starts[stream(step).below(size)], true)) continue;
                blocks.draw(stream(step));
                blocks.pieces(0, size, [&](std::size_t first, std::size_t count, std::size_t) {
                    for (std::size_t j = 0; j < count; ++j) ++included[first + j];
                });
            }
            REQUIRE(starts.size() == size);
            CHECK(included == std::vector<std::size_t>(size, kept));
        }
}

TEST_CASE("every element is chosen with the stated probability, wrap and few blocks included")
{
    struct one {
        std::size_t size, kept;
        std::uint32_t block;
    };
    std::vector<one> all{{37, 5, 0}, {64, 63, 0}, {1000, 100, 0}, {100, 32, 16}, {96, 48, 16}, {10, 3, 1}};
    for (std::size_t n = 2; n <= 9; ++n) all.push_back({n * 4 - 1, 4, 4}); // one of n blocks, the last of them partial
    for (const one& of : all) {
        constexpr std::uint32_t draws = 20000;
        const block_choice choice{.size = of.size, .kept = of.kept, .block = of.block};
        const double q = of.block == 0 ? double(of.kept) / double(of.size) : double(choice.slots()) / double(choice.blocks());
        chosen_blocks blocks(choice);
        std::vector<double> count(of.size);
        for (std::uint32_t step = 0; step < draws; ++step) {
            blocks.draw(stream(step));
            blocks.pieces(0, of.size, [&](std::size_t first, std::size_t length, std::size_t) {
                for (std::size_t j = 0; j < length; ++j) ++count[first + j];
            });
        }
        double worst = 0;
        for (const double c : count) worst = std::max(worst, std::abs(c - draws * q) / std::sqrt(draws * q * (1 - q)));
        CAPTURE(of.size);
        CAPTURE(of.block);
        CHECK(worst < 6);
    }
}
