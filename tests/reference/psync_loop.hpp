/// @file CSER: in full, and with partial synchronisation of the models alone (the column "PSync" of the DEF paper: no gradient exchange, errors
/// reset each round, C2 = 0 and H = 1).
/// @cite Xie, Zheng, Koyejo, Gupta, Li, Lin, CSER: Communication-efficient SGD with Error Reset, NeurIPS 2020, arXiv 2007.13221.
#pragma once

#include "vectors.hpp"

namespace reference {

/// What PSync returns for one worker: the synchronised vector and the part that stays its own.
struct synchronised {
    vector value, residual;
};

/// PSync(v_k; C): c = mean of C(v_k), r_k = v_k - C(v_k), v'_k = c + r_k. The mean over workers does not change.
inline std::vector<synchronised> psync(const std::vector<vector>& v, const compressor& compress, int step)
{
    std::vector<vector> sent;
    for (std::size_t k = 0; k < v.size(); ++k) sent.push_back(compress(v[k], static_cast<int>(k), step));
    const vector shared = mean(sent);
    std::vector<synchronised> out;
    for (std::size_t k = 0; k < v.size(); ++k) {
        const vector residual = sum(v[k], -1, sent[k]);
        out.push_back({sum(shared, 1, residual), residual});
    }
    return out;
}

/// The trace of psync_loop: the paper's own local models beside the common fields, of which x is the shared part, local - drift, and error
/// is -drift, both as of the last exchange (during a round the drift also holds the round's steps).
struct psync_trace : trace {
    std::vector<std::vector<vector>> local; ///< [t][worker]: xk, each worker's own model, which it differentiates and evaluates
};

/// Per worker a model xk and a drift ek: xk -= eta m_k and ek -= eta m_k in each step; every period steps
/// (e', ek_new) = PSync(ek), xk += e' - ek, ek = ek_new. The drift has the sign opposite to an error memory's.
inline psync_trace psync_loop(const vector& start, const settings& run, const gradient_function& gradient, const compressor& compress)
{
    const std::size_t d = start.size();
    std::vector<vector> drift = zeros(run.workers, d), m = zeros(run.workers, d), xk(drift.size(), start);
    psync_trace out{{{start}, {drift}, {}, {}}, {xk}};
    for (int t = 0; t < run.steps; ++t) {
        out.point.push_back(xk);
        for (std::size_t k = 0; k < xk.size(); ++k) {
            local_momentum(m[k], run, gradient, static_cast<int>(k), t, xk[k]);
            add(xk[k], -run.learning_rate(t), m[k]);
            add(drift[k], -run.learning_rate(t), m[k]);
        }
        out.direction.push_back(m);
        if ((t + 1) % run.period == 0) {
            const std::vector<synchronised> both = psync(drift, compress, t);
            for (std::size_t k = 0; k < xk.size(); ++k) {
                add(xk[k], 1, both[k].value);
                add(xk[k], -1, drift[k]);
                drift[k] = both[k].residual;
            }
            out.x.push_back(sum(xk[0], -1, drift[0])); // the same for every worker up to rounding
            out.error.push_back({});
            for (const vector& e : drift) out.error.back().push_back(sum(zeros(d), -1, e));
        } else {
            out.x.push_back(out.x.back());
            out.error.push_back(out.error.back());
        }
        out.local.push_back(xk);
    }
    return out;
}

/// p_k = eta m_k, or with run.nesterov eta (momentum m_k + g_k); (p'_k, r_k) = PSync(p_k; C2); xk -= p'_k; ek -= r_k. Every `reset_every` steps (e'_k, ek_new) = PSync(ek; C1), xk += e'_k - ek,
/// ek = ek_new. Fields as those of psync_loop's trace.
inline psync_trace cser_loop(const vector& start, int reset_every, const settings& run, const gradient_function& gradient, const compressor& steps, const compressor& resets)
{
    const std::size_t d = start.size();
    std::vector<vector> drift = zeros(run.workers, d), m = zeros(run.workers, d), xk(drift.size(), start);
    psync_trace out{{{start}, {drift}, {}, {}}, {xk}};
    for (int t = 0; t < run.steps; ++t) {
        out.point.push_back(xk);
        std::vector<vector> p = zeros(run.workers, d);
        for (std::size_t k = 0; k < xk.size(); ++k) {
            const vector g = local_momentum(m[k], run, gradient, static_cast<int>(k), t, xk[k]);
            add(p[k], run.learning_rate(t), run.nesterov ? sum(g, run.momentum, m[k]) : m[k]);
        }
        out.direction.push_back(m);
        const std::vector<synchronised> step = psync(p, steps, t);
        for (std::size_t k = 0; k < xk.size(); ++k) {
            add(xk[k], -1, step[k].value);
            add(drift[k], -1, step[k].residual);
        }
        if ((t + 1) % reset_every == 0) {
            const std::vector<synchronised> reset = psync(drift, resets, t);
            for (std::size_t k = 0; k < xk.size(); ++k) {
                add(xk[k], 1, reset[k].value);
                add(xk[k], -1, drift[k]);
                drift[k] = reset[k].residual;
            }
        }
        out.x.push_back(sum(xk[0], -1, drift[0])); // the same for every worker up to rounding
        out.error.push_back({});
        for (const vector& e : drift) out.error.back().push_back(sum(zeros(d), -1, e));
        out.local.push_back(xk);
    }
    return out;
}

} // namespace reference
