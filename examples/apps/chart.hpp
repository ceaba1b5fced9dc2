/// @file Line charts as SVG, drawn by gnuplot.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace apps {

/// A line with marks at its points; points that are not finite, or not positive on a log axis, are left out.
/// A series without points still has its name in the key.
struct chart_series {
    std::string name;
    std::vector<double> x = {};
    std::vector<double> y = {};
    bool marks = true;   ///< a mark at each point; without, a plain line
    bool dashed = false; ///< for theory beside a run
    std::vector<double> spread = {}; ///< half the length of a bar at each point, such as a deviation; empty: no bars
};

/// A vertical mark with a word, such as "ratio 64".
struct chart_mark {
    double x = 0.0;
    std::string text;
};

/// What a chart shows.
struct chart {
    std::string title;
    std::string x_label;
    std::string y_label;
    bool log_x = false;
    bool log_y = false;
    bool compact = false; ///< small with large letters, for a phone's width
    std::string x_format = {}; ///< gnuplot's format of the numbers along x; empty: its own choice
    std::vector<chart_series> series = {};
    std::vector<chart_mark> marks = {};
};

/// The gnuplot script that draws `picture` into the SVG file `svg`; data inside.
std::string to_gnuplot(const chart& picture, const std::filesystem::path& svg);

/// Writes the script beside the picture (same name, .gp) and runs gnuplot on it.
/// @return nothing where the picture is there, else one sentence saying why it is not: gnuplot missing, or what it said.
/// @throws std::runtime_error where the script cannot be written.
std::optional<std::string> draw_chart(const chart& picture, const std::filesystem::path& svg);

} // namespace apps
