/// @file The experiments of Beznosikov, Horvath, Richtarik, Safaryan, On Biased Compression for Distributed Learning, JMLR 24(276), 2023.
#pragma once

#include "reproduce/experiment.hpp"

namespace apps::reproduce {

/// Everything of scripts/reproduce biased. @throws data_error where data is missing.
experiment make_biased(const choices& chosen);

// The figures, one file each; every one adds its parts and judges the records of its own.
void add_divergence(experiment& to, const choices& chosen);
void judge_divergence(const std::vector<record>& records, const choices& chosen, findings& found);
void add_descent(experiment& to, const choices& chosen);
void judge_descent(const std::vector<record>& records, const choices& chosen, findings& found);
void add_variance(experiment& to, const choices& chosen);
void judge_variance(const std::vector<record>& records, const choices& chosen, findings& found);
void add_training(experiment& to, const choices& chosen);
void judge_training(const std::vector<record>& records, const choices& chosen, findings& found);
void add_operators(experiment& to, const choices& chosen);
void judge_operators(const std::vector<record>& records, const choices& chosen, findings& found);

} // namespace apps::reproduce
