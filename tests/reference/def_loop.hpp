/// @file Detached error feedback, DEF and DEF-A, as the authors run it.
/// @cite Xu, Huang, Detached Error Feedback for Distributed SGD with Random Sparsification, ICML 2022 (PMLR 162), arXiv 2004.05298.
#pragma once

#include "vectors.hpp"

#include <functional>

namespace reference {

/// lambda of the gradients of step `step` and of those up to the next exchange, given the errors of all workers.
using detachment = std::function<double(int step, const std::vector<vector>& errors)>;

/// Worker k differentiates at p = x - lambda e_k; Delta_k starts from e_k and collects eta m_k over the period; then
/// c = C(Delta_k), e_k = Delta_k - c, x -= mean c. DEF evaluates x - mean e, DEF-A evaluates x. lambda 0 is error feedback, 1 is SAEF.
inline trace def_loop(vector x, const detachment& lambda, const settings& run, const gradient_function& gradient, const compressor& compress)
{
    const std::size_t d = x.size();
    std::vector<vector> e = zeros(run.workers, d), m = zeros(run.workers, d), delta = zeros(run.workers, d);
    std::vector<vector> p(e.size(), x);
    trace out{{x}, {e}, {}, {}};
    for (int t = 0; t < run.steps; ++t) {
        const double eta = run.learning_rate(t);
        if (t % run.period == 0) {
            const double now = lambda(t, e);
            for (std::size_t k = 0; k < e.size(); ++k) p[k] = sum(x, -now, e[k]);
        }
        out.point.push_back(p);
        for (std::size_t k = 0; k < e.size(); ++k) {
            local_momentum(m[k], run, gradient, static_cast<int>(k), t, p[k]);
            add(delta[k], eta, m[k]);
            add(p[k], -eta, m[k]);
        }
        out.direction.push_back(m);
        if ((t + 1) % run.period == 0) {
            std::vector<vector> c;
            for (std::size_t k = 0; k < e.size(); ++k) {
                c.push_back(compress(delta[k], static_cast<int>(k), t));
                e[k] = sum(delta[k], -1, c[k]);
            }
            add(x, -1, mean(c));
            delta = e;
        }
        out.x.push_back(x);
        out.error.push_back(e);
    }
    return out;
}

/// The same with one lambda throughout.
inline trace def_loop(const vector& x, double lambda, const settings& run, const gradient_function& gradient, const compressor& compress)
{
    return def_loop(x, [lambda](int, const std::vector<vector>&) { return lambda; }, run, gradient, compress);
}

} // namespace reference
