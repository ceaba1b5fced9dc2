/// @file dct_top_k keeps what all compressors promise: one line per policy.
#include "compressor_conformance.hpp"

using namespace conformance;

TEST_CASE("dct_top_k conforms") { compressor(gc::dct_top_k<>{}); }
TEST_CASE("dct_top_k of small chunks conforms") { compressor(gc::dct_top_k<>{.k = 3, .chunk = 8}); }
