/// @file Adaptive methods with compressed messages: SPARS-AMS (COMP-AMS) with its moments on the server, QAdam with them on the workers,
/// 1-bit Adam with a variance that stays.
/// @cite Li, Karimi, Li, ICLR 2022, Algorithm 2; Chen, Shen, Huang, Liu, arXiv 2004.14180, Algorithm 1; Tang et al., ICML 2021, Algorithm 1.
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

/// For t < warm_up: g = mean g_k; m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; x -= eta m / sqrt(v + eps).
/// After: m_k = b1 m + (1 - b1) g_k; c_k = C(m_k + e_k); e_k = m_k + e_k - c_k; m = mean c_k; x -= eta m / sqrt(v + eps), with v as it was.
/// The server's own compression of m is left out. The error is in gradient units.
inline trace one_bit_adam_loop(vector x, const moments& of, int warm_up, const settings& run, const gradient_function& gradient, const compressor& compress)
{
    std::vector<vector> e = zeros(run.workers, x.size());
    vector m = zeros(x.size()), v = m;
    trace out{{x}, {e}, {}, {}};
    for (int t = 0; t < run.steps; ++t) {
        std::vector<vector> g, sent;
        for (std::size_t k = 0; k < e.size(); ++k) g.push_back(gradient(static_cast<int>(k), t, x));
        out.point.push_back(std::vector<vector>(e.size(), x));
        if (t < warm_up) {
            const vector all = mean(g);
            for (std::size_t i = 0; i < x.size(); ++i) {
                m[i] = of.beta1 * m[i] + (1 - of.beta1) * all[i];
                v[i] = of.beta2 * v[i] + (1 - of.beta2) * all[i] * all[i];
            }
        } else {
            for (std::size_t k = 0; k < e.size(); ++k) {
                vector owed = e[k];
                for (std::size_t i = 0; i < x.size(); ++i) owed[i] += of.beta1 * m[i] + (1 - of.beta1) * g[k][i];
                sent.push_back(compress(owed, static_cast<int>(k), t));
                e[k] = sum(owed, -1, sent[k]);
            }
            m = mean(sent);
        }
        for (std::size_t i = 0; i < x.size(); ++i) x[i] -= run.learning_rate(t) * of.over_root(m[i], v[i]);
        out.direction.push_back(std::vector<vector>(e.size(), m));
        out.x.push_back(x);
        out.error.push_back(e);
    }
    return out;
}

} // namespace reference
