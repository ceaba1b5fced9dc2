/// @file The loops without an error memory: SGD with momentum, compressed SGD, local SGD, and the iterate average of SGD.
#pragma once

#include "vectors.hpp"

#include <functional>

namespace reference {

/// SGD on the mean gradient of all workers: g = mean gradient + weight_decay x, m = momentum m + g, x -= eta m.
/// With `compress` each worker sends C(gradient + weight_decay x) and nothing remembers the rest (then momentum follows the mean message).
inline trace sgd_loop(vector x, const settings& run, const gradient_function& gradient, const compressor& compress = {})
{
    const std::vector<vector> no_error = zeros(run.workers, x.size());
    vector m = zeros(x.size());
    trace out{{x}, {no_error}, {}, {}};
    for (int t = 0; t < run.steps; ++t) {
        std::vector<vector> g;
        for (int k = 0; k < run.workers; ++k) {
            g.push_back(sum(gradient(k, t, x), run.weight_decay, x));
            if (compress) g.back() = compress(g.back(), k, t);
        }
        const vector together = mean(g);
        for (std::size_t i = 0; i < m.size(); ++i) m[i] = run.momentum * m[i] + together[i];
        out.point.push_back(std::vector<vector>(no_error.size(), x));
        out.direction.push_back(std::vector<vector>(no_error.size(), m));
        add(x, -run.learning_rate(t), m);
        out.x.push_back(x);
        out.error.push_back(no_error);
    }
    return out;
}

/// No memory with the learning rate and the momentum inside the message: x -= mean of C(the period's sum of eta m_k), m_k local.
inline trace no_memory_loop(vector x, const settings& run, const gradient_function& gradient, const compressor& compress)
{
    const std::vector<vector> no_error = zeros(run.workers, x.size());
    std::vector<vector> m = no_error, collected = no_error, p(no_error.size(), x);
    trace out{{x}, {no_error}, {}, {}};
    for (int t = 0; t < run.steps; ++t) {
        out.point.push_back(p);
        for (std::size_t k = 0; k < p.size(); ++k) {
            local_momentum(m[k], run, gradient, static_cast<int>(k), t, p[k]);
            add(collected[k], run.learning_rate(t), m[k]);
            add(p[k], -run.learning_rate(t), m[k]);
        }
        out.direction.push_back(m);
        if ((t + 1) % run.period == 0) {
            std::vector<vector> c;
            for (std::size_t k = 0; k < p.size(); ++k) c.push_back(compress(collected[k], static_cast<int>(k), t));
            add(x, -1, mean(c));
            collected = no_error;
            for (vector& point : p) point = x;
        }
        out.x.push_back(x);
        out.error.push_back(no_error);
    }
    return out;
}

/// Local SGD with averaging every period steps: x_k -= eta m_k; then every x_k becomes their mean. Momenta are local and never averaged.
/// x[t] of the trace is the last average.
/// @cite Haddadpour, Kamani, Mahdavi, Cadambe, ICML 2019 (PMLR 97), RI-SGD without redundancy.
inline trace local_sgd_loop(vector x, const settings& run, const gradient_function& gradient)
{
    const std::vector<vector> no_error = zeros(run.workers, x.size());
    std::vector<vector> m = no_error, local(no_error.size(), x);
    trace out{{x}, {no_error}, {}, {}};
    for (int t = 0; t < run.steps; ++t) {
        out.point.push_back(local);
        for (std::size_t k = 0; k < local.size(); ++k) {
            local_momentum(m[k], run, gradient, static_cast<int>(k), t, local[k]);
            add(local[k], -run.learning_rate(t), m[k]);
        }
        out.direction.push_back(m);
        if ((t + 1) % run.period == 0) {
            x = mean(local);
            for (vector& point : local) point = x;
        }
        out.x.push_back(x);
        out.error.push_back(no_error);
    }
    return out;
}

/// The same with a subset of the workers in each round: the drawn ones train as above and x is their mean; the others rest, with a momentum of 0.
inline trace drawn_sgd_loop(vector x, const std::function<bool(int worker, int round)>& drawn, const settings& run, const gradient_function& gradient)
{
    const std::vector<vector> no_error = zeros(run.workers, x.size());
    std::vector<vector> m = no_error, local(no_error.size(), x);
    trace out{{x}, {no_error}, {}, {}};
    for (int t = 0; t < run.steps; ++t) {
        out.point.push_back(local);
        std::vector<vector> walked;
        for (std::size_t k = 0; k < local.size(); ++k) {
            if (drawn(static_cast<int>(k), t / run.period)) {
                local_momentum(m[k], run, gradient, static_cast<int>(k), t, local[k]);
                add(local[k], -run.learning_rate(t), m[k]);
                walked.push_back(local[k]);
            } else {
                m[k] = zeros(x.size());
            }
        }
        out.direction.push_back(m);
        if ((t + 1) % run.period == 0) {
            x = mean(walked);
            for (vector& point : local) point = x;
        }
        out.x.push_back(x);
        out.error.push_back(no_error);
    }
    return out;
}

/// The iterate average of one worker's SGD: y runs SGD, x is its exponential average, x' = (1 - delta) x + delta y'.
/// The trace's x is the average and its point is y, where the gradient is taken.
inline trace iterate_averaging_loop(const vector& start, double delta, const settings& run, const gradient_function& gradient)
{
    vector y = start, x = start, m = zeros(start.size());
    const std::vector<vector> no_error = zeros(1, start.size());
    trace out{{x}, {no_error}, {}, {}};
    for (int t = 0; t < run.steps; ++t) {
        out.point.push_back({y});
        local_momentum(m, run, gradient, 0, t, y);
        add(y, -run.learning_rate(t), m);
        for (std::size_t i = 0; i < x.size(); ++i) x[i] = (1 - delta) * x[i] + delta * y[i];
        out.direction.push_back({m});
        out.x.push_back(x);
        out.error.push_back(no_error);
    }
    return out;
}

} // namespace reference
