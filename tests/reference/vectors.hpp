/// @file The few vector operations and the types that the plain transcriptions of the papers' loops share; they use nothing of the library.
#pragma once

#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <vector>

namespace reference {

using vector = std::vector<double>;

/// The stochastic gradient of worker `worker` in step `step` (from 0) at `point`; called once per worker and step, workers in order.
using gradient_function = std::function<vector(int worker, int step, const vector& point)>;

/// C(v) as a dense vector. `step` is the local step (from 0) at whose end the message is sent: step / period is the round.
using compressor = std::function<vector(const vector& v, int worker, int step)>;

/// The learning rate of step `step`.
using learning_rates = std::function<double(int step)>;

/// What all the loops are told.
struct settings {
    int workers = 1;
    int steps = 1;
    int period = 1;          ///< local steps between exchanges
    double momentum = 0;     ///< m' = momentum * m + g, without dampening
    double weight_decay = 0; ///< g = gradient at p + weight_decay * p
    bool nesterov = false;   ///< of cser_loop alone: the direction is momentum * m' + g instead of m'
    learning_rates learning_rate;
};

/// Everything that a loop did. Entry t of x and error is the state BEFORE step t, so they have steps + 1 entries and [0] is the start;
/// point and direction have one entry per step.
struct trace {
    std::vector<vector> x;
    std::vector<std::vector<vector>> error;     ///< [t][worker], in the sign of error feedback: what is still owed
    std::vector<std::vector<vector>> point;     ///< [t][worker], where the gradient was taken
    std::vector<std::vector<vector>> direction; ///< [t][worker], the local momentum m after step t's gradient
};

inline vector zeros(std::size_t d) { return vector(d, 0.0); }

inline std::vector<vector> zeros(int workers, std::size_t d) { return std::vector<vector>(static_cast<std::size_t>(workers), zeros(d)); }

/// a += factor * b
inline void add(vector& a, double factor, const vector& b)
{
    for (std::size_t i = 0; i < a.size(); ++i) a[i] += factor * b[i];
}

/// a + factor * b
inline vector sum(vector a, double factor, const vector& b)
{
    add(a, factor, b);
    return a;
}

inline vector mean(const std::vector<vector>& of)
{
    vector out = zeros(of.front().size());
    for (const vector& v : of) add(out, 1, v);
    for (double& value : out) value /= static_cast<double>(of.size());
    return out;
}

inline double squared_norm(const vector& v)
{
    double out = 0;
    for (const double value : v) out += value * value;
    return out;
}

/// max |a_i - b_i| / max(1, max |a_i|): relative for large vectors, absolute for small ones. Infinite where an element of either is NaN or Inf, or
/// where they differ in size: a bound that it is held against then fails, also behind std::max, which would lose a NaN.
inline double distance(const vector& a, const vector& b)
{
    constexpr double apart = std::numeric_limits<double>::infinity();
    if (a.size() != b.size()) return apart;
    double off = 0, scale = 1;
    for (std::size_t i = 0; i < a.size(); ++i) {
        if (!std::isfinite(a[i]) || !std::isfinite(b[i])) return apart;
        off = std::fmax(off, std::abs(a[i] - b[i]));
        scale = std::fmax(scale, std::abs(a[i]));
    }
    return off / scale;
}

/// The local rule that every method shares: m = momentum * m + g, g = gradient at p + weight_decay * p, with the decay at the point p itself; gives g.
inline vector local_momentum(vector& m, const settings& run, const gradient_function& gradient, int worker, int step, const vector& p)
{
    const vector g = sum(gradient(worker, step, p), run.weight_decay, p);
    for (std::size_t i = 0; i < m.size(); ++i) m[i] = run.momentum * m[i] + g[i];
    return g;
}

} // namespace reference
