/// @file gradcomp_bench: measures the kernels and writes results.json, results.csv and results.md.
#include "harness.hpp"

#include <gradcomp/core/text.hpp>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <sstream>
#include <thread>

namespace {

#if !defined(GRADCOMP_BENCH_COMPILER)
#define GRADCOMP_BENCH_COMPILER __VERSION__
#define GRADCOMP_BENCH_BUILD_TYPE ""
#endif

std::string machine()
{
    std::ifstream info("/proc/cpuinfo");
    for (std::string line; std::getline(info, line);)
        if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2) + ", " + std::to_string(std::thread::hardware_concurrency()) + " cores";
    return std::to_string(std::thread::hardware_concurrency()) + " cores";
}

std::string date()
{
    const std::time_t now = std::time(nullptr);
    char text[32] = {};
    std::strftime(text, sizeof text, "%Y-%m-%d", std::gmtime(&now));
    return text;
}

nlohmann::ordered_json flat(const bench::record& r)
{
    return {{"program", "gradcomp_bench"}, {"date", date()}, {"machine", machine()}, {"compiler", GRADCOMP_BENCH_COMPILER}, {"build", GRADCOMP_BENCH_BUILD_TYPE},
        {"name", r.name}, {"operation", r.operation}, {"data", r.data}, {"elements", r.elements}, {"ratio", r.ratio}, {"threads", r.threads},
        {"repetitions", r.repetitions}, {"milliseconds", r.milliseconds}, {"milliseconds_min", r.milliseconds_min}, {"floor", r.floor},
        {"floor_milliseconds", r.floor_milliseconds}, {"floor_ratio", r.floor_ratio}, {"floor_ratio_min", r.floor_ratio_min}, {"gate", r.gate}, {"aim", r.aim},
        {"bytes_per_element", r.bytes_per_element}, {"fallbacks", r.fallbacks}, {"load", r.load}};
}

std::string quoted(const nlohmann::ordered_json& value)
{
    if (!value.is_string()) return value.dump();
    std::string out = "\"";
    for (const char c : value.get<std::string>()) out += c == '"' ? std::string("\"\"") : std::string(1, c);
    return out + "\"";
}

void write_csv(const std::vector<nlohmann::ordered_json>& rows, std::ostream& out)
{
    if (rows.empty()) return;
    std::string line;
    for (const auto& [key, value] : rows.front().items()) line += (line.empty() ? "" : ",") + key;
    out << line << '\n';
    for (const auto& row : rows) {
        line.clear();
        for (const auto& [key, value] : row.items()) line += (line.empty() ? "" : ",") + quoted(value);
        out << line << '\n';
    }
}

/// What a benchmark's name says behind the threads or before them that no column shows: block:1024, storage:staged.
std::string options_of(const std::string& name)
{
    std::istringstream parts(name);
    std::string part, options;
    while (std::getline(parts, part, '/'))
        if (part.starts_with("block:") || part.starts_with("storage:")) options += (options.empty() ? "" : ", ") + part;
    return options;
}

void write_table(std::ostream& out)
{
    out << "# Kernels\n\n" << machine() << "; " << GRADCOMP_BENCH_COMPILER << "; " << date() << ". Times in ms (medians); ratio: operation / floor, in turns.\n\n"
        << "| operation | options | data | elements | ratio | threads | ms | floor | floor ms | gate | aim | measured | min | | fallbacks | load |\n"
        << "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n"
        << std::fixed << std::setprecision(2);
    const auto limit = [](double x) {
        std::ostringstream text;
        if (x > 0) text << std::setprecision(3) << x;
        return text.str();
    };
    for (const bench::record& r : bench::records())
        out << "| " << r.operation << " | " << options_of(r.name) << " | " << r.data << " | " << r.elements << " | " << gradcomp::text_of(r.ratio) << " | " << r.threads << " | "
            << r.milliseconds << " | " << r.floor << " | " << r.floor_milliseconds << " | " << limit(r.gate) << " | " << limit(r.aim) << " | " << r.floor_ratio << " | " << r.floor_ratio_min << " | "
            << (r.gate <= 0 ? "" : r.floor_ratio <= r.gate ? "met" : "missed") << " | " << r.fallbacks << " | " << r.load << " |\n";
}

} // namespace

int main(int argc, char** argv)
{
    std::string out, filter = ".";
    bench::settings settings;
    CLI::App options("Measures gradcomp's kernels against bare kernels of the same memory traffic.");
    options.add_option("--out", out, "folder for results.json, results.csv and results.md");
    options.add_option("--filter", filter, "only benchmarks whose name matches this regular expression");
    options.add_option("--repetitions", settings.repetitions, "turns of each benchmark")->check(CLI::Range(3, 10000));
    options.add_flag("--full", settings.full, "also the sizes that take minutes");
    CLI11_PARSE(options, argc, argv);

    std::string selection = "--benchmark_filter=" + filter;
    std::vector<char*> arguments{argv[0], selection.data()};
    int count = static_cast<int>(arguments.size());
    benchmark::Initialize(&count, arguments.data());
    for (const auto add : bench::rooms()) add(settings);
    try {
        benchmark::RunSpecifiedBenchmarks();
    } catch (const std::exception& failure) {
        std::cerr << "gradcomp_bench: " << failure.what() << '\n';
        return 1;
    }
    if (out.empty()) {
        write_table(std::cout);
        return 0;
    }
    std::filesystem::create_directories(out);
    std::vector<nlohmann::ordered_json> rows;
    for (const bench::record& r : bench::records()) rows.push_back(flat(r));
    std::ofstream(out + "/results.json") << nlohmann::ordered_json(rows).dump(1) << '\n';
    std::ofstream csv(out + "/results.csv"), table(out + "/results.md");
    write_csv(rows, csv);
    write_table(table);
    return csv && table ? 0 : 1;
}
