/// @file Quantizers that round: they keep what all compressors promise, one line per policy.
#include "compressor_conformance.hpp"

using namespace conformance;
using gc::norm, gc::rounding;

TEST_CASE("min_max, nearest, conforms") { compressor(gc::min_max<rounding::nearest>{}); }
TEST_CASE("min_max, stochastic, conforms") { compressor(gc::min_max<rounding::stochastic>{.bits = 6, .bucket = 128}); }
TEST_CASE("cast to half conforms") { compressor(gc::cast<gc::half>{}); }
TEST_CASE("cast to bfloat16, stochastic, conforms") { compressor(gc::cast<gc::bfloat16, rounding::stochastic>{}); }
TEST_CASE("cast to e4m3, stochastic, conforms") { compressor(gc::cast<gc::fp8_e4m3, rounding::stochastic>{}); }
TEST_CASE("cast to e5m2 conforms") { compressor(gc::cast<gc::fp8_e5m2>{}); }
