// Casts, dithering and roundings on the GPU give the CPU's bytes: one line per policy.
#include "both_executors.cuh"

using namespace conformance;
using gc::norm, gc::rounding;

TEST_CASE("casts are the same on both executors")
{
    same_on_both(gc::cast<gc::half>{});
    same_on_both(gc::cast<gc::bfloat16, rounding::stochastic>{});
    same_on_both(gc::cast<gc::fp8_e4m3, rounding::stochastic>{});
    same_on_both(gc::cast<gc::fp8_e5m2>{});
}
TEST_CASE("exponential dithering is the same on both executors")
{
    same_on_both(gc::exponential_dithering<>{});
    same_on_both(gc::exponential_dithering<norm::one>{.base = 1.5, .levels = 20});
    same_on_both_for<double>(gc::exponential_dithering<>{});
}
TEST_CASE("roundings are the same on both executors")
{
    same_on_both(gc::exponential_rounding<>{});
    same_on_both(gc::exponential_rounding<rounding::nearest>{.base = 1.5, .levels = 40});
    same_on_both(gc::level_rounding<>{});
    same_on_both(gc::level_rounding<rounding::nearest>{});
    same_on_both(gc::level_rounding<rounding::stochastic, gc::level_scale::absolute>{.levels = {0.03, 0.25, 0.5, 3}});
}
