/// @file Reads a text and numbers its symbols.
#include "data/characters.hpp"

#include "data/error.hpp"
#include "data/folder.hpp"
#include "data/text_file.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace apps::data {

character_text read_characters(const std::filesystem::path& file)
{
    const std::string text = read_text(file);
    if (text.size() < 10) throw data_error(file.string() + ": holds " + std::to_string(text.size()) + " bytes, too few to cut in two");
    std::array<bool, 256> seen{};
    for (const char one : text) seen[static_cast<unsigned char>(one)] = true;
    character_text out;
    out.name = file.filename().string();
    out.name.resize(std::min(out.name.find('.'), out.name.size()));
    std::array<std::uint8_t, 256> number{};
    for (std::size_t byte = 0; byte < seen.size(); ++byte)
        if (seen[byte]) number[byte] = static_cast<std::uint8_t>(out.symbols.size()), out.symbols += static_cast<char>(byte);
    if (out.symbols.size() < 2) throw data_error(file.string() + ": holds one byte again and again, so there is nothing to guess");
    const std::size_t cut = text.size() * 9 / 10;
    for (std::size_t i = 0; i < text.size(); ++i) (i < cut ? out.train : out.validation).push_back(number[static_cast<unsigned char>(text[i])]);
    return out;
}

character_text load_tiny_shakespeare(const std::string& folder)
{
    const std::filesystem::path file = find_folder(folder, "text", {"tinyshakespeare.txt.gz"}) / "tinyshakespeare.txt.gz";
    character_text text = read_characters(file);
    const std::size_t count = text.train.size() + text.validation.size();
    if (count != 1115394 || text.symbols.size() != 65)
        throw data_error(file.string() + ": holds " + std::to_string(count) + " characters of " + std::to_string(text.symbols.size()) + " kinds, tiny-shakespeare 1115394 of 65");
    text.name = "tiny-shakespeare";
    return text;
}

double pair_loss(std::span<const std::uint8_t> from, std::span<const std::uint8_t> of, std::size_t symbols)
{
    std::vector<double> pairs(symbols * symbols, 1.0), starts(symbols, static_cast<double>(symbols));
    for (std::size_t i = 1; i < from.size(); ++i) pairs[from[i - 1] * symbols + from[i]] += 1, starts[from[i - 1]] += 1;
    double sum = 0;
    for (std::size_t i = 1; i < of.size(); ++i) sum += std::log(starts[of[i - 1]] / pairs[of[i - 1] * symbols + of[i]]);
    return sum / static_cast<double>(of.size() - 1);
}

} // namespace apps::data
