/// @file A quantizer behind each of the other sparsifiers keeps what all compressors promise: one line per policy.
#include "compressor_conformance.hpp"

using namespace conformance;
using gc::limit_unit;

TEST_CASE("adaptive_random, then natural, conforms") { compressor(gc::chain{gc::adaptive_random{.ratio = 4}, gc::natural<>{}}); }
TEST_CASE("block_top_k, then block_sign, conforms") { compressor(gc::chain{gc::block_top_k{.ratio = 3, .block = 7}, gc::block_sign{.bucket = 16}}); }
TEST_CASE("threshold, then block_sign, conforms") { compressor(gc::chain{gc::threshold<limit_unit::maximum>{.limit = 0.5, .ratio = 3}, gc::block_sign{.bucket = 16}}); }
TEST_CASE("unbiased rand_k, then natural, conforms") { compressor(gc::chain{gc::rand_k<>{.ratio = 4}, gc::natural<>{}}); }
