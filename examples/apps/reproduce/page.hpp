/// @file The report: one HTML file with its charts inside, for a phone and a desk.
#pragma once

#include "reproduce/experiment.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace apps::reproduce {

/// One experiment's place in the report.
struct section {
    std::string name, title, source;
    findings found;
};

/// Draws every chart (as <experiment>-<number>.svg in `out`) and puts all of it into one page that needs no other file.
/// @throws std::runtime_error where a file cannot be written; a chart that cannot be drawn is a sentence in the page.
std::string to_html(const std::vector<section>& sections, const choices& chosen, const std::filesystem::path& out);

} // namespace apps::reproduce
