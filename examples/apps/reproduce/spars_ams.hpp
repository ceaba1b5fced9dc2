/// @file The experiments of SPARS-AMS (COMP-AMS): AMSGrad on the server behind compressed gradients.
#pragma once

#include "reproduce/experiment.hpp"

namespace apps::reproduce {

/// Everything of scripts/reproduce spars-ams. @throws data_error where data is missing.
experiment make_spars_ams(const choices& chosen);

void add_adaptive_training(experiment& to, const choices& chosen);
void judge_adaptive_training(const std::vector<record>& records, const choices& chosen, findings& found);
void add_speed_up(experiment& to, const choices& chosen);
void judge_speed_up(const std::vector<record>& records, const choices& chosen, findings& found);

} // namespace apps::reproduce
