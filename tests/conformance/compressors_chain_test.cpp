/// @file Compositions keep what all compressors promise: one line per policy.
#include "compressor_conformance.hpp"

using namespace conformance;
using gc::norm, gc::rounding;

TEST_CASE("top_k, then natural dithering, conforms") { compressor(gc::chain{gc::top_k{.ratio = 5}, gc::natural_dithering(12)}); }
TEST_CASE("top_k over the whole model, then a cast, conforms")
{
    compressor(gc::chain{gc::top_k{.ratio = 7, .scope = gc::scope::whole_model}, gc::cast<gc::half>{}});
}
TEST_CASE("rand_k, then block_sign, conforms")
{
    compressor(gc::chain{gc::rand_k<gc::indices::own, gc::scaling::none>{.ratio = 4}, gc::block_sign{.bucket = 64}});
}
TEST_CASE("random_block, then min_max, conforms") { compressor(gc::chain{gc::random_block{.ratio = 4}, gc::min_max<rounding::nearest>{}}); }
TEST_CASE("top_k, then scaled qsgd, conforms") { compressor(gc::chain{gc::top_k{.ratio = 5}, gc::scaled{.lambda = 0.2, .of = gc::qsgd<>{.bits = 3}}}); }
TEST_CASE("scaled tern_grad conforms") { compressor(gc::scaled{.lambda = 0.08, .of = gc::tern_grad{}}); }
