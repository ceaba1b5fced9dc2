/// @file top_k keeps what all compressors promise: one line per policy.
#include "compressor_conformance.hpp"

using namespace conformance;
using gc::scope;

TEST_CASE("top_k of ratio 1 conforms") { compressor(gc::top_k{}); }
TEST_CASE("top_k of a small ratio conforms") { compressor(gc::top_k{.ratio = 4}); }
TEST_CASE("top_k of a large ratio conforms") { compressor(gc::top_k{.ratio = 60}); }
TEST_CASE("top_k over the whole model conforms") { compressor(gc::top_k{.ratio = 9, .scope = scope::whole_model}); }
