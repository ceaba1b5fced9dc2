/// @file The experiments of Xu, Huang, Detached Error Feedback for Distributed SGD with Random Sparsification, ICML 2022.
#pragma once

#include "reproduce/experiment.hpp"

namespace apps::reproduce {

/// Everything of scripts/reproduce def. @throws data_error where data is missing.
experiment make_def(const choices& chosen);

// One file each; every one adds its parts and judges the records of its own.
void add_def_table(experiment& to, const choices& chosen);
void judge_def_table(const std::vector<record>& records, const choices& chosen, findings& found);
void add_def_curves(experiment& to, const choices& chosen);
void judge_def_curves(const std::vector<record>& records, const choices& chosen, findings& found);
void add_def_excess(experiment& to, const choices& chosen);
void judge_def_excess(const std::vector<record>& records, const choices& chosen, findings& found);
void add_def_logistic(experiment& to, const choices& chosen);
void judge_def_logistic(const std::vector<record>& records, const choices& chosen, findings& found);
void add_def_text(experiment& to, const choices& chosen);
void judge_def_text(const std::vector<record>& records, const choices& chosen, findings& found);

} // namespace apps::reproduce
