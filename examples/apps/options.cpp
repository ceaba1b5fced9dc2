/// @file Reads and checks the command line.
#include "options.hpp"

#include "methods.hpp"
#include "table.hpp"

#include <gradcomp/core/config.hpp>

#include <CLI/CLI.hpp>

#include <charconv>
#include <iostream>
#include <limits>

namespace apps {
namespace {

/// The whole text as a number.
template <class T> std::optional<T> number_of(const std::string& text)
{
    T value{};
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

/// Accepts numbers of [low, high]; NaN is in no range.
CLI::Validator number_in(double low, double high, bool low_itself = true)
{
    return CLI::Validator(
        [=](const std::string& text) -> std::string {
            const std::optional<double> value = number_of<double>(text);
            if (value && (low_itself ? *value >= low : *value > low) && *value <= high) return {};
            return "must be a number " + std::string(low_itself ? "of at least " : "above ") + plain(low) + " and at most " + plain(high) + ", not " + text;
        },
        "NUMBER");
}

CLI::Validator whole_in(std::uint64_t low, std::uint64_t high)
{
    return CLI::Validator(
        [=](const std::string& text) -> std::string {
            const std::optional<std::uint64_t> value = number_of<std::uint64_t>(text);
            if (value && *value >= low && *value <= high) return {};
            return "must be a whole number from " + std::to_string(low) + " to " + std::to_string(high) + ", not " + text;
        },
        "WHOLE");
}

std::string method_names()
{
    std::string names = "all";
    for (const method& one : all_methods()) names += ", " + one.name;
    return names;
}

CLI::Validator known_method()
{
    return CLI::Validator(
        [](const std::string& text) -> std::string {
            if (text == "all" || find_method(text)) return {};
            return "must be one of " + method_names() + ", not " + text;
        },
        "NAME");
}

CLI::Validator known_device()
{
    return CLI::Validator(
        [](const std::string& text) -> std::string { return text == "cpu" || text == "cuda" ? std::string() : "must be cpu or cuda, not " + text; }, "NAME");
}

void add_options(CLI::App& app, train_options& options)
{
    app.add_option("--method", options.methods, "Methods, separated by commas: " + method_names())->delimiter(',')->check(known_method());
    app.add_option("--ratio", options.ratios, "Compression ratios, separated by commas: elements of the gradient per element sent (default 64,256)")
        ->delimiter(',')
        ->check(number_in(1.0, 1e9));
    app.add_option("--seed", options.seeds, "Seeds, separated by commas; with several, the table shows mean and standard deviation (default 1)")
        ->delimiter(',')
        ->check(whole_in(0, std::numeric_limits<std::int64_t>::max()));
    app.add_option("--epochs", options.epochs, "Passes over the training images (default 12)")->check(whole_in(1, 100000));
    app.add_option("--learning-rate", options.learning_rate, "Learning rate of the first half; /10 at half and at three quarters (default 0.05)")
        ->check(number_in(0.0, 1000.0, false));
    app.add_option("--lambda", options.lambda, "How far def and def_a detach the gradient point, 0 to 1 (default 0.3)")->check(number_in(0.0, 1.0));
    app.add_option("--workers", options.workers, "Workers, each a rank with a batch of 16 images per step (default 8)")->check(whole_in(1, 256));
    app.add_option("--threads", options.threads, "Trainings that run at a time (default: as many as keep the processor busy)")->check(whole_in(1, 256));
    app.add_option("--device", options.device, "Where models, gradients and messages live: cpu, or cuda, the present GPU, shared by all workers, 16 at most (default cpu)")
        ->check(known_device());
    app.add_option("--data", options.data,
        "Folder with the gzip idx files of Fashion-MNIST, or the word synthetic (default: the folder in GRADCOMP_DATA, else downloaded once, else synthetic)");
    app.add_option("--out", options.out, "Folder for results.json, results.csv and accuracy.svg (default results)");
}

/// A folder that was asked for by an empty name is a script's unset variable.
void check_folders(const CLI::App& app)
{
    for (const char* name : {"--data", "--out"}) {
        const CLI::Option* option = app.get_option(name);
        if (option->count() > 0 && option->as<std::string>().empty()) throw CLI::ValidationError(name, "must name a folder, not \"\"");
    }
}

} // namespace

std::optional<train_options> parse_options(int argc, const char* const* argv, int& exit_code)
{
    train_options options;
    CLI::App app("Trains an MLP on Fashion-MNIST with several workers that exchange dense or compressed gradients.");
    app.set_version_flag("--version",
        std::to_string(GRADCOMP_VERSION_MAJOR) + "." + std::to_string(GRADCOMP_VERSION_MINOR) + "." + std::to_string(GRADCOMP_VERSION_PATCH));
    add_options(app, options);
    exit_code = 0;
    try {
        app.parse(argc, argv);
        check_folders(app);
    } catch (const CLI::Success& success) {
        app.exit(success);
        return std::nullopt;
    } catch (const CLI::ParseError& error) {
        std::cerr << "train_fashion: " << error.what() << "\nRun with --help for the options.\n";
        exit_code = 2;
        return std::nullopt;
    }
    for (const std::string& name : options.methods) {
        if (name != "all") continue;
        options.methods.clear();
        for (const method& one : all_methods()) options.methods.push_back(one.name);
        break;
    }
    return options;
}

} // namespace apps
