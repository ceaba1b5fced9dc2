/// @file Relatives of error feedback: EF21 with momentum (EF21-SGDM), EControl, LoCo, momentum correction with factor masking (DGC), and signs with a majority
/// vote.
/// @cite Fatkhullin, Tyurin, Richtarik, NeurIPS 2023, Algorithm 1; Gao, Islamov, Stich, ICLR 2024; Xie et al., IEEE TPAMI 47, 2025; Lin et al., ICLR 2018, sections 3.1 and 3.2; Bernstein et al., ICML 2018, Algorithm 3.
#pragma once

#include "vectors.hpp"

namespace reference {

/// v = momentum v + (1 - momentum) g; c = C(v - h); h = h + c; H = H + mean c; x = x - eta H. With momentum 0 this is EF21.
/// error of the trace is h, direction is v. weight_decay is not used.
inline trace ef21_loop(vector x, const settings& run, const gradient_function& gradient, const compressor& compress)
{
    std::vector<vector> h = zeros(run.workers, x.size()), v = h;
    vector all = zeros(x.size());
    trace out{{x}, {h}, {}, {}};
    for (int t = 0; t < run.steps; ++t) {
        std::vector<vector> sent;
        out.point.push_back(std::vector<vector>(h.size(), x));
        for (std::size_t k = 0; k < h.size(); ++k) {
            const vector g = gradient(static_cast<int>(k), t, x);
            for (std::size_t i = 0; i < g.size(); ++i) v[k][i] = run.momentum * v[k][i] + (1 - run.momentum) * g[i];
            sent.push_back(compress(sum(v[k], -1, h[k]), static_cast<int>(k), t));
            add(h[k], 1, sent[k]);
        }
        add(all, 1, mean(sent));
        add(x, -run.learning_rate(t), all);
        out.direction.push_back(v);
        out.x.push_back(x);
        out.error.push_back(h);
    }
    return out;
}

/// v = momentum v + (1 - momentum) g; c = C(eta_c e + v - h); e = e + v - h - c; h = h + c; x = x - eta mean h. weight_decay is not used.
/// error of the trace is h, direction is v.
struct econtrol_trace : trace {
    std::vector<std::vector<vector>> missed; ///< [t][worker]: e before step t
};
inline econtrol_trace econtrol_loop(vector x, double eta_c, const settings& run, const gradient_function& gradient, const compressor& compress)
{
    std::vector<vector> h = zeros(run.workers, x.size()), v = h, e = h;
    econtrol_trace out{{{x}, {h}, {}, {}}, {e}};
    for (int t = 0; t < run.steps; ++t) {
        out.point.push_back(std::vector<vector>(h.size(), x));
        for (std::size_t k = 0; k < h.size(); ++k) {
            const vector g = gradient(static_cast<int>(k), t, x);
            for (std::size_t i = 0; i < g.size(); ++i) v[k][i] = run.momentum * v[k][i] + (1 - run.momentum) * g[i];
            const vector lacks = sum(v[k], -1, h[k]), c = compress(sum(lacks, eta_c, e[k]), static_cast<int>(k), t);
            add(e[k], 1, lacks);
            add(e[k], -1, c);
            add(h[k], 1, c);
        }
        add(x, -run.learning_rate(t), mean(h));
        out.missed.push_back(e);
        out.direction.push_back(v);
        out.x.push_back(x);
        out.error.push_back(h);
    }
    return out;
}

/// m = momentum m + g; p = e + m, e before it 0 every reset_every steps (0: never); c = C(p); e = beta e + (1 - beta)(p - c); x = x - eta mean c.
/// error of the trace is e, direction is m. weight_decay is not used.
inline trace loco_loop(vector x, double beta, int reset_every, const settings& run, const gradient_function& gradient, const compressor& compress)
{
    std::vector<vector> m = zeros(run.workers, x.size()), e = m;
    trace out{{x}, {e}, {}, {}};
    for (int t = 0; t < run.steps; ++t) {
        std::vector<vector> sent;
        out.point.push_back(std::vector<vector>(e.size(), x));
        for (std::size_t k = 0; k < e.size(); ++k) {
            const vector g = gradient(static_cast<int>(k), t, x);
            for (std::size_t i = 0; i < g.size(); ++i) m[k][i] = run.momentum * m[k][i] + g[i];
            if (reset_every > 0 && t % reset_every == 0) e[k] = zeros(x.size());
            const vector p = sum(e[k], 1, m[k]);
            sent.push_back(compress(p, static_cast<int>(k), t));
            for (std::size_t i = 0; i < p.size(); ++i) e[k][i] = beta * e[k][i] + (1 - beta) * (p[i] - sent[k][i]);
        }
        add(x, -run.learning_rate(t), mean(sent));
        out.direction.push_back(m);
        out.x.push_back(x);
        out.error.push_back(e);
    }
    return out;
}

/// u = momentum u + g; v = v + u; c = C(v); x = x - eta mean c; u = v = 0 where c is not 0. error of the trace is v, direction is u.
inline trace momentum_correction_loop(vector x, const settings& run, const gradient_function& gradient, const compressor& compress)
{
    std::vector<vector> u = zeros(run.workers, x.size()), v = u;
    trace out{{x}, {v}, {}, {}};
    for (int t = 0; t < run.steps; ++t) {
        std::vector<vector> sent;
        out.point.push_back(std::vector<vector>(u.size(), x));
        for (std::size_t k = 0; k < u.size(); ++k) {
            const vector g = gradient(static_cast<int>(k), t, x);
            for (std::size_t i = 0; i < g.size(); ++i) u[k][i] = run.momentum * u[k][i] + g[i];
            add(v[k], 1, u[k]);
            sent.push_back(compress(v[k], static_cast<int>(k), t));
            for (std::size_t i = 0; i < g.size(); ++i)
                if (sent[k][i] != 0) u[k][i] = v[k][i] = 0;
        }
        add(x, -run.learning_rate(t), mean(sent));
        out.direction.push_back(u);
        out.x.push_back(x);
        out.error.push_back(v);
    }
    return out;
}

/// m = momentum m + (1 - momentum) g; s = sign of each element of m, +1 for 0; v = sign of the sum of all s, 0 for 0; x = x - eta (v + weight_decay x).
/// error of the trace is 0, direction is m.
inline trace majority_vote_loop(vector x, const settings& run, const gradient_function& gradient)
{
    std::vector<vector> m = zeros(run.workers, x.size());
    trace out{{x}, {m}, {}, {}};
    for (int t = 0; t < run.steps; ++t) {
        vector votes = zeros(x.size());
        out.point.push_back(std::vector<vector>(m.size(), x));
        for (std::size_t k = 0; k < m.size(); ++k) {
            const vector g = gradient(static_cast<int>(k), t, x);
            for (std::size_t i = 0; i < g.size(); ++i) {
                m[k][i] = run.momentum * m[k][i] + (1 - run.momentum) * g[i];
                votes[i] += m[k][i] < 0 ? -1 : 1;
            }
        }
        for (std::size_t i = 0; i < x.size(); ++i) x[i] -= run.learning_rate(t) * ((votes[i] > 0) - (votes[i] < 0) + run.weight_decay * x[i]);
        out.direction.push_back(m);
        out.x.push_back(x);
        out.error.push_back(out.error.front());
    }
    return out;
}

} // namespace reference
