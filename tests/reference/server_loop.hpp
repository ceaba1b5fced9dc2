/// @file Momentum after the reduction, one velocity for all workers: behind error feedback ("post" error feedback), and as the outer step of DiLoCo.
/// @cite Vogels, Karimireddy, Jaggi, PowerSGD, NeurIPS 2019, Algorithm 2, in the form that the DEF paper compares with; Douillard et al., DiLoCo,
/// arXiv 2311.08105, with SGD for its inner optimiser.
#pragma once

#include "vectors.hpp"

namespace reference {

/// Delta = e + eta g; c = C(Delta); e = Delta - c; u = mean c / eta; m = momentum m + u; x -= eta m (Nesterov: x -= eta (u + momentum m)).
/// Here `momentum` is the server's and weight_decay is not used. direction of the trace is m.
inline trace server_momentum_loop(vector x, bool nesterov, const settings& run, const gradient_function& gradient, const compressor& compress)
{
    std::vector<vector> e = zeros(run.workers, x.size());
    vector m = zeros(x.size());
    trace out{{x}, {e}, {}, {}};
    for (int t = 0; t < run.steps; ++t) {
        const double eta = run.learning_rate(t);
        std::vector<vector> c;
        for (std::size_t k = 0; k < e.size(); ++k) {
            const vector owed = sum(e[k], eta, gradient(static_cast<int>(k), t, x));
            c.push_back(compress(owed, static_cast<int>(k), t));
            e[k] = sum(owed, -1, c[k]);
        }
        out.point.push_back(std::vector<vector>(e.size(), x));
        const vector u = sum(zeros(x.size()), 1 / eta, mean(c));
        for (std::size_t i = 0; i < m.size(); ++i) m[i] = run.momentum * m[i] + u[i];
        add(x, -eta, nesterov ? sum(u, run.momentum, m) : m);
        out.direction.push_back(std::vector<vector>(e.size(), m));
        out.x.push_back(x);
        out.error.push_back(e);
    }
    return out;
}

/// The outer optimiser of DiLoCo: SGD with momentum, not dampened.
struct outer_step {
    double rate = 0.7, momentum = 0.9;
    bool nesterov = true;
};

/// Every worker takes `period` steps of momentum SGD from x, x_k -= eta m_k; Delta = x - mean x_k; v = outer.momentum v + Delta;
/// x -= outer.rate (Delta + outer.momentum v) (without Nesterov: outer.rate v). eta appears in the inner steps alone.
/// With `compress` a worker sends C(e_k + x - x_k), keeps the rest in e_k, and Delta is the mean of what was sent.
inline trace diloco_loop(vector x, const outer_step& outer, const settings& run, const gradient_function& gradient, const compressor& compress = {})
{
    std::vector<vector> e = zeros(run.workers, x.size()), m = e, local(e.size(), x);
    vector v = zeros(x.size());
    trace out{{x}, {e}, {}, {}};
    for (int t = 0; t < run.steps; ++t) {
        out.point.push_back(local);
        for (std::size_t k = 0; k < local.size(); ++k) {
            local_momentum(m[k], run, gradient, static_cast<int>(k), t, local[k]);
            add(local[k], -run.learning_rate(t), m[k]);
        }
        out.direction.push_back(m);
        if ((t + 1) % run.period == 0) {
            std::vector<vector> sent;
            for (std::size_t k = 0; k < local.size(); ++k) {
                const vector owed = sum(sum(e[k], 1, x), -1, local[k]);
                sent.push_back(compress ? compress(owed, static_cast<int>(k), t) : owed);
                e[k] = sum(owed, -1, sent[k]);
            }
            const vector delta = mean(sent);
            v = sum(delta, outer.momentum, v);
            add(x, -outer.rate, outer.nesterov ? sum(delta, outer.momentum, v) : v);
            for (vector& point : local) point = x;
        }
        out.x.push_back(x);
        out.error.push_back(e);
    }
    return out;
}

} // namespace reference
