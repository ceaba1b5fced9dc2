/// @file What a sweep is told and what it reports, the same for every executor.
#pragma once

#include <gradcomp/core/config.hpp>

namespace gradcomp::exec {

/// What to do with elements whose p is NaN or Inf.
enum class non_finite {
    reject,         ///< every rank throws alike, the step has no effect on x
    zero_and_count, ///< the gradient's bad elements count as 0
    propagate       ///< they travel: top-k treats NaN as the largest magnitude
};

/// How a sweep treats bad elements and whether its fresh outputs are too large to stay in a cache.
struct sweep_options {
    non_finite bad_elements = non_finite::reject;
    bool streamed = false;
};

/// What a sweep saw beside its result.
struct sweep_tally {
    std::uint64_t bad = 0;              ///< elements whose p was not finite
    double error_square = 0;            ///< sum of squares of what stays behind, over the sampled tiles
    double update_square = 0;           ///< sum of squares of what was new, over the sampled tiles
    std::uint64_t sampled = 0;          ///< elements of those tiles

    sweep_tally& operator+=(const sweep_tally& other)
    {
        bad += other.bad;
        error_square += other.error_square;
        update_square += other.update_square;
        sampled += other.sampled;
        return *this;
    }
};

} // namespace gradcomp::exec
