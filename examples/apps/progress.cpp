/// @file Shows progress.
#include "progress.hpp"

#include <algorithm>
#include <array>
#include <unistd.h>
#include <utility>

namespace apps {
namespace {

std::string minutes(double seconds)
{
    const auto whole = static_cast<long>(seconds + 0.5);
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%ld:%02ld", whole / 60, whole % 60);
    return text.data();
}

} // namespace

progress_bar::progress_bar(std::string what, std::size_t total, std::FILE* out) : progress_bar(std::move(what), total, out, isatty(fileno(out)) != 0) {}

progress_bar::progress_bar(std::string what, std::size_t total, std::FILE* out, bool terminal)
    : what_(std::move(what)), total_(std::max<std::size_t>(total, 1)), out_(out), terminal_(terminal), start_(clock::now()), drawn_(start_ - std::chrono::hours(1))
{
}

std::string progress_bar::times() const
{
    const double spent = std::chrono::duration<double>(clock::now() - start_).count();
    const double share = static_cast<double>(done_) / static_cast<double>(total_);
    if (done_ == 0 || done_ >= total_) return minutes(spent);
    return minutes(spent) + ", about " + minutes(spent * (1.0 - share) / share) + " left";
}

void progress_bar::draw()
{
    constexpr std::size_t cells = 24;
    const std::size_t percent = 100 * done_ / total_, full = cells * done_ / total_;
    const std::string text = what_ + " [" + std::string(full, '#') + std::string(cells - full, '.') + "] " + std::to_string(percent) + "% " + times() + "  " + now_;
    // Blanks wipe what a longer line left; the cursor stays at the end of the text.
    std::fprintf(out_, "\r%s%s", text.c_str(), std::string(width_ > text.size() ? width_ - text.size() : 0, ' ').c_str());
    std::fflush(out_);
    width_ = text.size();
}

void progress_bar::add(std::size_t units, const std::string& now)
{
    const std::lock_guard lock(mutex_);
    if (finished_) return;
    done_ = std::min(total_, done_ + units);
    now_ = now;
    if (terminal_) {
        if (done_ < total_ && clock::now() - drawn_ < std::chrono::milliseconds(100)) return;
        drawn_ = clock::now();
        draw();
    } else if (const std::size_t tenth = 10 * done_ / total_; tenth > tenth_) {
        tenth_ = tenth;
        std::fprintf(out_, "%s %zu%% %s  %s\n", what_.c_str(), 100 * done_ / total_, times().c_str(), now_.c_str());
        std::fflush(out_);
    }
}

void progress_bar::note(const std::string& line)
{
    const std::lock_guard lock(mutex_);
    if (terminal_ && width_ > 0) std::fprintf(out_, "\r%s\r", std::string(width_, ' ').c_str());
    width_ = 0;
    std::fprintf(out_, "%s\n", line.c_str());
    if (terminal_ && !finished_) draw();
    std::fflush(out_);
}

void progress_bar::finish()
{
    const std::lock_guard lock(mutex_);
    if (terminal_ && !finished_ && width_ > 0) {
        draw();
        std::fputc('\n', out_);
        std::fflush(out_);
    }
    finished_ = true;
}

} // namespace apps
