/// @file Every reducer keeps what all reducers promise: one line per policy.
#include "reducer_conformance.hpp"

using namespace conformance;

namespace {

const auto ring = [](gc::comm::in_process c) { return gc::ring{c}; };
const auto all_gather = [](gc::comm::in_process c) { return gc::all_gather{c}; };
const auto framed = [](gc::comm::in_process c) { return gc::framed{gc::all_gather{c}}; };
const auto first_root = [](gc::comm::in_process c) { return gc::gather_to_root{c}; };
const auto last_root = [](gc::comm::in_process c) { return gc::gather_to_root<gc::comm::in_process>{c, c.size() - 1}; };

} // namespace

TEST_CASE("ring conforms") { reducer(ring); }
TEST_CASE("all_gather conforms") { reducer(all_gather); }
TEST_CASE("all_gather with frames conforms") { reducer(framed); }
TEST_CASE("gather_to_root conforms") { reducer(first_root); }
TEST_CASE("gather_to_root with another root conforms") { reducer(last_root); }

TEST_CASE("ring, all_gather and gather_to_root agree exactly where sums are exact")
{
    agree(ring, all_gather, gc::random_block{.ratio = 6});
    agree(ring, first_root, gc::random_block{.ratio = 6});
    agree(ring, last_root, gc::identity{});
    agree(all_gather, last_root, gc::top_k{.ratio = 6});
}
