/// @file The progress bar and the table.
#include "progress.hpp"
#include "table.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

namespace {

/// What a bar prints into a file while `work` uses it.
template <class Work> std::string printed(bool terminal, std::size_t total, Work work)
{
    std::FILE* file = std::tmpfile();
    REQUIRE(file != nullptr);
    {
        apps::progress_bar bar("training", total, file, terminal);
        work(bar);
    }
    std::rewind(file);
    std::string text;
    for (int letter = std::fgetc(file); letter != EOF; letter = std::fgetc(file)) text += static_cast<char>(letter);
    std::fclose(file);
    return text;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
auto lines(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }

} // namespace

TEST_CASE("progress: a log file gets one line for each tenth, whatever the number of calls and threads")
{
    const std::string text = printed(false, 1000, [](apps::progress_bar& bar) {
        std::vector<std::jthread> threads;
        for (int t = 0; t < 4; ++t)
            threads.emplace_back([&] {
                for (int i = 0; i < 250; ++i) bar.add(1, "def");
            });
    });
    CHECK(lines(text) == 10);
    CHECK(has(text, "training 10% "));
    CHECK(has(text, "training 100% "));
    CHECK_FALSE(has(text, "\r"));
    CHECK(lines(printed(false, 3, [](apps::progress_bar& bar) { bar.add(1, "a"); })) == 1);
}

TEST_CASE("progress: a terminal gets one line that is redrawn and ended once")
{
    const std::string text = printed(true, 50, [](apps::progress_bar& bar) {
        for (int i = 0; i < 50; ++i) bar.add(1, "synthetic data: def");
        bar.finish();
        bar.add(5, "later calls do nothing");
    });
    CHECK(lines(text) == 1);
    CHECK(has(text, "\rtraining ["));
    CHECK(has(text, "100%"));
    CHECK(has(text, "synthetic data: def"));
    CHECK_FALSE(has(text, "later calls"));
}

TEST_CASE("progress: a note is a line of its own, and more work than planned stays at 100 percent")
{
    const std::string text = printed(false, 10, [](apps::progress_bar& bar) {
        bar.note("a run failed");
        bar.add(25, "too much");
    });
    CHECK(has(text, "a run failed\n"));
    CHECK(has(text, "100%"));
    CHECK(printed(true, 10, [](apps::progress_bar&) {}).empty());
}

TEST_CASE("table: columns align, numbers to the right, a rule under the header")
{
    CHECK(apps::to_table({"method", "x"}, {{"sgd", "1.5"}, {"top_k_ef", "22"}}) == "method      x\n-------------\nsgd       1.5\ntop_k_ef   22\n");
    CHECK(apps::to_table({"a", "b"}, {}) == "a  b\n----\n");
}

TEST_CASE("table: numbers with fixed digits; what is not finite is a dash")
{
    CHECK(apps::fixed(88.125, 2) == "88.12");
    CHECK(apps::fixed(std::nan(""), 2) == "-");
    CHECK(apps::fixed(INFINITY, 1) == "-");
    CHECK(apps::fixed(1e300, 2) == "1e+300");
    CHECK(apps::plain(64.0) == "64");
    CHECK(apps::plain(0.05) == "0.05");
}
