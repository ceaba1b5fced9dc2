/// @file Step-ahead error feedback with error averaging, written in the form of its own authors: each worker steps a local model.
/// @cite Xu, Huo, Huang, Step-Ahead Error Feedback for Distributed Training with Compressed Gradient, AAAI 2021, arXiv 2008.05823.
#pragma once

#include "vectors.hpp"

namespace reference {

/// Worker k steps its local model from x - e_k by -eta m_k for a period; delta_k = x - (its local model) then holds old error and new steps;
/// c = C(delta_k), e_k = delta_k - c, x -= mean c. After every `averaging_period`-th exchange (0: never) all errors become their mean.
/// It evaluates x - mean e, which the averaging leaves alone.
inline trace saef_loop(vector x, int averaging_period, const settings& run, const gradient_function& gradient, const compressor& compress)
{
    const std::size_t d = x.size();
    std::vector<vector> e = zeros(run.workers, d), m = zeros(run.workers, d);
    std::vector<vector> local(e.size(), x);
    trace out{{x}, {e}, {}, {}};
    for (int t = 0, exchanges = 0; t < run.steps; ++t) {
        out.point.push_back(local);
        for (std::size_t k = 0; k < e.size(); ++k) {
            local_momentum(m[k], run, gradient, static_cast<int>(k), t, local[k]);
            add(local[k], -run.learning_rate(t), m[k]);
        }
        out.direction.push_back(m);
        if ((t + 1) % run.period == 0) {
            std::vector<vector> c;
            for (std::size_t k = 0; k < e.size(); ++k) {
                const vector delta = sum(x, -1, local[k]);
                c.push_back(compress(delta, static_cast<int>(k), t));
                e[k] = sum(delta, -1, c[k]);
            }
            add(x, -1, mean(c));
            ++exchanges;
            if (averaging_period > 0 && exchanges % averaging_period == 0) e.assign(e.size(), mean(e));
            for (std::size_t k = 0; k < e.size(); ++k) local[k] = sum(x, -1, e[k]);
        }
        out.x.push_back(x);
        out.error.push_back(e);
    }
    return out;
}

} // namespace reference
