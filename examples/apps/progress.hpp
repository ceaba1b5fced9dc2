/// @file A progress bar for people and sparse lines for log files.
#pragma once

#include <cstddef>
#include <cstdio>
#include <chrono>
#include <mutex>
#include <string>

namespace apps {

/// Counts work done towards a total and shows it. Any thread may call.
///
/// On a terminal one line is redrawn at most ten times a second; elsewhere a line is printed at each further tenth of the total.
class progress_bar {
public:
    /// @param what starts every line; @param total units of work, at least 1.
    progress_bar(std::string what, std::size_t total, std::FILE* out = stderr);
    /// As above, with the kind of output chosen by the caller.
    progress_bar(std::string what, std::size_t total, std::FILE* out, bool terminal);
    ~progress_bar() { finish(); }
    progress_bar(const progress_bar&) = delete;
    progress_bar& operator=(const progress_bar&) = delete;

    /// Adds `units` of work; `now` says what is running.
    void add(std::size_t units, const std::string& now);
    /// Prints a whole line above the bar.
    void note(const std::string& line);
    /// Ends the line on a terminal. Later calls do nothing.
    void finish();

private:
    using clock = std::chrono::steady_clock;
    void draw();
    std::string times() const;

    std::string what_, now_;
    std::size_t total_, done_ = 0, tenth_ = 0, width_ = 0;
    std::FILE* out_;
    bool terminal_, finished_ = false;
    clock::time_point start_, drawn_;
    std::mutex mutex_;
};

} // namespace apps
