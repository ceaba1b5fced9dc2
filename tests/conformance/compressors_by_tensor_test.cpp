/// @file Compressors put together by tensor keep what all compressors promise: one line per policy.
#include "compressor_conformance.hpp"

using namespace conformance;
using gc::indices, gc::scaling, gc::scope;

TEST_CASE("by_tensor, dense vectors and blocks, conforms") { compressor(gc::by_tensor{gc::vectors(gc::identity{}), gc::otherwise(gc::random_block{.ratio = 8})}); }
TEST_CASE("by_tensor, dense vectors and top_k, conforms") { compressor(gc::by_tensor{gc::vectors(gc::identity{}), gc::otherwise(gc::top_k{.ratio = 8})}); }
TEST_CASE("by_tensor of three over whole models conforms")
{
    compressor(gc::by_tensor{gc::up_to(20, gc::identity{}), gc::matrices(gc::top_k{.ratio = 5, .scope = scope::whole_model}),
        gc::otherwise(gc::rand_k<indices::own, scaling::none>{.ratio = 3, .scope = scope::whole_model})});
}
