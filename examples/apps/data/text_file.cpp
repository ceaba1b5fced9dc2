/// @file Reads text through zlib, which takes plain text as well.
#include "data/text_file.hpp"

#include "data/error.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <zlib.h>

namespace apps::data {

std::string read_text(const std::filesystem::path& file)
{
    const gzFile in = gzopen(file.c_str(), "rb");
    if (in == nullptr) throw data_error(file.string() + ": cannot be read");
    std::string text;
    std::array<char, 1 << 16> buffer{};
    int got = 0;
    while ((got = gzread(in, buffer.data(), buffer.size())) > 0) text.append(buffer.data(), static_cast<std::size_t>(got));
    const bool closed = gzclose(in) == Z_OK; // in any case, lest it leak
    if (got < 0 || !closed) throw data_error(file.string() + ": is damaged");
    return text;
}

std::vector<std::string> read_lines(const std::filesystem::path& file)
{
    const std::string text = read_text(file);
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text.size();) {
        std::size_t end = text.find('\n', at);
        if (end == std::string::npos) end = text.size();
        lines.push_back(text.substr(at, end - at));
        if (lines.back().ends_with('\r')) lines.back().pop_back();
        at = end + 1;
    }
    return lines;
}

double number_of(std::string_view text, const std::filesystem::path& file, std::size_t line)
{
    double value = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failure != std::errc{} || end != text.data() + text.size() || !std::isfinite(value))
        throw data_error(file.string() + ", line " + std::to_string(line) + ": \"" + std::string(text) + "\" is no number");
    return value;
}

} // namespace apps::data
