/// @file Random operators on a small R^d as explicit lists of outcomes, so that every expectation is a finite sum.
#pragma once

#include <gradcomp/theory/measured.hpp>

#include <cmath>
#include <cstddef>
#include <functional>
#include <random>
#include <vector>

namespace exact {

using vector = std::vector<double>;

/// One possible result of C(x) and its probability.
struct outcome {
    double probability = 0;
    vector value;
};

using operation = std::function<std::vector<outcome>(const vector& x)>;

inline double dot(const vector& a, const vector& b)
{
    double out = 0;
    for (std::size_t i = 0; i < a.size(); ++i) out += a[i] * b[i];
    return out;
}

/// E C(x) by enumeration.
inline vector expectation(const operation& c, const vector& x)
{
    vector out(x.size(), 0.0);
    for (const outcome& o : c(x))
        for (std::size_t i = 0; i < x.size(); ++i) out[i] += o.probability * o.value[i];
    return out;
}

/// The relative moments by enumeration.
inline gradcomp::theory::moments moments_of(const operation& c, const vector& x)
{
    gradcomp::theory::moments m;
    for (const outcome& o : c(x)) {
        m.s += o.probability * dot(o.value, o.value) / dot(x, x);
        m.t += o.probability * dot(o.value, x) / dot(x, x);
    }
    return m;
}

/// E||C(x) - x||^2 / ||x||^2 straight from its definition.
inline double relative_error(const operation& c, const vector& x)
{
    double out = 0;
    for (const outcome& o : c(x))
        for (std::size_t i = 0; i < x.size(); ++i) out += o.probability * (o.value[i] - x[i]) * (o.value[i] - x[i]) / dot(x, x);
    return out;
}

inline operation scaled(double factor, operation c)
{
    return [factor, c = std::move(c)](const vector& x) {
        std::vector<outcome> out = c(x);
        for (outcome& o : out)
            for (double& value : o.value) value *= factor;
        return out;
    };
}

inline operation times(double factor)
{
    return scaled(factor, [](const vector& x) { return std::vector<outcome>{{1, x}}; });
}

/// All k-subsets with equal probability, the kept elements times `factor`.
inline operation random_subset(std::size_t k, double factor)
{
    return [k, factor](const vector& x) {
        std::vector<outcome> out;
        for (unsigned mask = 0; mask < (1u << x.size()); ++mask) {
            if (static_cast<std::size_t>(__builtin_popcount(mask)) != k) continue;
            vector value(x.size(), 0.0);
            for (std::size_t i = 0; i < x.size(); ++i)
                if (mask >> i & 1u) value[i] = factor * x[i];
            out.push_back({0, value});
        }
        for (outcome& o : out) o.probability = 1 / static_cast<double>(out.size());
        return out;
    };
}

/// A run of b elements from each start with equal probability, wrapping around.
inline operation random_run(std::size_t b)
{
    return [b](const vector& x) {
        std::vector<outcome> out;
        for (std::size_t start = 0; start < x.size(); ++start) {
            vector value(x.size(), 0.0);
            for (std::size_t j = 0; j < b; ++j) value[(start + j) % x.size()] = x[(start + j) % x.size()];
            out.push_back({1 / static_cast<double>(x.size()), value});
        }
        return out;
    };
}

/// The k largest magnitudes.
inline operation top_k(std::size_t k)
{
    return [k](const vector& x) {
        vector rest = x, value(x.size(), 0.0);
        for (std::size_t round = 0; round < k; ++round) {
            std::size_t best = 0;
            for (std::size_t i = 1; i < rest.size(); ++i)
                if (std::abs(rest[i]) > std::abs(rest[best])) best = i;
            value[best] = x[best];
            rest[best] = 0;
        }
        return std::vector<outcome>{{1, value}};
    };
}

/// A on the first `split` elements, B on the others, independently.
inline operation side_by_side(std::size_t split, operation a, operation b)
{
    return [=](const vector& x) {
        const auto cut = x.begin() + static_cast<std::ptrdiff_t>(split);
        std::vector<outcome> out;
        for (const outcome& left : a(vector(x.begin(), cut)))
            for (const outcome& right : b(vector(cut, x.end()))) {
                vector value = left.value;
                value.insert(value.end(), right.value.begin(), right.value.end());
                out.push_back({left.probability * right.probability, value});
            }
        return out;
    };
}

/// Vectors that try to be a worst case: Gaussian, equal magnitudes on every range of elements, steep, and mixtures with zeros.
inline std::vector<vector> probes(std::size_t d, unsigned seed, int count = 40)
{
    std::mt19937_64 random(seed);
    std::normal_distribution<double> gauss;
    std::vector<vector> out;
    for (std::size_t from = 0; from < d; ++from)
        for (std::size_t to = from + 1; to <= d; ++to) {
            vector flat(d, 0.0);
            for (std::size_t i = from; i < to; ++i) flat[i] = -3;
            out.push_back(flat);
        }
    for (int n = 0; n < count; ++n) {
        vector x(d);
        for (std::size_t i = 0; i < d; ++i) {
            x[i] = gauss(random);
            if (n % 4 == 1) x[i] = std::pow(10.0, 2 * gauss(random));
            if (n % 4 == 2 && random() % 3 == 0) x[i] = 0;
            if (n % 4 == 3) x[i] = x[i] < 0 ? -1 : 1;
        }
        if (dot(x, x) > 0) out.push_back(x);
    }
    return out;
}

} // namespace exact
