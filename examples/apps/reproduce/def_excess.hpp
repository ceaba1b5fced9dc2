/// @file What the trainings with eta = c / (t + 1) and their judge agree on.
#pragma once

#include "reproduce/def.hpp"

namespace apps::reproduce::excess {

inline constexpr std::size_t workers = 8, samples = 400, seeds = 20; ///< seeds of the full run
inline constexpr double ratio = 16, decay = 0.01;

inline std::size_t steps(const choices& chosen) { return chosen.quick ? 10000 : 100000; }

} // namespace apps::reproduce::excess
