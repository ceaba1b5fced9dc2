/// @file Draws charts by gnuplot.
#include "chart.hpp"

#include "process.hpp"
#include "records.hpp"

#include <array>
#include <charconv>
#include <cmath>

namespace apps {
namespace {

/// Colours that stay apart for most colour-blind readers; each series also has its own mark.
constexpr std::array<const char*, 8> colours = {"#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f"};

std::string number(double value)
{
    std::array<char, 40> digits{};
    return {digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr};
}

/// Single quotes take everything as it is, except themselves.
std::string quoted(const std::string& text)
{
    std::string out = "'";
    for (const char letter : text) {
        if (letter == '\n' || letter == '\r') continue; // a line break would end the command
        out += letter == '\'' ? std::string("''") : std::string(1, letter);
    }
    return out + "'";
}

bool drawable(const chart& picture, double x, double y) { return std::isfinite(x) && std::isfinite(y) && (!picture.log_x || x > 0.0) && (!picture.log_y || y > 0.0); }

/// The points of one series as a data block; false where none can be drawn.
bool add_data(std::string& script, const chart& picture, std::size_t index)
{
    const chart_series& series = picture.series[index];
    std::string rows;
    for (std::size_t i = 0; i < series.x.size() && i < series.y.size(); ++i) {
        if (!drawable(picture, series.x[i], series.y[i])) continue;
        rows += number(series.x[i]) + " " + number(series.y[i]);
        if (!series.spread.empty()) rows += " " + number(i < series.spread.size() && std::isfinite(series.spread[i]) ? series.spread[i] : 0.0);
        rows += "\n";
    }
    if (rows.empty()) return false;
    script += "$series" + std::to_string(index) + " << end_of_data\n" + rows + "end_of_data\n";
    return true;
}

void add_marks(std::string& script, const chart& picture)
{
    for (const chart_mark& mark : picture.marks) {
        if (!drawable(picture, mark.x, 1.0)) continue;
        const std::string x = number(mark.x);
        script += "set arrow from " + x + ", graph 0 to " + x + ", graph 1 nohead back lc rgb '#dddddd'\n";
        script += "set label " + quoted(mark.text) + " at " + x + ", graph 0.03 offset 0.5, 0 left tc rgb '#777777' font ',11'\n";
    }
}

} // namespace

std::string to_gnuplot(const chart& picture, const std::filesystem::path& svg)
{
    std::string script = std::string("set terminal svg size ") + (picture.compact ? "560, 460" : "960, 600") + " dynamic enhanced font 'Helvetica, " +
        (picture.compact ? "15" : "14") + "' background rgb 'white'\n";
    script += "set output " + quoted(svg.string()) + "\n";
    script += "set title " + quoted(picture.title) + " noenhanced\nset xlabel " + quoted(picture.x_label) + " noenhanced\n";
    script += "set ylabel " + quoted(picture.y_label) + " noenhanced\nset key outside below center horizontal samplen 2 height 1 noenhanced\n";
    script += "set grid ytics lt 1 lc rgb '#dddddd'\nset border 3\nset tics nomirror\n";
    if (picture.log_x) script += "set logscale x\n";
    if (picture.log_y) script += "set logscale y\nset format y '10^{%L}'\n";
    if (!picture.x_format.empty()) script += "set format x " + quoted(picture.x_format) + "\n";
    script += "set offsets graph 0.05, graph 0.05, graph 0.05, graph 0.05\n";
    add_marks(script, picture);
    std::string plots;
    bool drawn = false;
    for (std::size_t i = 0; i < picture.series.size(); ++i) {
        const bool filled = add_data(script, picture, i);
        drawn = drawn || filled;
        plots += plots.empty() ? "plot " : ", \\\n     ";
        const chart_series& series = picture.series[i];
        const bool bars = filled && !series.spread.empty();
        plots += filled ? "$series" + std::to_string(i) + (bars ? " using 1:2:3" : " using 1:2") : std::string("NaN");
        plots += series.marks ? std::string(bars ? " with yerrorlines" : " with linespoints") + " lw 2 ps 1 pt " + std::to_string(4 + i) : std::string(" with lines lw 2");
        if (series.dashed) plots += " dt 2";
        plots += std::string(" lc rgb '") + colours[i % colours.size()] + "' title " + quoted(series.name);
    }
    // gnuplot refuses a plot without any point; a run in which everything diverged still gets its frame and title.
    if (!drawn) script += "set xrange [1:10]\nset yrange [0:100]\n";
    return script + (plots.empty() ? "plot NaN notitle" : plots) + "\n";
}

std::optional<std::string> draw_chart(const chart& picture, const std::filesystem::path& svg)
{
    const std::filesystem::path script = std::filesystem::path(svg).replace_extension(".gp");
    write_text(script, to_gnuplot(picture, svg));
    const process_result result = run_program({"gnuplot", script.string()});
    if (!result.found) return "gnuplot is missing, so there is no " + svg.string() + "; install it and run: gnuplot " + script.string();
    if (result.status != 0) return "gnuplot could not draw " + svg.string() + " (status " + std::to_string(result.status) + "): " + result.output;
    return std::nullopt;
}

} // namespace apps
