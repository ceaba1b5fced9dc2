/// @file Dense, slow, obvious compressors for the plain transcriptions; they use nothing of the library.
#pragma once

#include "random.hpp"
#include "vectors.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace reference {

inline compressor identity()
{
    return [](const vector& v, int, int) { return v; };
}

/// C(v) = factor * v.
inline compressor delta_scaling(double factor)
{
    return [factor](const vector& v, int, int) { return sum(zeros(v.size()), factor, v); };
}

/// The k largest |v_i|; among equals the lowest index.
inline compressor top_k(std::size_t k)
{
    return [k](const vector& v, int, int) {
        std::vector<std::size_t> order(v.size());
        for (std::size_t i = 0; i < v.size(); ++i) order[i] = i;
        std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
            return std::abs(v[a]) > std::abs(v[b]) || (std::abs(v[a]) == std::abs(v[b]) && a < b);
        });
        vector out = zeros(v.size());
        for (std::size_t i = 0; i < k && i < v.size(); ++i) out[order[i]] = v[order[i]];
        return out;
    };
}

/// One run of `length` elements from a uniform start that all workers share; it wraps around.
inline compressor random_run(std::size_t length, std::uint64_t seed)
{
    return [length, seed](const vector& v, int, int step) {
        const std::size_t start = static_cast<std::size_t>(uniform(seed, static_cast<std::uint64_t>(step), 0) * static_cast<double>(v.size()));
        vector out = zeros(v.size());
        for (std::size_t j = 0; j < length && j < v.size(); ++j) out[(start + j) % v.size()] = v[(start + j) % v.size()];
        return out;
    };
}

/// Each element kept with probability q, by each worker on its own.
inline compressor own_random(double q, std::uint64_t seed)
{
    return [q, seed](const vector& v, int worker, int step) {
        vector out = zeros(v.size());
        for (std::size_t i = 0; i < v.size(); ++i)
            if (uniform(seed + static_cast<std::uint64_t>(worker), static_cast<std::uint64_t>(step), i) < q) out[i] = v[i];
        return out;
    };
}

} // namespace reference
