/// @file What an operator does, measured: its moments at a vector by repeated draws, with confidence intervals, to hold against its classes.
#pragma once

#include <gradcomp/core/error.hpp>
#include <gradcomp/theory/classes.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace gradcomp::theory {

/// An estimate and how far off it may be: mean plus or minus half_width.
struct interval {
    double mean = 0;
    double half_width = 0;
    constexpr double lower() const { return mean - half_width; }
    constexpr double upper() const { return mean + half_width; }
};

/// Mean and variance of numbers that arrive one by one (Welford's update: no cancellation, no storage).
class running_mean {
public:
    constexpr void add(double value)
    {
        ++count_;
        const double before = value - mean_;
        mean_ += before / static_cast<double>(count_);
        squares_ += before * (value - mean_);
    }
    constexpr std::uint64_t count() const { return count_; }
    constexpr double mean() const { return mean_; }
    /// The unbiased sample variance; 0 for fewer than two values.
    constexpr double variance() const { return count_ < 2 ? 0 : squares_ / static_cast<double>(count_ - 1); }
    /// Mean plus or minus `sigmas` standard errors.
    interval estimate(double sigmas) const
    {
        return {mean_, count_ == 0 ? 0 : sigmas * std::sqrt(variance() / static_cast<double>(count_))};
    }

private:
    std::uint64_t count_ = 0;
    double mean_ = 0, squares_ = 0;
};

/// The moments of C at one x, all relative to ||x||^2; what every class but U bounds. s - 2t + 1 is the mean squared error.
struct moments {
    double s = 0; ///< E||C(x)||^2 / ||x||^2
    double t = 0; ///< <E C(x), x> / ||x||^2
};

/// By how much (relative to ||x||^2) exact moments break a class; at most a few rounding errors above 0 where the class holds.
constexpr double violation(class_b1 c, moments m) { return std::max(c.alpha - m.s, m.s - c.beta * m.t); }
/// @copydoc violation(class_b1,moments)
constexpr double violation(class_b2 c, moments m) { return std::max(c.gamma - m.t, m.s / c.beta - m.t); }
/// @copydoc violation(class_b1,moments)
constexpr double violation(class_b3 c, moments m) { return m.s - 2 * m.t + 1 - contraction(c); }
/// The second moment only: whether E C(x) = x is another question, see measurement::bias.
constexpr double violation(class_u c, moments m) { return m.s - c.zeta; }

/// What measure() saw at one x.
struct measurement {
    std::uint64_t draws = 0;
    interval error;       ///< E||C(x) - x||^2 / ||x||^2, which B3 bounds by 1 - 1/delta
    interval energy;      ///< E||C(x)||^2 / ||x||^2
    interval alignment;   ///< <E C(x), x> / ||x||^2
    double bias = 0;      ///< ||mean C(x) - x|| / ||x||
    double bias_noise = 0; ///< what `bias` would be (root mean square) for an unbiased operator with the variance seen
    double worst_coordinate = 0; ///< the largest |mean C(x)_i - x_i| in standard errors of coordinate i; infinite for a constant wrong value
};

namespace detail {

/// |mean - wanted| in standard errors, after 4 units of T's rounding are forgiven (a scale such as d/k need not be exact).
template <class T> double deviation_in_sigmas(const running_mean& of, double wanted)
{
    const double off = std::abs(of.mean() - wanted) - 4 * static_cast<double>(std::numeric_limits<T>::epsilon()) * std::abs(wanted);
    if (!(off > 0)) return std::isnan(off) ? std::numeric_limits<double>::infinity() : 0;
    const double sigma = std::sqrt(of.variance() / static_cast<double>(of.count()));
    return sigma > 0 ? off / sigma : std::numeric_limits<double>::infinity();
}

} // namespace detail

/// Draws C(x) repeatedly and averages in double.
///
/// For a verdict on U wait until every outcome has been seen often: a coordinate kept with probability q needs draws well above 1/q, or it
/// may never appear and count as constantly 0.
/// @param compress called as compress(x, out, draw) with out of x's size, zeroed, and draw = 0, 1, ...: the operator must use `draw` as its
///     only source of randomness, and then the result is reproducible bit for bit.
/// @param draws at least 1; 1 suffices for an operator without randomness.
/// @param sigmas half width of the intervals in standard errors; 6 is exceeded by chance about twice in 10^9 Gaussian means.
/// @return all zero moments for x = 0 or an empty x.
/// @throws error invalid_argument for draws = 0.
template <std::floating_point T, class Operator>
    requires std::invocable<Operator&, std::span<const T>, std::span<T>, std::uint64_t>
measurement measure(Operator&& compress, std::span<const T> x, std::uint64_t draws, double sigmas = 6)
{
    if (draws == 0) throw error(error_code::invalid_argument, "draws", "0", "must be at least 1");
    std::vector<T> out(x.size());
    std::vector<running_mean> coordinate(x.size());
    running_mean error_of, energy, alignment;
    double norm = 0;
    for (const T value : x) norm += static_cast<double>(value) * static_cast<double>(value);
    measurement seen;
    seen.draws = draws;
    if (!(norm > 0)) return seen;
    for (std::uint64_t draw = 0; draw < draws; ++draw) {
        std::fill(out.begin(), out.end(), T(0));
        compress(x, std::span<T>(out), draw);
        double lost = 0, kept = 0, along = 0;
        for (std::size_t i = 0; i < x.size(); ++i) {
            const double c = static_cast<double>(out[i]), v = static_cast<double>(x[i]);
            lost += (c - v) * (c - v);
            kept += c * c;
            along += c * v;
            coordinate[i].add(c);
        }
        error_of.add(lost / norm);
        energy.add(kept / norm);
        alignment.add(along / norm);
    }
    seen.error = error_of.estimate(sigmas);
    seen.energy = energy.estimate(sigmas);
    seen.alignment = alignment.estimate(sigmas);
    double off = 0, variance = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const double wanted = static_cast<double>(x[i]), difference = coordinate[i].mean() - wanted;
        off += difference * difference;
        variance += coordinate[i].variance() / static_cast<double>(draws);
        seen.worst_coordinate = std::max(seen.worst_coordinate, detail::deviation_in_sigmas<T>(coordinate[i], wanted));
    }
    seen.bias = std::sqrt(off / norm);
    seen.bias_noise = std::sqrt(variance / norm);
    return seen;
}

/// Whether a measurement is compatible with a class: no bound is exceeded by more than the intervals and `slack` (relative to ||x||^2) allow.
constexpr bool compatible(class_b3 c, const measurement& seen, double slack = 1e-6) { return seen.error.lower() <= contraction(c) + slack; }
/// @copydoc compatible(class_b3,const measurement&,double)
constexpr bool compatible(class_b1 c, const measurement& seen, double slack = 1e-6)
{
    return seen.energy.upper() >= c.alpha - slack && seen.energy.lower() <= c.beta * seen.alignment.upper() + slack;
}
/// @copydoc compatible(class_b3,const measurement&,double)
constexpr bool compatible(class_b2 c, const measurement& seen, double slack = 1e-6)
{
    return seen.alignment.upper() >= c.gamma - slack && seen.energy.lower() <= c.beta * seen.alignment.upper() + slack;
}
/// @copydoc compatible(class_b3,const measurement&,double)
/// For U also every coordinate's mean: within `sigmas` standard errors of x_i.
constexpr bool compatible(class_u c, const measurement& seen, double slack = 1e-6, double sigmas = 6)
{
    return seen.energy.lower() <= c.zeta + slack && seen.worst_coordinate <= sigmas;
}

/// Whether a measurement is compatible with every class of a membership.
constexpr bool compatible(const membership& m, const measurement& seen, double slack = 1e-6)
{
    return (!m.u || compatible(*m.u, seen, slack)) && (!m.b1 || compatible(*m.b1, seen, slack)) && (!m.b2 || compatible(*m.b2, seen, slack))
        && (!m.b3 || compatible(*m.b3, seen, slack));
}

} // namespace gradcomp::theory
