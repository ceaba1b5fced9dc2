/// @file Relatives that choose chunk by chunk: SparseLoCo's local steps behind a decaying error feedback, and the plain chunk-wise top-k and two bits that it sends;
/// DeMo's cosine coefficients of a decaying momentum, averaged over those that sent them, and their signs.
/// @cite Sarfi et al., "SparseLoCo", arXiv 2508.15706; Peng, Quesnelle, Kingma, "DeMo", arXiv 2411.19870.
#pragma once

#include "compressors.hpp"
#include "vectors.hpp"

namespace reference {

/// Every worker takes `period` steps of momentum SGD from x, x_k -= eta m_k; e = decay e + x - x_k; c = C(e); e -= c; x -= rate mean c.
inline trace sparse_loco_loop(vector x, double decay, double rate, const settings& run, const gradient_function& gradient, const compressor& compress)
{
    std::vector<vector> e = zeros(run.workers, x.size()), m = e, local(e.size(), x);
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
                for (std::size_t i = 0; i < x.size(); ++i) e[k][i] = decay * e[k][i] + (x[i] - local[k][i]);
                sent.push_back(compress(e[k], static_cast<int>(k), t));
                add(e[k], -1, sent.back());
            }
            add(x, -rate, mean(sent));
            for (vector& point : local) point = x;
        }
        out.x.push_back(x);
        out.error.push_back(e);
    }
    return out;
}

/// The k largest of each `chunk` neighbours, of a shorter last chunk at most as many as it has.
inline compressor chunked_top_k(std::size_t k, std::size_t chunk)
{
    return [k, chunk](const vector& v, int worker, int step) {
        vector out;
        for (std::size_t at = 0; at < v.size(); at += chunk) {
            const auto first = v.begin() + static_cast<std::ptrdiff_t>(at), end = v.begin() + static_cast<std::ptrdiff_t>(std::min(v.size(), at + chunk));
            const vector c = top_k(k)(vector(first, end), worker, step);
            out.insert(out.end(), c.begin(), c.end());
        }
        return out;
    };
}

/// What is not 0, in order and `bucket` at a time, as the nearest of four values from the least to the greatest of them.
inline vector two_bits(vector v, std::size_t bucket)
{
    std::vector<std::size_t> sent;
    for (std::size_t i = 0; i < v.size(); ++i)
        if (v[i] != 0) sent.push_back(i);
    for (std::size_t at = 0; at < sent.size(); at += bucket) {
        const std::size_t end = std::min(sent.size(), at + bucket);
        double low = v[sent[at]], high = low;
        for (std::size_t j = at; j < end; ++j) low = std::min(low, v[sent[j]]), high = std::max(high, v[sent[j]]);
        const double step = (high - low) / 3;
        for (std::size_t j = at; j < end && step > 0; ++j) v[sent[j]] = low + step * std::floor((v[sent[j]] - low) / step + 0.5);
    }
    return v;
}

/// m = decay m + eta g; q = choose(forward(m)); m -= back(q); Q = of each coefficient the mean over the q that are not 0; x -= eta (sign(back(Q)) + weight_decay x).
/// error of the trace is m; `momentum` is not used.
inline trace demo_loop(vector x, double decay, const settings& run, const gradient_function& gradient, const compressor& forward, const compressor& choose, const compressor& back)
{
    std::vector<vector> m = zeros(run.workers, x.size());
    trace out{{x}, {m}, {}, {}};
    for (int t = 0; t < run.steps; ++t) {
        out.point.push_back(std::vector<vector>(m.size(), x));
        vector sum = zeros(x.size()), senders = sum;
        for (std::size_t k = 0; k < m.size(); ++k) {
            const int worker = static_cast<int>(k);
            const vector g = gradient(worker, t, x);
            for (std::size_t i = 0; i < g.size(); ++i) m[k][i] = decay * m[k][i] + run.learning_rate(t) * g[i];
            const vector q = choose(forward(m[k], worker, t), worker, t);
            add(m[k], -1, back(q, worker, t));
            for (std::size_t i = 0; i < q.size(); ++i) sum[i] += q[i], senders[i] += q[i] != 0;
        }
        for (std::size_t i = 0; i < sum.size(); ++i) sum[i] /= std::max(1.0, senders[i]);
        const vector v = back(sum, 0, t);
        for (std::size_t i = 0; i < x.size(); ++i) x[i] -= run.learning_rate(t) * ((v[i] > 0) - (v[i] < 0) + run.weight_decay * x[i]);
        out.direction.push_back(m);
        out.x.push_back(x);
        out.error.push_back(m);
    }
    return out;
}

/// The orthonormal DCT-II, or its inverse, of chunks of height x width that lie one behind the other.
inline vector cosine_chunks(const vector& x, std::size_t height, std::size_t width, bool back)
{
    const auto weight = [](std::size_t u, std::size_t j, std::size_t n) {
        const double size = static_cast<double>(n), cosine = std::cos(std::acos(-1.0) * (2 * static_cast<double>(j) + 1) * static_cast<double>(u) / (2 * size));
        return std::abs(cosine) < 1e-14 ? 0 : std::sqrt((u == 0 ? 1 : 2) / size) * cosine; // of a quarter of the circle, whose sign somebody may ask for
    };
    const std::size_t n = height * width;
    vector out = zeros(x.size());
    for (std::size_t first = 0; first < x.size(); first += n)
        for (std::size_t i = 0; i < n; ++i)
            for (std::size_t j = 0; j < n; ++j) {
                const std::size_t u = back ? j : i, p = back ? i : j; // coefficient and element
                out[first + i] += weight(u / width, p / width, height) * weight(u % width, p % width, width) * x[first + j];
            }
    return out;
}

} // namespace reference
