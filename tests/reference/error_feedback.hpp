/// @file Error feedback in its three spellings: with the learning rate inside the memory, outside of it, and the misprint that has it twice.
/// @cite Seide et al., Interspeech 2014; Stich, Cordonnier, Jaggi, NeurIPS 2018; Karimireddy et al., ICML 2019; the server form as Algorithm 1
/// of Beznosikov et al., JMLR 24(276), 2023; gradient units as Algorithm 2 of Li, Karimi, Li, ICLR 2022 (COMP-AMS).
#pragma once

#include "vectors.hpp"

namespace reference {

/// EF-SGD with local momentum, model units: Delta = e + the period's sum of eta m; c = C(Delta); e = Delta - c; x -= mean c.
/// Between exchanges a worker goes on from its own x - eta m.
inline trace ef_loop(vector x, const settings& run, const gradient_function& gradient, const compressor& compress)
{
    const std::size_t d = x.size();
    std::vector<vector> e = zeros(run.workers, d), m = zeros(run.workers, d), collected = zeros(run.workers, d);
    std::vector<vector> p(e.size(), x);
    trace out{{x}, {e}, {}, {}};
    for (int t = 0; t < run.steps; ++t) {
        out.point.push_back(p);
        for (std::size_t k = 0; k < e.size(); ++k) {
            local_momentum(m[k], run, gradient, static_cast<int>(k), t, p[k]);
            add(collected[k], run.learning_rate(t), m[k]);
            add(p[k], -run.learning_rate(t), m[k]);
        }
        out.direction.push_back(m);
        if ((t + 1) % run.period == 0) {
            std::vector<vector> c;
            for (std::size_t k = 0; k < e.size(); ++k) {
                const vector owed = sum(e[k], 1, collected[k]);
                c.push_back(compress(owed, static_cast<int>(k), t));
                e[k] = sum(owed, -1, c[k]);
                collected[k] = zeros(d);
            }
            add(x, -1, mean(c));
            for (vector& point : p) point = x;
        }
        out.x.push_back(x);
        out.error.push_back(e);
    }
    return out;
}

/// The same with the memory in gradient units: c = C(e + m); e = e + m - c; x -= eta mean c. One step per exchange (period 1).
/// While eta is constant and C(a v) = a C(v) for a > 0 this is ef_loop with eta e for its e; a lower eta also shrinks what is owed.
inline trace ef_gradient_units_loop(vector x, const settings& run, const gradient_function& gradient, const compressor& compress)
{
    std::vector<vector> e = zeros(run.workers, x.size()), m = e;
    trace out{{x}, {e}, {}, {}};
    for (int t = 0; t < run.steps; ++t) {
        out.point.push_back(std::vector<vector>(e.size(), x));
        std::vector<vector> c;
        for (std::size_t k = 0; k < e.size(); ++k) {
            local_momentum(m[k], run, gradient, static_cast<int>(k), t, x);
            const vector owed = sum(e[k], 1, m[k]);
            c.push_back(compress(owed, static_cast<int>(k), t));
            e[k] = sum(owed, -1, c[k]);
        }
        add(x, -run.learning_rate(t), mean(c));
        out.direction.push_back(m);
        out.x.push_back(x);
        out.error.push_back(e);
    }
    return out;
}

/// Algorithm 1 in server form, no momentum: the worker sends g~ = C(e + eta g) and keeps e + eta g - g~; the server does x -= mean g~.
/// With `twice` the server multiplies by eta once more, as a poster of the paper prints it: for a positively homogeneous C and constant eta
/// that is the correct form at eta^2, so the misprint costs speed, not correctness.
inline trace biased_sgd_loop(vector x, const settings& run, const gradient_function& gradient, const compressor& compress, bool twice = false)
{
    std::vector<vector> e = zeros(run.workers, x.size());
    trace out{{x}, {e}, {}, {}};
    for (int t = 0; t < run.steps; ++t) {
        const double eta = run.learning_rate(t);
        std::vector<vector> sent, g;
        for (std::size_t k = 0; k < e.size(); ++k) {
            g.push_back(gradient(static_cast<int>(k), t, x));
            const vector owed = sum(e[k], eta, g[k]);
            sent.push_back(compress(owed, static_cast<int>(k), t));
            e[k] = sum(owed, -1, sent[k]);
        }
        out.point.push_back(std::vector<vector>(e.size(), x));
        out.direction.push_back(g);
        add(x, twice ? -eta : -1, mean(sent));
        out.x.push_back(x);
        out.error.push_back(e);
    }
    return out;
}

} // namespace reference
