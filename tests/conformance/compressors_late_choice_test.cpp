/// @file adaptive_random, threshold and block_top_k keep what all compressors promise: one line per policy.
#include "compressor_conformance.hpp"

using namespace conformance;
using gc::limit_unit, gc::scope;

TEST_CASE("adaptive_random of one element conforms") { compressor(gc::adaptive_random{.ratio = 1e9}); }
TEST_CASE("adaptive_random of a small ratio over the whole model conforms") { compressor(gc::adaptive_random{.ratio = 4, .scope = scope::whole_model}); }
TEST_CASE("threshold of the maximum conforms") { compressor(gc::threshold<>{.limit = 0.25, .ratio = 5}); }
TEST_CASE("threshold of the norm over the whole model conforms") { compressor(gc::threshold<limit_unit::norm>{.limit = 0.9, .ratio = 2, .scope = scope::whole_model}); }
TEST_CASE("threshold of a fixed magnitude conforms") { compressor(gc::threshold<limit_unit::absolute>{.limit = 0.75, .ratio = 3}); }
TEST_CASE("block_top_k of small blocks conforms") { compressor(gc::block_top_k{.ratio = 6, .block = 8}); }
TEST_CASE("block_top_k of odd blocks over the whole model conforms") { compressor(gc::block_top_k{.ratio = 3, .block = 100, .scope = scope::whole_model}); }
