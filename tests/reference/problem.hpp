/// @file Small deterministic problems for the plain transcriptions and for what is compared with them; they use nothing of the library.
#pragma once

#include "random.hpp"
#include "vectors.hpp"

#include <cmath>

namespace reference {

/// Noisy quadratics, one per worker: f_k(x) = sum_i h_ki (x_i - c_ki)^2 / 2 + coupling (sum_i x_i / sqrt(d))^2 / 2.
///
/// Curvatures and centres differ between workers by `spread`; the gradient carries Gaussian noise that depends on (seed, worker, step, i)
/// alone, so two loops that visit the same points see the same gradients. With spread 0 and coupling 0 the workers share one diagonal Hessian.
struct quadratics {
    std::size_t size = 16;
    std::uint64_t seed = 1;
    double noise = 0.1;     ///< standard deviation per element of the gradient
    double smallest = 0.1;  ///< curvatures run geometrically from here ...
    double largest = 1.0;   ///< ... to here
    double spread = 0.5;    ///< how far workers differ; 0: all alike, centres at 0
    double coupling = 0.2;  ///< makes the Hessian non-diagonal

    double curvature(int worker, std::size_t i) const
    {
        const double place = size > 1 ? static_cast<double>(i) / static_cast<double>(size - 1) : 0;
        return smallest * std::pow(largest / smallest, place) * (1 + spread * (uniform(seed + 1, number(worker), i) - 0.5));
    }

    double centre(int worker, std::size_t i) const { return spread * gaussian(seed + 2, number(worker), i); }

    /// A gradient_function.
    vector operator()(int worker, int step, const vector& x) const
    {
        double along = 0;
        for (const double value : x) along += value;
        vector g(x.size());
        for (std::size_t i = 0; i < x.size(); ++i)
            g[i] = curvature(worker, i) * (x[i] - centre(worker, i)) + coupling * along / static_cast<double>(size)
                 + noise * gaussian(scatter(seed + 3) + number(worker), number(step), i);
        return g;
    }

    /// A start away from the optimum.
    vector start() const
    {
        vector x(size);
        for (std::size_t i = 0; i < size; ++i) x[i] = gaussian(seed + 4, 0, i);
        return x;
    }

    /// f at x with the mean curvature, above its minimum; meaningful for spread 0 and coupling 0.
    double suboptimality(const vector& x) const
    {
        double out = 0;
        for (std::size_t i = 0; i < x.size(); ++i) out += 0.5 * curvature(0, i) * x[i] * x[i];
        return out;
    }

private:
    static std::uint64_t number(int value) { return static_cast<std::uint64_t>(value); }
};

/// Three strongly convex functions on R^3 with a common minimum at 0 on which Top-1 without memory grows exponentially:
/// f_k(x) = <a_k, x>^2 + ||x||^2 / 4, a = (-3, 2, 2) and its rotations. From t (1, 1, 1) each step multiplies x by 1 + 11 eta / 6.
/// @cite Beznosikov et al., JMLR 24(276), 2023, the example of divergence.
inline vector divergent_gradient(int worker, int, const vector& x)
{
    vector a(3, 2.0);
    a[static_cast<std::size_t>(worker)] = -3;
    // <a, x> through the sum, which all workers share: on the diagonal their roundings are then alike, and the example is unstable beside it.
    const double inner = 2 * (x[0] + x[1] + x[2]) - 5 * x[static_cast<std::size_t>(worker)];
    return {2 * inner * a[0] + 0.5 * x[0], 2 * inner * a[1] + 0.5 * x[1], 2 * inner * a[2] + 0.5 * x[2]};
}

} // namespace reference
