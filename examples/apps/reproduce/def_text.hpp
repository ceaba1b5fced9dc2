/// @file What the trainings of the character model and their judge agree on.
#pragma once

#include "reproduce/def.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace apps::reproduce {

/// A row of the table. Half and twice its learning rate end higher after 3000 steps with seed 11, by which no claim is judged.
struct text_row {
    const char* name;
    const char* method; ///< as train_on_text() takes it
    double ratio, learning_rate;
};
inline const std::vector<text_row> text_rows = {
    {"dense SGD", "sgd", 1, 0.2},
    {"DEF, ratio 16", "def", 16, 0.1},
    {"DEF, ratio 64", "def", 64, 0.1},
    {"DEF, ratio 256", "def", 256, 0.05},
    {"Top-k 1 percent, EF", "top_k_ef", 100, 0.2},
    {"Top-k 0.1 percent, EF", "top_k_ef", 1000, 0.2},
};
inline constexpr std::size_t text_seeds = 3, text_steps = 8000, quick_text_steps = 1500; ///< seeds and steps are those of the full run
inline constexpr std::size_t text_points = 12;

} // namespace apps::reproduce
