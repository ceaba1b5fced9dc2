/// @file Numbers that a sample of top-k's is wrong about: the places that it will look at are known to whoever knows the seed.
#pragma once

#include <gradcomp/exec/cuda/sampled_bracket.hpp>

#include <vector>

namespace cuda_lies {

/// Which way a sample is wrong.
enum class lie {
    too_large, ///< what it sees is larger than all others: too few reach the bracket
    too_small  ///< what it sees is smaller than all others: too many do for the list
};

/// n different numbers of both signs, in [1, 2) where the sample looks and below or above elsewhere.
template <class T> std::vector<T> numbers(std::size_t n, std::size_t kept, const gradcomp::random_stream& stream, lie way)
{
    std::vector<T> x(n);
    for (std::size_t i = 0; i < n; ++i) {
        const T v = T(1) + static_cast<T>(i * 40503 % n) / static_cast<T>(n);
        x[i] = (i % 2 ? -v : v) * (way == lie::too_large ? T(0.25) : T(4));
    }
    const std::uint32_t lines = gradcomp::exec::sample_lines_for(n, kept);
    std::vector<bool> seen(n);
    for (std::uint32_t k = 0; k < lines * gradcomp::exec::sample_line; ++k) {
        const std::size_t i = gradcomp::exec::sampled_place(stream, n, lines, k);
        if (!seen[i]) x[i] *= way == lie::too_large ? T(4) : T(0.25);
        seen[i] = true;
    }
    return x;
}

} // namespace cuda_lies
