/// @file low_rank keeps what all compressors promise: one line per policy.
#include "compressor_conformance.hpp"

using namespace conformance;

TEST_CASE("low_rank conforms") { compressor(gc::low_rank{.rank = 2}); }
TEST_CASE("low_rank with cold starts conforms") { compressor(gc::low_rank{.rank = 1, .warm_start = false}); }
