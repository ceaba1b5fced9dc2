// Low-rank factors on the GPU give the CPU's bytes in both rounds: one line per policy.
#include "both_executors.cuh"

using namespace conformance;

namespace {

/// Long and short matrices, several of one shape, and one with several blocks of rows.
const gc::tensor_list matrices{{"a", {2100, 37}}, {"b", {37}}, {"c", {64, 3, 3, 3}}, {"d", {64, 3, 3, 3}}, {"no", {0, 5}}, {"e", {5, 1300}}, {"f", {300, 300}}, {"g", {2, 2}}};

template <class T> void factors_agree(const gc::low_rank& compressor)
{
    for (const pattern of : all_patterns) steps_agree<T>(compressor, matrices, of, non_finite::propagate, false);
    steps_agree<T>(compressor, matrices, pattern::heavy, non_finite::zero_and_count, true);
}

} // namespace

TEST_CASE("low_rank is the same on both executors")
{
    same_on_both(gc::low_rank{.rank = 2});
    factors_agree<float>({.rank = 1});
    factors_agree<float>({.rank = 4, .warm_start = false});
    factors_agree<float>({.rank = 11}); // more columns than are summed at once
    factors_agree<double>({.rank = 3});
}
