/// @file The runner: parts that are kept, measured again, left out or broken off, and what is written.
#include "reproduce/runner.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <stdexcept>
#include <unistd.h>

namespace fs = std::filesystem;
using apps::progress_bar;
using apps::record;
using namespace apps::reproduce;

namespace {

struct scratch_folder {
    fs::path path = fs::temp_directory_path() / ("gradcomp_runner_test_" + std::to_string(getpid()));
    scratch_folder() { fs::remove_all(path); }
    ~scratch_folder() { fs::remove_all(path); }
};

std::string text_of(const fs::path& file)
{
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}
void write(const fs::path& file, const std::string& text) { std::ofstream(file, std::ios::binary | std::ios::trunc) << text; }
bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// An experiment of two parts, which counts how often each is measured; its claim is that the values add up to 3.
struct counted {
    std::map<std::string, int> measured;
    bool broken = false; ///< the second part throws
    std::string settings = "steps 10";

    experiment make()
    {
        experiment made{.name = "toy", .title = "A toy & more", .source = "nobody", .parts = {}, .judge = {}};
        for (const double value : {1.0, 2.0}) {
            const std::string name = value == 1 ? "one" : "two";
            made.parts.push_back({name, settings, 1, [=, this](progress_bar& progress) {
                if (broken && name == "two") throw std::runtime_error("two broke");
                ++measured[name];
                progress.add(1, name);
                return std::vector<record>{record().set("value", value).set("lost", std::numeric_limits<double>::infinity())};
            }});
        }
        made.judge = [](const std::vector<record>& records, findings& found) {
            double sum = 0;
            for (const record& r : records) sum += r.number("value");
            found.say("all of them");
            found.judge("sum", "the sum is 3", evidence({}, "").need("values", records.size(), 2), sum == 3, std::to_string(sum));
        };
        return made;
    }
    bool run(const fs::path& out, const std::string& only = {})
    {
        fs::create_directories(out);
        const std::unique_ptr<std::FILE, int (*)(std::FILE*)> said(std::fopen((out / "said.txt").c_str(), "w"), std::fclose), progress(std::fopen((out / "progress.txt").c_str(), "w"), std::fclose);
        return apps::reproduce::run({make()}, {.quick = false, .data = {}, .only = only}, out, {said.get(), progress.get()});
    }
};

std::string verdict_in(const fs::path& out) { return apps::from_json(text_of(out / "claims.json")).at(0).text("verdict"); }

} // namespace

TEST_CASE("runner: parts are measured once and kept; records, claims and report are written")
{
    const scratch_folder folder;
    counted toy;
    CHECK(toy.run(folder.path));
    const std::string first = text_of(folder.path / "parts" / "toy.one.json");
    CHECK(toy.run(folder.path));
    CHECK(toy.measured == std::map<std::string, int>{{"one", 1}, {"two", 1}});
    CHECK(text_of(folder.path / "parts" / "toy.one.json") == first);
    const auto records = apps::from_json(text_of(folder.path / "results.json"));
    REQUIRE(records.size() == 2);
    CHECK(records[1].number("value") == 2);
    CHECK(records[1].text("part") == "two");
    CHECK(records[1].text("experiment") == "toy");
    CHECK(verdict_in(folder.path) == "PASS");
    CHECK(has(text_of(folder.path / "report.html"), "A toy &amp; more"));
    CHECK(has(text_of(folder.path / "report.html"), "<b>PASS</b> the sum is 3"));
}

TEST_CASE("runner: a part that is damaged, of other settings or of another version is measured again, and only that")
{
    const scratch_folder folder;
    counted toy;
    toy.run(folder.path);
    const fs::path file = folder.path / "parts" / "toy.two.json";
    const std::string good = text_of(file);
    const auto changed = [&](const std::string& from, const std::string& to) {
        std::string text = good;
        const std::size_t at = text.find(from);
        REQUIRE(at != std::string::npos);
        return text.replace(at, from.size(), to);
    };
    int times = 1;
    for (const std::string& text : {std::string(), std::string("[]"), std::string("no json"), good.substr(0, good.size() / 2), std::string("[1, 2]"), changed("steps 10", "steps 11"),
             changed("\"version\": \"", "\"version\": \"9"), changed("settings", "setting")}) {
        CAPTURE(text);
        write(file, text);
        CHECK(toy.run(folder.path));
        CHECK(toy.measured["two"] == ++times);
        CHECK(toy.measured["one"] == 1);
        CHECK(text_of(file) == good);
    }
    toy.settings = "steps 20";
    CHECK(toy.run(folder.path));
    CHECK(toy.measured == std::map<std::string, int>{{"one", 2}, {"two", times + 1}});
}

TEST_CASE("runner: what ran before a part that throws is kept")
{
    const scratch_folder folder;
    counted toy;
    toy.broken = true;
    CHECK_THROWS_WITH_AS(toy.run(folder.path), "two broke", std::runtime_error);
    CHECK_FALSE(fs::exists(folder.path / "parts" / "toy.two.json"));
    toy.broken = false;
    CHECK(toy.run(folder.path));
    CHECK(toy.measured == std::map<std::string, int>{{"one", 1}, {"two", 1}});
}

TEST_CASE("runner: parts that are left out leave their claims open, which is no failure; a later run takes what is there")
{
    const scratch_folder folder;
    counted toy;
    CHECK(toy.run(folder.path, "two"));
    CHECK(toy.measured == std::map<std::string, int>{{"two", 1}});
    CHECK(verdict_in(folder.path) == "NOT JUDGED");
    CHECK(has(text_of(folder.path / "report.html"), "missing: values (1 of 2)"));
    CHECK(has(text_of(folder.path / "said.txt"), "NOT JUDGED  toy sum: the sum is 3"));
    CHECK(has(text_of(folder.path / "said.txt"), "0 passed, 0 failed, 1 not judged"));
    CHECK(has(text_of(folder.path / "progress.txt"), "one, left out"));
    CHECK(toy.run(folder.path, "one"));
    CHECK(toy.measured == std::map<std::string, int>{{"one", 1}, {"two", 1}});
    CHECK(verdict_in(folder.path) == "PASS");
}

TEST_CASE("runner: a claim that fails makes the run fail")
{
    const scratch_folder folder;
    counted toy;
    toy.run(folder.path);
    const fs::path file = folder.path / "parts" / "toy.two.json";
    std::string text = text_of(file);
    text.replace(text.find("\"value\": 2.0"), 12, "\"value\": 2.5");
    write(file, text);
    CHECK_FALSE(toy.run(folder.path));
    CHECK(verdict_in(folder.path) == "FAIL");
}
