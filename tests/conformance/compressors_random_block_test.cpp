/// @file random_block keeps what all compressors promise: one line per policy.
#include "compressor_conformance.hpp"

using namespace conformance;
using gc::scope;

TEST_CASE("random_block of one run conforms") { compressor(gc::random_block{.ratio = 4}); }
TEST_CASE("random_block of ratio 1 conforms") { compressor(gc::random_block{}); }
TEST_CASE("random_block of blocks of 16 conforms") { compressor(gc::random_block{.ratio = 4, .block = 16}); }
TEST_CASE("random_block of blocks of 64 conforms") { compressor(gc::random_block{.ratio = 3, .block = 64}); }
TEST_CASE("random_block of blocks of 1 conforms") { compressor(gc::random_block{.ratio = 5, .block = 1}); }
TEST_CASE("random_block of one run over the whole model conforms") { compressor(gc::random_block{.ratio = 6, .scope = scope::whole_model}); }
TEST_CASE("random_block of blocks over the whole model conforms") { compressor(gc::random_block{.ratio = 3, .block = 16, .scope = scope::whole_model}); }
