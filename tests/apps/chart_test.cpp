/// @file Charts by gnuplot, and what happens without it.
#include "chart.hpp"
#include "process.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <unistd.h>

namespace fs = std::filesystem;
using apps::chart;

namespace {

struct scratch_folder {
    fs::path path = fs::temp_directory_path() / ("gradcomp_chart_test_" + std::to_string(getpid()));
    scratch_folder() { fs::create_directories(path); }
    ~scratch_folder() { fs::remove_all(path); }
};

std::string text_of(const fs::path& file)
{
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

chart sample()
{
    chart picture;
    picture.title = "accuracy on synthetic data, it's a test";
    picture.x_label = "bytes_sent";
    picture.y_label = "percent";
    picture.log_x = true;
    picture.x_format = "%.0s %cB";
    picture.series = {{"def_a", {1e8, 4e8}, {88.0, 88.5}}, {"ef (diverged at 64)", {}, {}}, {"sgd", {3e10, 0.0, 1e9}, {89.2, 1.0, std::nan("")}}};
    picture.marks = {{4e8, "ratio 64"}};
    return picture;
}

/// Runs without any program to find.
template <class Action> auto without_programs(const fs::path& empty_folder, Action action)
{
    const std::string path = std::getenv("PATH") ? std::getenv("PATH") : "";
    setenv("PATH", empty_folder.c_str(), 1);
    auto result = action();
    setenv("PATH", path.c_str(), 1);
    return result;
}

} // namespace

TEST_CASE("process: status and output of a program come back, and a missing program is told apart from a failing one")
{
    const auto good = apps::run_program({"sh", "-c", "echo out; echo err >&2; exit 3"});
    CHECK(good.found);
    CHECK(good.status == 3);
    CHECK(has(good.output, "out"));
    CHECK(has(good.output, "err"));
    CHECK(apps::run_program({"sh", "-c", "test \"$1\" = 'a b; c'", "sh", "a b; c"}).success()); // arguments arrive as they are
    CHECK(apps::run_program({"sh", "-c", "kill -9 $$"}).status == 128 + 9);
    CHECK_FALSE(apps::run_program({"no-such-program-at-all"}).found);
    CHECK_FALSE(apps::run_program({}).found);
    CHECK(apps::run_program({"sh", "-c", "i=0; while [ $i -lt 9000 ]; do echo line $i; i=$((i+1)); done"}).output.size() <= 4000);
}

TEST_CASE("chart: the script holds every finite point, and a series without points keeps its place in the key")
{
    const std::string script = apps::to_gnuplot(sample(), "some/where.svg");
    CHECK(has(script, "1e+08 88\n"));
    CHECK(has(script, "4e+08 88.5\n"));
    CHECK(has(script, "89.2\n"));
    CHECK_FALSE(has(script, "nan\n"));
    CHECK_FALSE(has(script, "\n0 1\n")); // no zero on a logarithmic axis
    CHECK(has(script, "title 'def_a'"));
    CHECK(has(script, "NaN with linespoints"));
    CHECK(has(script, "'accuracy on synthetic data, it''s a test'"));
    CHECK(has(script, "set logscale x"));
}

TEST_CASE("chart: a series with a spread has a bar at each point, of no length where the spread is no number")
{
    chart picture = sample();
    picture.series[0].spread = {0.5, std::nan("")};
    const std::string script = apps::to_gnuplot(picture, "a.svg");
    CHECK(has(script, "1e+08 88 0.5\n"));
    CHECK(has(script, "4e+08 88.5 0\n"));
    CHECK(has(script, "$series0 using 1:2:3 with yerrorlines"));
    CHECK(has(script, "$series2 using 1:2 with linespoints"));
    const scratch_folder folder;
    if (apps::run_program({"gnuplot", "--version"}).found) CHECK_FALSE(apps::draw_chart(picture, folder.path / "a.svg").has_value());
}

TEST_CASE("chart: gnuplot draws an SVG with title and labels")
{
    const scratch_folder folder;
    if (!apps::run_program({"gnuplot", "--version"}).found) {
        CHECK(apps::draw_chart(sample(), folder.path / "a.svg").has_value());
        return;
    }
    const auto problem = apps::draw_chart(sample(), folder.path / "it's here.svg");
    CHECK_MESSAGE(!problem.has_value(), problem.value_or(""));
    const std::string svg = text_of(folder.path / "it's here.svg");
    CHECK(has(svg, "<svg"));
    CHECK(has(svg, "</svg>"));
    CHECK(has(svg, "synthetic"));
    CHECK(has(svg, "ratio 64"));
    CHECK(has(svg, "def_a"));
    CHECK(has(svg, "diverged at 64"));
    chart empty;
    empty.title = "nothing left";
    CHECK_FALSE(apps::draw_chart(empty, folder.path / "empty.svg").has_value());
    empty.log_x = true;
    empty.series = {{"all diverged", {}, {}}};
    CHECK_FALSE(apps::draw_chart(empty, folder.path / "empty.svg").has_value());
    CHECK(has(text_of(folder.path / "empty.svg"), "nothing left"));
}

TEST_CASE("chart: without gnuplot the script stays and one sentence says what is missing")
{
    const scratch_folder folder;
    const auto problem = without_programs(folder.path, [&] { return apps::draw_chart(sample(), folder.path / "a.svg"); });
    REQUIRE(problem.has_value());
    CHECK(has(*problem, "gnuplot is missing"));
    CHECK(has(*problem, "a.gp"));
    CHECK_FALSE(fs::exists(folder.path / "a.svg"));
    CHECK(has(text_of(folder.path / "a.gp"), "set output"));
}
