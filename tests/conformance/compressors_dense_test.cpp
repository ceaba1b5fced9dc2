/// @file identity, nothing and delta_scaling keep what all compressors promise: one line per policy.
#include "compressor_conformance.hpp"

using namespace conformance;

TEST_CASE("identity conforms") { compressor(gc::identity{}); }
TEST_CASE("nothing conforms") { compressor(gc::nothing{}); }
TEST_CASE("delta_scaling conforms") { compressor(gc::delta_scaling{.delta = 0.3}); }
