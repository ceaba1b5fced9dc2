/// @file Runs the experiments of the papers again: reproduce NAME --out DIR [--quick] [--data DIR] [--only PART] [--device cuda].

#include "cuda/mlp_training.hpp"
#include "data/error.hpp"
#include "reproduce/biased.hpp"
#include "reproduce/def.hpp"
#include "reproduce/ri_sgd.hpp"
#include "reproduce/runner.hpp"
#include "reproduce/spars_ams.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <exception>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace apps::reproduce {
namespace {

using maker = experiment (*)(const choices&);

/// The experiments by name; a new one is one line.
const std::map<std::string, maker>& all()
{
    static const std::map<std::string, maker> makers = {
        {"biased", make_biased},
        {"def", make_def},
        {"ri-sgd", make_ri_sgd},
        {"spars-ams", make_spars_ams},
    };
    return makers;
}

std::string names()
{
    std::string text = "all";
    for (const auto& [name, make] : all()) text += ", " + name;
    return text;
}

/// @throws std::runtime_error where it cannot be had: better known now than after hours.
void require_device(const std::string& device)
{
    if (device != "cuda") return;
    if (const cuda_device found = find_cuda_device(); !found.problem.empty()) throw std::runtime_error("--device cuda: " + found.problem);
}

int run_program(int argc, char** argv)
{
    std::string name, out, device = "cpu";
    choices chosen;
    CLI::App app("Runs a paper's experiments again and judges its claims. An interrupted run goes on where it stopped.");
    app.add_option("experiment", name, "One of " + names())->required();
    app.add_option("--out", out, "Folder for report.html, results.json, results.csv, claims.json, the charts, and parts/ with what is done")->required();
    app.add_flag("--quick", chosen.quick, "One seed, fewer epochs; claims that need more are not judged");
    app.add_option("--data", chosen.data, "Folder with the data sets (default: the folder in GRADCOMP_DATA)");
    app.add_option("--only", chosen.only, "Run only parts whose name contains this; the others keep what an earlier run left");
    app.add_option("--device", device, "Where the perceptron of def is trained: cpu, or cuda, the present GPU; everything else runs on the processor (default cpu)")
        ->check(CLI::IsMember({"cpu", "cuda"}));
    CLI11_PARSE(app, argc, argv);
    if (name != "all" && !all().contains(name)) {
        std::fprintf(stderr, "reproduce: experiment must be one of %s, not %s\n", names().c_str(), name.c_str());
        return 2;
    }
    require_device(device);
    chosen.on_cuda = device == "cuda";
    std::vector<experiment> wanted;
    for (const auto& [key, make] : all())
        if (name == "all" || name == key) wanted.push_back(make(chosen));
    return run(wanted, chosen, out) ? 0 : 1;
}

} // namespace
} // namespace apps::reproduce

int main(int argc, char** argv)
{
    try {
        return apps::reproduce::run_program(argc, argv);
    } catch (const apps::data::data_error& error) {
        std::fprintf(stderr, "reproduce: %s\n", error.what());
        return 2;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "reproduce: %s\n", error.what());
        return 1;
    }
}
