/// @file Looks for vectors on which an operator is as bad as its class allows.
#pragma once

#include "random.hpp"

#include <gradcomp/theory/measured.hpp>

#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

namespace apps::reproduce {

/// What can be bad: the constants of the classes that an operator's moments at one x press against.
enum class pressed { zeta, alpha, beta, gamma, delta };
inline constexpr std::size_t pressures = 5;

/// How hard a measurement presses, larger for worse: two standard errors less than it seems, or a search would collect lucky draws.
/// @pre the measurement's intervals are of two standard errors
inline double pressure(pressed on, const gradcomp::theory::measurement& m)
{
    switch (on) {
    case pressed::zeta: return m.energy.lower();
    case pressed::alpha: return -m.energy.upper();
    case pressed::beta: return m.alignment.mean > 0 ? m.energy.lower() / m.alignment.upper() : (m.energy.mean > 0 ? 1e300 : -1e300);
    case pressed::gamma: return -m.alignment.upper();
    case pressed::delta: return m.error.lower();
    }
    return 0;
}

using measured_at = std::function<gradcomp::theory::measurement(const std::vector<double>& x)>;

/// Collects the worst x seen for each pressure.
class worst_seen {
public:
    explicit worst_seen(const measured_at& measure) : measure_(measure) { most_.fill(-1e301); }
    void offer(const std::vector<double>& x)
    {
        const auto m = measure_(x);
        for (std::size_t on = 0; on < pressures; ++on)
            if (const double now = pressure(static_cast<pressed>(on), m); now > most_[on]) most_[on] = now, worst_[on] = x;
    }
    const std::array<std::vector<double>, pressures>& vectors() const { return worst_; }

private:
    const measured_at& measure_;
    std::array<std::vector<double>, pressures> worst_;
    std::array<double, pressures> most_{};
};

/// Vectors of two magnitudes: one large element, some smaller equal ones, zeros; their signs equal or alternating, at several scales, for levels
/// that do not depend on x.
inline void offer_two_magnitudes(std::size_t d, worst_seen& worst)
{
    for (const std::size_t others : {std::size_t{0}, std::size_t{1}, d / 4, d / 2, d - 2, d - 1})
        for (const double size : {1.0, 0.999, 0.75, 0.5, 1 / 3.0, 0.25, 0.2, 0.1, 0.04, 1e-3})
            for (const double scale : {1.0, 1.25, 4 / 3.0, 1.4999, 1.5001, 1.75, 1.9999, 2.0001})
                for (const double sign : {1.0, -1.0}) {
                    std::vector<double> x(d, 0.0);
                    x[0] = scale;
                    for (std::size_t i = 1; i <= others && i < d; ++i) x[i] = scale * size * (i % 2 == 1 ? sign : 1.0);
                    worst.offer(x);
                }
}

/// The worst of each pressure with all elements but the first, then all, times factors from 1/2 to 2, in steps that become finer.
inline void offer_multiples(worst_seen& worst)
{
    for (std::size_t on = 0; on < pressures; ++on)
        for (const std::size_t first : {1u, 0u})
            for (const double step : {0.125, 0.125 / 8, 0.125 / 64}) {
                const std::vector<double> from = worst.vectors()[on];
                for (int j = -8; j <= 8; ++j) {
                    std::vector<double> x = from;
                    for (std::size_t i = first; i < x.size(); ++i) x[i] *= std::exp2(j * step);
                    worst.offer(x);
                }
            }
}

/// Random climbs from the worst of each pressure: one element, or each by itself.
inline void offer_climbs(std::size_t d, std::size_t climbs, std::uint64_t seed, worst_seen& worst)
{
    generator random(seed, 91);
    for (std::size_t on = 0; on < pressures; ++on)
        for (std::size_t climb = 0; climb < climbs; ++climb) {
            std::vector<double> x = worst.vectors()[on];
            const double width = std::exp2(-static_cast<double>(climb % 12));
            const std::size_t at = random.below(d);
            if (climb % 2 == 0) x[at] *= 1 + width * static_cast<double>(random.normal());
            else
                for (double& v : x) v *= 1 + width * 0.3 * static_cast<double>(random.normal());
            if (x[at] == 0 && climb % 4 == 0) x[at] = width;
            worst.offer(x);
        }
}

/// The worst x found for each pressure. Finds the worst cases of every operator here whose bound is known to be tight; for others it gives a lower
/// bound.
inline std::array<std::vector<double>, pressures> worst_cases(std::size_t d, const measured_at& measure, std::size_t climbs, std::uint64_t seed)
{
    worst_seen worst(measure);
    offer_two_magnitudes(d, worst);
    offer_multiples(worst);
    offer_climbs(d, climbs, seed, worst);
    return worst.vectors();
}

} // namespace apps::reproduce
