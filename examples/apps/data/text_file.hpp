/// @file Text files, gzipped or not, and the numbers in them.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace apps::data {

/// All of a file, gzipped or not. @throws data_error naming the file where it cannot be read or is damaged.
std::string read_text(const std::filesystem::path& file);

/// The lines of a text file, gzipped or not, without their ends. @throws data_error naming the file where it cannot be read or is damaged.
std::vector<std::string> read_lines(const std::filesystem::path& file);

/// A finite number that is all of `text`. @throws data_error naming file, line and text.
double number_of(std::string_view text, const std::filesystem::path& file, std::size_t line);

} // namespace apps::data
