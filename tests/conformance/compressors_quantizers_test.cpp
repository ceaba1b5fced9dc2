/// @file The quantizers keep what all compressors promise: one line per policy.
#include "compressor_conformance.hpp"

using namespace conformance;
using gc::norm, gc::rounding;

TEST_CASE("sign with one scale per tensor conforms") { compressor(gc::sign<>{}); }
TEST_CASE("sign without a scale conforms") { compressor(gc::sign<gc::sign_scale::none>{}); }
TEST_CASE("block_sign conforms") { compressor(gc::block_sign{}); }
TEST_CASE("block_sign of small blocks conforms") { compressor(gc::block_sign{.bucket = 16}); }
TEST_CASE("natural conforms") { compressor(gc::natural<>{}); }
TEST_CASE("natural with 8 bits conforms") { compressor(gc::natural<gc::exponents::per_bucket>{}); }
TEST_CASE("qsgd with 8 bits conforms") { compressor(gc::qsgd<>{}); }
TEST_CASE("qsgd with 4 bits conforms") { compressor(gc::qsgd<>{.bits = 4, .bucket = 32}); }
TEST_CASE("qsgd by the largest magnitude conforms") { compressor(gc::qsgd<norm::infinity>{.bits = 5, .bucket = 64}); }
TEST_CASE("tern_grad conforms") { compressor(gc::tern_grad{.bucket = 32}); }
