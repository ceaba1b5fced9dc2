/// @file Quantizers with levels from a table keep what all compressors promise: one line per policy.
#include "compressor_conformance.hpp"

using namespace conformance;
using gc::norm, gc::rounding;

TEST_CASE("exponential_dithering by the 2-norm conforms") { compressor(gc::exponential_dithering<>{.base = 1.5, .levels = 15, .bucket = 64}); }
TEST_CASE("exponential_dithering by the 1-norm conforms") { compressor(gc::exponential_dithering<norm::one>{.base = 2, .levels = 15, .bucket = 128}); }
TEST_CASE("exponential_dithering by the largest magnitude, nearest, conforms")
{
    compressor(gc::exponential_dithering<norm::infinity, rounding::nearest>{.base = 1.2, .levels = 60});
}
TEST_CASE("natural_dithering conforms") { compressor(gc::natural_dithering(12)); }
TEST_CASE("exponential_rounding conforms") { compressor(gc::exponential_rounding<>{.base = 1.7, .levels = 100}); }
TEST_CASE("exponential_rounding, nearest, conforms") { compressor(gc::exponential_rounding<rounding::nearest>{.base = 3, .levels = 40, .bucket = 256}); }
TEST_CASE("level_rounding conforms") { compressor(gc::level_rounding<>{.levels = {0.03, 0.1, 0.15, 0.3, 0.7, 1}, .bucket = 32}); }
TEST_CASE("level_rounding to absolute levels conforms") { compressor(gc::level_rounding<rounding::stochastic, gc::level_scale::absolute>{.levels = {0.03, 0.1, 0.5, 3}, .bucket = 32}); }
TEST_CASE("level_rounding, nearest, conforms") { compressor(gc::level_rounding<rounding::nearest>{.levels = {0.02, 0.1, 0.2, 0.5, 1}, .bucket = 64}); }
