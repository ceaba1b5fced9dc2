/// @file What the trainings of table 2 and their judge agree on.
#pragma once

#include "reproduce/def.hpp"

namespace apps::reproduce {

inline const std::vector<double> table_ratios = {16, 64, 128, 256, 512, 1024}, cnn_ratios = {64, 1024};
inline constexpr std::size_t table_seeds = 3; ///< of the full run's table and long runs; the convolutional network has one

} // namespace apps::reproduce
