/// @file A table of text for the console.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <string>
#include <vector>

namespace apps {

/// A number with as few digits as it needs, at most six.
inline std::string plain(double value)
{
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%g", value);
    return text.data();
}

/// A number with `digits` decimals; "-" where it is not finite; as plain() where it is too large for a column.
inline std::string fixed(double value, int digits)
{
    if (!std::isfinite(value)) return "-";
    if (std::abs(value) >= 1e15) return plain(value);
    std::array<char, 64> text{};
    return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed, digits).ptr};
}

/// Columns as wide as their widest cell: the first column to the left, the others to the right, a rule under the header.
inline std::string to_table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows)
{
    std::vector<std::size_t> width;
    for (std::size_t column = 0; column < header.size(); ++column) {
        width.push_back(header[column].size());
        for (const auto& row : rows) width[column] = std::max(width[column], row[column].size());
    }
    const auto line = [&](const std::vector<std::string>& cells) {
        std::string text;
        for (std::size_t column = 0; column < width.size(); ++column) {
            const std::string blanks(width[column] - cells[column].size(), ' ');
            text += column == 0 ? cells[column] + blanks : "  " + blanks + cells[column];
        }
        while (text.ends_with(' ')) text.pop_back();
        return text + "\n";
    };
    std::size_t total = 2 * (width.size() - 1);
    for (const std::size_t one : width) total += one;
    std::string text = line(header) + std::string(total, '-') + "\n";
    for (const auto& row : rows) text += line(row);
    return text;
}

} // namespace apps
