/// @file Runs another program without a shell and collects what it says.
#pragma once

#include <string>
#include <vector>

namespace apps {

/// How a program ended.
struct process_result {
    bool found = false;  ///< false: no such program on this machine
    int status = -1;     ///< exit status; 128 + signal where a signal ended it
    std::string output;  ///< the end of stdout and stderr together, at most 4000 bytes
    bool success() const { return found && status == 0; }
};

/// Runs arguments[0], found along PATH, and waits for it. Arguments reach the program as they are: nothing needs quoting.
process_result run_program(const std::vector<std::string>& arguments);

} // namespace apps
