/// @file The command line of the training programs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace apps {

/// An option whose value turns out to be unusable; what() names both.
struct option_error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// What the user chose; every value is checked.
struct train_options {
    std::vector<std::string> methods = {"all"};
    std::vector<double> ratios = {64.0, 256.0};
    std::vector<std::uint64_t> seeds = {1};
    std::size_t epochs = 12;
    double learning_rate = 0.05;
    double lambda = 0.3;
    std::size_t workers = 8;
    std::size_t threads = 0; ///< trainings at a time; 0: as many as keep the processor busy
    std::string device = "cpu"; ///< or "cuda"
    std::string data;
    std::string out = "results";
};

/// Reads the command line. "all" is replaced by every method's name.
/// @return nothing after --help (printed, exit_code 0) or a wrong option (one line naming option and value on stderr, exit_code 2).
std::optional<train_options> parse_options(int argc, const char* const* argv, int& exit_code);

} // namespace apps
