/// @file How many elements and blocks a selection of random blocks sends.
#include <gradcomp/core/blocks.hpp>

#include <doctest/doctest.h>

namespace gc = gradcomp;

static_assert(gc::block_choice::kept_for(100, 0) == 100 && gc::block_choice::block_for(100, 0) == 0);

TEST_CASE("whole blocks are sent, or one run of k where not even one block fits")
{
    CHECK(gc::block_choice::kept_for(100, 16) == 96);
    CHECK(gc::block_choice::block_for(100, 16) == 16);
    CHECK(gc::block_choice::kept_for(16, 16) == 16);
    CHECK(gc::block_choice::kept_for(15, 16) == 15);
    CHECK(gc::block_choice::block_for(15, 16) == 0);
    CHECK(gc::block_choice::kept_for(7, 1) == 7);
    CHECK(gc::block_choice::kept_for(0, 16) == 0);
    CHECK(gc::block_choice::block_for(0, 16) == 0);
}

TEST_CASE("a partial last block counts as a block")
{
    const gc::block_choice choice{.size = 100, .kept = 32, .block = 16};
    CHECK(choice.blocks() == 7);
    CHECK(choice.slots() == 2);
    CHECK(gc::block_choice{.size = 96, .kept = 96, .block = 16}.blocks() == 6);
}

TEST_CASE("start and order are those of the stream")
{
    const gc::random_stream stream{3, 4, 5, gc::purpose::random_block, 0};
    const gc::block_choice run{.size = 1000, .kept = 10}, blocks{.size = 1000, .kept = 128, .block = 64};
    CHECK(run.start(stream) == stream.below(1000));
    const gc::keyed_permutation order(16, stream);
    for (std::uint32_t slot = 0; slot < blocks.slots(); ++slot) CHECK(blocks.order(stream)(slot) == order(slot));
}
