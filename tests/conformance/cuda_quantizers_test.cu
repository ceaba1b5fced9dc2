// The quantizers on the GPU give the CPU's bytes: one line per policy.
#include "both_executors.cuh"

using namespace conformance;
using gc::norm, gc::rounding;

TEST_CASE("sign with one scale per tensor is the same on both executors") { same_on_both(gc::sign<>{}); }
TEST_CASE("sign without a scale is the same on both executors") { same_on_both(gc::sign<gc::sign_scale::none>{}); }
TEST_CASE("block_sign is the same on both executors")
{
    same_on_both(gc::block_sign{});
    same_on_both(gc::block_sign{.bucket = 16});
}
TEST_CASE("natural is the same on both executors")
{
    same_on_both(gc::natural<>{});
    same_on_both(gc::natural<gc::exponents::per_bucket>{});
}
TEST_CASE("qsgd is the same on both executors")
{
    same_on_both(gc::qsgd<>{});
    same_on_both(gc::qsgd<>{.bits = 3, .bucket = 8});
    same_on_both(gc::qsgd<norm::infinity>{.bits = 5, .bucket = 64});
}
TEST_CASE("a scaled quantizer is the same on both executors") { same_on_both(gc::scaled{.lambda = 0.25, .of = gc::qsgd<>{.bits = 4}}); }
TEST_CASE("tern_grad is the same on both executors") { same_on_both(gc::tern_grad{.bucket = 32}); }
TEST_CASE("min_max is the same on both executors")
{
    same_on_both(gc::min_max<>{.bits = 4});
    same_on_both(gc::min_max<rounding::nearest>{});
    same_on_both_for<double>(gc::min_max<>{.bits = 7, .bucket = 128});
}
