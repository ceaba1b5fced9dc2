/// @file Reads LIBSVM's text form.
#include "data/libsvm.hpp"

#include "data/error.hpp"
#include "data/folder.hpp"
#include "data/text_file.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <string_view>

namespace apps::data {
namespace {

/// Takes the next word off `rest`; empty at its end.
std::string_view next_word(std::string_view& rest)
{
    rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
    const std::string_view word = rest.substr(0, rest.find_first_of(" \t"));
    rest.remove_prefix(word.size());
    return word;
}

void read_row(std::string_view rest, const std::filesystem::path& file, std::size_t line, sparse_set& to)
{
    const auto complain = [&](std::string_view word, const char* what) {
        throw data_error(file.string() + ", line " + std::to_string(line) + ": \"" + std::string(word) + "\" " + what);
    };
    std::size_t before = 0;
    for (std::string_view word = next_word(rest); !word.empty(); word = next_word(rest)) {
        const std::size_t colon = word.find(':');
        if (colon == std::string_view::npos) complain(word, "is no index:value");
        std::uint32_t index = 0;
        const auto [end, failure] = std::from_chars(word.data(), word.data() + colon, index);
        if (failure != std::errc{} || end != word.data() + colon || index == 0) complain(word, "has no index from 1");
        if (index <= before) complain(word, "is out of order: indices must rise");
        before = index;
        const double value = number_of(word.substr(colon + 1), file, line);
        if (std::abs(value) > static_cast<double>(std::numeric_limits<float>::max())) complain(word, "is beyond what a float holds");
        to.column.push_back(index - 1);
        to.value.push_back(static_cast<float>(value));
    }
    to.start.push_back(to.column.size());
}

} // namespace

sparse_set read_libsvm(const std::filesystem::path& file, std::size_t columns)
{
    sparse_set set{.name = file.stem().string(), .columns = columns};
    std::vector<double> labels;
    std::size_t n = 0, widest = 0;
    for (const std::string& line : read_lines(file)) {
        ++n;
        std::string_view rest = line;
        std::string_view label = next_word(rest);
        if (label.empty()) continue;
        if (label.starts_with('+')) label.remove_prefix(1);
        labels.push_back(number_of(label, file, n));
        read_row(rest, file, n, set);
        if (set.start.back() > set.start[set.start.size() - 2]) widest = std::max<std::size_t>(widest, set.column.back() + 1);
        if (columns > 0 && widest > columns)
            throw data_error(file.string() + ", line " + std::to_string(n) + ": has index " + std::to_string(widest) + ", above the " + std::to_string(columns) + " columns wanted");
    }
    if (columns == 0) set.columns = widest;
    if (labels.empty()) throw data_error(file.string() + ": holds no rows");
    const auto [low, high] = std::minmax_element(labels.begin(), labels.end());
    for (const double one : labels) {
        if (*low == *high || (one != *low && one != *high)) throw data_error(file.string() + ": must hold two different labels, no more and no fewer");
        set.label.push_back(one == *high ? 1 : 0);
    }
    return set;
}

std::filesystem::path find_libsvm_folder(const std::string& folder, const std::string& file)
{
    return find_folder(folder, "libsvm", {file});
}

} // namespace apps::data
