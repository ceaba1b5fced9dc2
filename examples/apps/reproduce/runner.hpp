/// @file Runs experiments part by part, keeps what is done, and writes records, charts and the report.
#pragma once

#include "reproduce/experiment.hpp"

#include <cstdio>
#include <filesystem>
#include <vector>

namespace apps::reproduce {

/// Where a run speaks: its claims, and how far it has come.
struct voices {
    std::FILE *claims = stdout, *progress = stderr;
};

/// Runs what is not kept in `out`/parts, then judges: a line per claim on the console; results.json, results.csv, claims.json, one SVG a chart
/// and report.html in `out`.
/// @return whether no claim failed. @throws what a part or a file throws; the parts before it are kept.
bool run(const std::vector<experiment>& experiments, const choices& chosen, const std::filesystem::path& out, const voices& to = {});

} // namespace apps::reproduce
