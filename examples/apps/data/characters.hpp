/// @file A text as a sequence of symbols, for models that guess the next character.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace apps::data {

/// A text by the numbers of its symbols, cut in two: nothing of the end is in the training part.
struct character_text {
    std::string name;
    std::string symbols;                  ///< the text's distinct bytes, rising; a byte's place is its number
    std::vector<std::uint8_t> train;      ///< the first nine tenths, rounded down
    std::vector<std::uint8_t> validation; ///< the rest
};

/// Any text, gzipped or not; its name is the file's up to the first point.
/// @throws data_error naming the file: missing, damaged, cut off, or with less than ten bytes or two different ones.
character_text read_characters(const std::filesystem::path& file);

/// text/tinyshakespeare.txt.gz in `folder` (from --data), else in GRADCOMP_DATA.
/// @throws data_error also for another text than the 1115394 characters, of 65 kinds, that the published numbers are about.
character_text load_tiny_shakespeare(const std::string& folder);

/// Nats a character that a table of pairs needs for `of`: the natural logarithm of what `from` says of each character after the one before, every pair
/// counted once more than it was seen. Numbers of symbols below `symbols`. @pre `of` has two characters.
double pair_loss(std::span<const std::uint8_t> from, std::span<const std::uint8_t> of, std::size_t symbols);

} // namespace apps::data
