/// @file Newton's method and the power method on sparse rows.
#include "models/logistic_facts.hpp"

#include <Eigen/Dense>

#include <cmath>
#include <utility>

namespace apps::models {

std::vector<double> minimiser(const logistic& model, const data::sparse_set& set, std::span<const std::uint32_t> rows)
{
    const auto d = static_cast<Eigen::Index>(model.size());
    std::vector<double> x(model.size()), slope(model.size());
    for (int step = 0; step < 30; ++step) {
        model.gradient<double>(x, set, rows, slope);
        Eigen::Map<Eigen::VectorXd> at(x.data(), d), g(slope.data(), d);
        if (g.norm() < 1e-13) break;
        Eigen::MatrixXd hessian = model.decay * Eigen::MatrixXd::Identity(d, d);
        for (const std::uint32_t row : rows) {
            const double s = model.score<double>(x, set, row), weight = 1 / ((1 + std::exp(s)) * (1 + std::exp(-s))) / static_cast<double>(rows.size());
            std::vector<std::pair<Eigen::Index, double>> entries = {{d - 1, 1.0}};
            for (std::size_t k = set.start[row]; k < set.start[row + 1]; ++k) entries.push_back({set.column[k], static_cast<double>(set.value[k])});
            for (const auto& [i, a] : entries)
                for (const auto& [j, b] : entries) hessian(i, j) += weight * a * b;
        }
        at -= hessian.ldlt().solve(g);
    }
    return x;
}

double smoothness(const logistic& model, const data::sparse_set& set, std::span<const std::uint32_t> rows)
{
    std::vector<double> v(model.size(), 1 / std::sqrt(static_cast<double>(model.size()))), next(model.size());
    double largest = 0;
    for (int step = 0; step < 200; ++step) {
        std::fill(next.begin(), next.end(), 0.0);
        for (const std::uint32_t row : rows) {
            const double along = model.score<double>(v, set, row) / static_cast<double>(rows.size());
            for (std::size_t k = set.start[row]; k < set.start[row + 1]; ++k) next[set.column[k]] += along * static_cast<double>(set.value[k]);
            next[model.columns] += along;
        }
        double square = 0;
        for (const double one : next) square += one * one;
        largest = std::sqrt(square);
        for (std::size_t i = 0; i < v.size(); ++i) v[i] = next[i] / largest;
    }
    return largest / 4 + model.decay;
}

} // namespace apps::models
