/// @file A number over seeds: mean, deviation, differences seed by seed; and comparisons that do not forget NaN.
#pragma once

#include "chart.hpp"
#include "records.hpp"
#include "table.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

namespace apps::reproduce {

/// One number, measured once a seed.
struct over_seeds {
    std::map<std::int64_t, double> by_seed;

    std::size_t count() const { return by_seed.size(); }
    /// NaN without a seed, and where one seed's number is none.
    double mean() const
    {
        double sum = 0;
        for (const auto& [seed, value] : by_seed) sum += value;
        return by_seed.empty() ? std::numeric_limits<double>::quiet_NaN() : sum / static_cast<double>(count());
    }
    /// Of a sample (n - 1); NaN with less than two seeds.
    double deviation() const
    {
        double squares = 0;
        for (const auto& [seed, value] : by_seed) squares += (value - mean()) * (value - mean());
        return count() < 2 ? std::numeric_limits<double>::quiet_NaN() : std::sqrt(squares / static_cast<double>(count() - 1));
    }
    /// The standard error of the mean; NaN with less than two seeds.
    double error() const { return deviation() / std::sqrt(static_cast<double>(count())); }
    /// Whether the mean is above 0 by more than two standard errors.
    bool clearly_positive() const { return mean() > 2 * error(); }
};

/// a - b seed by seed, over the seeds that both have: what the two share in a seed does not scatter the difference.
inline over_seeds operator-(const over_seeds& a, const over_seeds& b)
{
    over_seeds out;
    for (const auto& [seed, value] : a.by_seed)
        if (const auto other = b.by_seed.find(seed); other != b.by_seed.end()) out.by_seed[seed] = value - other->second;
    return out;
}

/// `field` of the records for which matches(record) is true, by their field "seed".
template <class Matches> over_seeds collect(const std::vector<record>& records, const std::string& field, const Matches& matches)
{
    over_seeds out;
    for (const record& r : records)
        if (matches(r)) out.by_seed[static_cast<std::int64_t>(r.number("seed"))] = r.number(field);
    return out;
}

/// "88.12 +- 0.10", without a deviation where there is one seed; "-" without a mean.
inline std::string with_deviation(const over_seeds& number, int digits)
{
    const std::string text = fixed(number.mean(), digits);
    return number.count() > 1 && std::isfinite(number.mean()) ? text + " +- " + fixed(number.deviation(), digits) : text;
}

/// Adds the mean at x to a line, with a bar of the deviation where there is one.
inline void add_point(chart_series& line, double x, const over_seeds& y)
{
    line.x.push_back(x), line.y.push_back(y.mean());
    line.spread.push_back(y.count() > 1 ? y.deviation() : 0);
}

/// The larger and the smaller of two; NaN where one is NaN, which std::max and std::min may forget.
inline double larger(double a, double b) { return std::isnan(a) || std::isnan(b) ? std::numeric_limits<double>::quiet_NaN() : std::max(a, b); }
inline double smaller(double a, double b) { return -larger(-a, -b); }

} // namespace apps::reproduce
