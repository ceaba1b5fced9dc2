// Sparsifiers that choose late, chains, and compressors by tensor on the GPU give the CPU's bytes: one line per policy.
#include "both_executors.cuh"

using namespace conformance;

TEST_CASE("adaptive_random is the same on both executors")
{
    same_on_both(gc::adaptive_random{.ratio = 20});
    same_on_both(gc::adaptive_random{.k = 1, .scope = gc::scope::whole_model});
}
TEST_CASE("threshold is the same on both executors, with room and without")
{
    same_on_both(gc::threshold<>{.limit = 0.5, .ratio = 4});
    same_on_both(gc::threshold<>{.limit = 0.01, .ratio = 50});
    same_on_both(gc::threshold<gc::limit_unit::norm>{.limit = 1, .ratio = 9, .scope = gc::scope::whole_model});
    same_on_both(gc::threshold<gc::limit_unit::absolute>{.limit = 0.4, .ratio = 3});
    same_on_both_for<double>(gc::threshold<gc::limit_unit::norm>{.limit = 1, .ratio = 9});
}
TEST_CASE("block_top_k is the same on both executors")
{
    same_on_both(gc::block_top_k{.ratio = 5, .block = 16});
    same_on_both(gc::block_top_k{.ratio = 3, .block = 100, .scope = gc::scope::whole_model});
    same_on_both_for<double>(gc::block_top_k{.ratio = 5, .block = 16});
}
TEST_CASE("chunked_top_k is the same on both executors")
{
    same_on_both(gc::chunked_top_k{.ratio = 64});
    same_on_both(gc::chunked_top_k{.k = 3, .chunk = 77});
    same_on_both_for<double>(gc::chunked_top_k{.ratio = 9, .chunk = 1000});
}
TEST_CASE("dct_top_k is the same on both executors")
{
    same_on_both(gc::dct_top_k<>{});
    same_on_both_for<double>(gc::dct_top_k<>{.k = 5, .chunk = 16});
}
TEST_CASE("a sparsifier and then a quantizer is the same on both executors")
{
    same_on_both(gc::chain{gc::top_k{.ratio = 10}, gc::exponential_dithering<>{}});
    same_on_both(gc::chain{gc::top_k{.ratio = 7, .scope = gc::scope::whole_model}, gc::natural<>{}});
    same_on_both(gc::chain{gc::random_block{.ratio = 4, .block = 64}, gc::qsgd<>{.bits = 4}});
    same_on_both(gc::chain{gc::threshold<>{.limit = 0.5, .ratio = 4}, gc::natural<>{}});
    same_on_both(gc::chain{gc::block_top_k{.ratio = 5, .block = 16}, gc::natural<>{}});
    same_on_both(gc::chain{gc::rand_k<>{.ratio = 4}, gc::natural<>{}});
    same_on_both(gc::chain{gc::rand_k<gc::indices::own, gc::scaling::unbiased>{.ratio = 7}, gc::natural<>{}});
    same_on_both(gc::chain{gc::adaptive_random{.ratio = 6}, gc::natural<>{}});
    same_on_both(gc::chain{gc::chunked_top_k{.ratio = 16, .chunk = 512}, gc::min_max<gc::rounding::nearest>{.bits = 2, .bucket = 16}});
}
TEST_CASE("compressors by tensor are the same on both executors")
{
    same_on_both(gc::by_tensor{gc::vectors(gc::natural<>{}), gc::otherwise(gc::chain{gc::top_k{.ratio = 10}, gc::natural<>{}})});
}
