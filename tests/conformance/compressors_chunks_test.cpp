/// @file chunked_top_k keeps what all compressors promise, alone and before a quantizer of two bits: one line per policy.
#include "compressor_conformance.hpp"

using namespace conformance;

TEST_CASE("chunked_top_k conforms") { compressor(gc::chunked_top_k{.ratio = 64}); }
TEST_CASE("chunked_top_k of small chunks conforms") { compressor(gc::chunked_top_k{.ratio = 4, .chunk = 32}); }
TEST_CASE("chunked_top_k of an odd count of odd chunks conforms") { compressor(gc::chunked_top_k{.k = 3, .chunk = 77}); }
TEST_CASE("chunked_top_k, then two bits, conforms")
{
    compressor(gc::chain{gc::chunked_top_k{.ratio = 4, .chunk = 128}, gc::min_max<gc::rounding::nearest>{.bits = 2, .bucket = 16}});
}
