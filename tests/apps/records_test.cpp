/// @file Records as JSON and CSV, also with numbers that neither can hold.
#include "records.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <unistd.h>

namespace fs = std::filesystem;
using apps::record;

namespace {

std::string text_of(const fs::path& file)
{
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

} // namespace

TEST_CASE("records: JSON keeps every type, the order of fields, and writes null for NaN and infinities")
{
    record one, two;
    one.set("text", "a \"quoted\"\nline").set("whole", std::int64_t{1} << 53).set("real", 0.1).set("flag", true).set("nan", std::nan(""));
    one.set("inf", -std::numeric_limits<double>::infinity()).set("nothing", std::monostate{});
    two.set("text", "second").set("text", "replaced");
    const std::string text = apps::to_json({one, two});
    const auto parsed = nlohmann::ordered_json::parse(text);
    REQUIRE(parsed.is_array());
    REQUIRE(parsed.size() == 2);
    CHECK(parsed[0]["text"] == "a \"quoted\"\nline");
    CHECK(parsed[0]["whole"] == std::int64_t{1} << 53);
    CHECK(parsed[0]["real"] == 0.1);
    CHECK(parsed[0]["flag"] == true);
    CHECK(parsed[0]["nan"].is_null());
    CHECK(parsed[0]["inf"].is_null());
    CHECK(parsed[0]["nothing"].is_null());
    CHECK(parsed[1]["text"] == "replaced");
    CHECK(parsed[1].size() == 1);
    CHECK(parsed[0].begin().key() == "text");
    CHECK(apps::to_json({}) == "[]\n");
}

TEST_CASE("records: text that is no UTF-8 still makes valid JSON")
{
    record one;
    one.set("folder", "caf\xe9");
    CHECK(nlohmann::json::parse(apps::to_json({one}))[0]["folder"].is_string());
}

TEST_CASE("records: CSV has every field once, quotes what needs it and leaves unknown numbers empty")
{
    record one, two;
    one.set("a", "x,y").set("b", 0.5).set("c", std::nan(""));
    two.set("a", "say \"hi\"").set("d", false).set("b", std::int64_t{-3});
    CHECK(apps::to_csv({one, two}) == "a,b,c,d\n\"x,y\",0.5,,\n\"say \"\"hi\"\"\",-3,,false\n");
}

TEST_CASE("records: a record starts with program, version, date and machine")
{
    const record fields = apps::start_record("some_program");
    REQUIRE(fields.fields().size() == 4);
    CHECK(std::get<std::string>(fields.fields()[0].second) == "some_program");
    CHECK(fields.fields()[1].first == "version");
    const std::string date = std::get<std::string>(fields.fields()[2].second);
    CHECK(date.size() == 20);
    CHECK(date[10] == 'T');
    CHECK(date.back() == 'Z');
    CHECK(std::get<std::string>(fields.fields()[3].second).find("cores") != std::string::npos);
}

TEST_CASE("records: both files are written into a folder that is made for them, and a folder that cannot be is an error naming it")
{
    const fs::path folder = fs::temp_directory_path() / ("gradcomp_records_test_" + std::to_string(getpid())) / "deep";
    record one;
    one.set("a", 1.5);
    apps::write_records({one}, folder);
    CHECK(text_of(folder / "results.json") == apps::to_json({one}));
    CHECK(text_of(folder / "results.csv") == "a\n1.5\n");
    CHECK(std::distance(fs::directory_iterator(folder), fs::directory_iterator{}) == 2);
    CHECK_THROWS_WITH_AS(apps::write_records({one}, folder / "results.csv" / "below"), doctest::Contains("below"), std::runtime_error);
    CHECK_THROWS_WITH_AS(apps::write_text(folder / "missing" / "file", "x"), doctest::Contains("missing"), std::runtime_error);
    fs::remove_all(folder.parent_path());
}
