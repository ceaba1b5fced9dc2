/// @file Error feedback whose momentum comes after the reduction: one velocity for all workers ("post" error feedback).
/// @cite Vogels, Karimireddy, Jaggi, PowerSGD, NeurIPS 2019, Algorithm 2; in the form that the DEF paper compares with.
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

} // namespace reference
