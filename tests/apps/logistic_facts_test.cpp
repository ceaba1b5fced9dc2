/// @file Where a logistic regression's minimum lies and how smooth it is, on problems whose answers are known.
#include "models/logistic_facts.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

using apps::models::logistic;

namespace {

/// Rows with the one column 0: label, value.
apps::data::sparse_set column_of(const std::vector<std::pair<int, float>>& rows)
{
    apps::data::sparse_set set{.name = "column", .columns = 1};
    for (const auto& [label, value] : rows) {
        set.label.push_back(static_cast<std::uint8_t>(label));
        set.column.push_back(0);
        set.value.push_back(value);
        set.start.push_back(set.column.size());
    }
    return set;
}

} // namespace

TEST_CASE("the smoothness of one row is a quarter of its squared length with the bias, plus the decay; rows of zeros leave that of the bias")
{
    const auto set = column_of({{1, 3.0f}, {0, 0.0f}});
    const logistic model{.columns = 1, .decay = 0.5};
    CHECK(apps::models::smoothness(model, set, std::vector<std::uint32_t>{0}) == doctest::Approx(10.0 / 4 + 0.5).epsilon(1e-12));
    CHECK(apps::models::smoothness(model, set, std::vector<std::uint32_t>{1}) == doctest::Approx(1.0 / 4 + 0.5).epsilon(1e-12));
    // mean of (3, 1)(3, 1)^T and (0, 1)(0, 1)^T: eigenvalues of ((4.5, 1.5), (1.5, 1))
    CHECK(apps::models::smoothness(model, set, std::vector<std::uint32_t>{0, 1}) == doctest::Approx((5.5 + std::sqrt(12.25 + 9)) / 2 / 4 + 0.5).epsilon(1e-9));
}

TEST_CASE("at the minimiser the gradient is a rounding error and the loss is lower than beside it, for the rows that were asked for")
{
    const auto set = column_of({{1, 2.0f}, {0, 1.0f}, {1, -0.5f}, {0, -3.0f}, {0, 4.0f}});
    const logistic model{.columns = 1, .decay = 0.1};
    for (const std::vector<std::uint32_t>& rows : {std::vector<std::uint32_t>{0, 1, 2, 3, 4}, std::vector<std::uint32_t>{0, 3}}) {
        const std::vector<double> x = apps::models::minimiser(model, set, rows);
        std::vector<double> slope(2), beside = x;
        const double lowest = model.gradient<double>(x, set, rows, slope);
        CHECK(std::hypot(slope[0], slope[1]) < 1e-12);
        beside[0] += 1e-3;
        CHECK(model.gradient<double>(beside, set, rows, slope) > lowest);
        beside = x;
        beside[1] -= 1e-3;
        CHECK(model.gradient<double>(beside, set, rows, slope) > lowest);
    }
}
