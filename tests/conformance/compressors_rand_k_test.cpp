/// @file The four kinds of rand_k keep what all compressors promise: one line per policy.
#include "compressor_conformance.hpp"

using namespace conformance;
using gc::indices, gc::scaling, gc::scope;

TEST_CASE("rand_k, shared and scaled, conforms") { compressor(gc::rand_k<indices::shared_seed, scaling::unbiased>{.ratio = 4}); }
TEST_CASE("rand_k, shared and unscaled, conforms") { compressor(gc::rand_k<indices::shared_seed, scaling::none>{.ratio = 7}); }
TEST_CASE("rand_k, own and scaled, conforms") { compressor(gc::rand_k<indices::own, scaling::unbiased>{.ratio = 1.4}); }
TEST_CASE("rand_k, own and unscaled, conforms") { compressor(gc::rand_k<indices::own, scaling::none>{.ratio = 4}); }
TEST_CASE("rand_k, shared, over the whole model conforms")
{
    compressor(gc::rand_k<indices::shared_seed, scaling::unbiased>{.ratio = 5, .scope = scope::whole_model});
}
TEST_CASE("rand_k, own, over the whole model conforms") { compressor(gc::rand_k<indices::own, scaling::none>{.ratio = 5, .scope = scope::whole_model}); }
