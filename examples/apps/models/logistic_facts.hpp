/// @file What is known of a logistic regression before anything is trained: where its minimum lies, and how smooth it is.
#pragma once

#include "data/libsvm.hpp"
#include "models/logistic.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace apps::models {

/// The parameters of the lowest loss over `rows`, by Newton's method until the gradient is a rounding error. @pre decay > 0
std::vector<double> minimiser(const logistic& model, const data::sparse_set& set, std::span<const std::uint32_t> rows);

/// L of the mean loss over `rows`: a quarter of the largest eigenvalue of mean a a^T, a = (row, 1), by 200 steps of the power method, plus the decay.
double smoothness(const logistic& model, const data::sparse_set& set, std::span<const std::uint32_t> rows);

} // namespace apps::models
