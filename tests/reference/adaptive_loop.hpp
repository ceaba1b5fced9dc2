/// @file Adaptive methods with compressed messages: SPARS-AMS (COMP-AMS) with its moments on the server, QAdam with them on the workers.
/// @cite Li, Karimi, Li, ICLR 2022, Algorithm 2; Chen, Shen, Huang, Liu, arXiv 2004.14180, Algorithm 1.
#pragma once

#include "vectors.hpp"

#include <algorithm>
#include <cmath>

namespace reference {

struct moments {
    double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
    bool inside = true; ///< epsilon inside the root

    double over_root(double m, double v) const { return m / (inside ? std::sqrt(v + epsilon) : std::sqrt(v) + epsilon); }
};

/// g~ = C(g + e); e = e + g - g~; gb = mean g~; m = b1 m + (1 - b1) gb; v = b2 v + (1 - b2) gb^2; vh = max(vh, v); x -= eta m / sqrt(vh + eps).
/// The error is in gradient units. Momentum and weight decay of `run` are not used.
inline trace comp_ams_loop(vector x, const moments& of, const settings& run, const gradient_function& gradient, const compressor& compress)
{
    std::vector<vector> e = zeros(run.workers, x.size());
    vector m = zeros(x.size()), v = m, largest = m;
    trace out{{x}, {e}, {}, {}};
    for (int t = 0; t < run.steps; ++t) {
        std::vector<vector> sent;
        out.point.push_back(std::vector<vector>(e.size(), x));
        for (std::size_t k = 0; k < e.size(); ++k) {
            const vector owed = sum(gradient(static_cast<int>(k), t, x), 1, e[k]);
            sent.push_back(compress(owed, static_cast<int>(k), t));
            e[k] = sum(owed, -1, sent[k]);
        }
        const vector g = mean(sent);
        for (std::size_t i = 0; i < x.size(); ++i) {
            m[i] = of.beta1 * m[i] + (1 - of.beta1) * g[i];
            v[i] = of.beta2 * v[i] + (1 - of.beta2) * g[i] * g[i];
            largest[i] = std::max(largest[i], v[i]);
            x[i] -= run.learning_rate(t) * of.over_root(m[i], largest[i]);
        }
        out.direction.push_back(std::vector<vector>(e.size(), m));
        out.x.push_back(x);
        out.error.push_back(e);
    }
    return out;
}

/// m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; Delta = e + eta m / sqrt(v + eps); c = C(Delta); e = Delta - c; x -= mean c, with m, v and e
/// each worker's own.
inline trace q_adam_loop(vector x, const moments& of, const settings& run, const gradient_function& gradient, const compressor& compress)
{
    std::vector<vector> e = zeros(run.workers, x.size()), m = e, v = e;
    trace out{{x}, {e}, {}, {}};
    for (int t = 0; t < run.steps; ++t) {
        std::vector<vector> sent, directions;
        out.point.push_back(std::vector<vector>(e.size(), x));
        for (std::size_t k = 0; k < e.size(); ++k) {
            const vector g = gradient(static_cast<int>(k), t, x);
            vector direction = zeros(x.size());
            for (std::size_t i = 0; i < x.size(); ++i) {
                m[k][i] = of.beta1 * m[k][i] + (1 - of.beta1) * g[i];
                v[k][i] = of.beta2 * v[k][i] + (1 - of.beta2) * g[i] * g[i];
                direction[i] = of.over_root(m[k][i], v[k][i]);
            }
            const vector owed = sum(e[k], run.learning_rate(t), direction);
            sent.push_back(compress(owed, static_cast<int>(k), t));
            e[k] = sum(owed, -1, sent[k]);
            directions.push_back(direction);
        }
        add(x, -1, mean(sent));
        out.direction.push_back(directions);
        out.x.push_back(x);
        out.error.push_back(e);
    }
    return out;
}

} // namespace reference
