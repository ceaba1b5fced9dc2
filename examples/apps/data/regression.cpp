/// @file Reads the regression files.
#include "data/regression.hpp"

#include "data/error.hpp"
#include "data/folder.hpp"
#include "data/text_file.hpp"

#include <array>
#include <cmath>

namespace apps::data {
namespace {

std::vector<std::string> split(const std::string& line, char separator)
{
    std::vector<std::string> fields{""};
    for (const char letter : line)
        if (letter == separator) fields.emplace_back();
        else fields.back() += letter;
    return fields;
}

void standardise(std::vector<double>& values, std::size_t columns)
{
    const std::size_t rows = values.size() / columns;
    for (std::size_t c = 0; c < columns; ++c) {
        double mean = 0, square = 0;
        for (std::size_t r = 0; r < rows; ++r) mean += values[r * columns + c] / static_cast<double>(rows);
        for (std::size_t r = 0; r < rows; ++r) square += std::pow(values[r * columns + c] - mean, 2) / static_cast<double>(rows);
        const double scale = square > 0 ? 1 / std::sqrt(square) : 0;
        for (std::size_t r = 0; r < rows; ++r) values[r * columns + c] = (values[r * columns + c] - mean) * scale;
    }
}

} // namespace

std::filesystem::path find_regression_folder(const std::string& folder)
{
    return find_folder(folder, "regression", {"california_housing.csv.gz", "diabetes_data.csv.gz", "diabetes_target.csv.gz"});
}

regression_set read_california(const std::filesystem::path& folder)
{
    const std::filesystem::path file = folder / "california_housing.csv.gz";
    const std::vector<std::string> lines = read_lines(file);
    static const std::array<std::string, 4> places = {"INLAND", "ISLAND", "NEAR BAY", "NEAR OCEAN"}; // and <1H OCEAN
    regression_set set{.name = "California housing", .columns = 12};
    for (std::size_t n = 1; n < lines.size(); ++n) {
        const std::vector<std::string> fields = split(lines[n], ',');
        if (fields.size() != 10) throw data_error(file.string() + ", line " + std::to_string(n + 1) + ": has " + std::to_string(fields.size()) + " fields, not 10");
        bool whole = true;
        for (const std::string& field : fields) whole = whole && !field.empty();
        if (!whole) continue;
        for (std::size_t c = 0; c < 8; ++c) set.features.push_back(number_of(fields[c], file, n + 1));
        for (const std::string& place : places) set.features.push_back(fields[9] == place ? 1 : 0);
        set.target.push_back(number_of(fields[8], file, n + 1));
    }
    set.rows = set.target.size();
    if (set.rows < 2) throw data_error(file.string() + ": holds no rows");
    standardise(set.features, set.columns);
    standardise(set.target, 1);
    return set;
}

regression_set read_diabetes(const std::filesystem::path& folder)
{
    regression_set set{.name = "diabetes", .columns = 10};
    const std::filesystem::path data = folder / "diabetes_data.csv.gz", target = folder / "diabetes_target.csv.gz";
    std::size_t n = 0;
    for (const std::string& line : read_lines(data)) {
        ++n;
        const std::vector<std::string> fields = split(line, ' ');
        if (fields.size() != 10) throw data_error(data.string() + ", line " + std::to_string(n) + ": has " + std::to_string(fields.size()) + " fields, not 10");
        for (const std::string& field : fields) set.features.push_back(number_of(field, data, n));
    }
    for (const std::string& line : read_lines(target)) set.target.push_back(number_of(line, target, set.target.size() + 1));
    set.rows = n;
    if (set.rows < 2 || set.target.size() != set.rows) throw data_error(target.string() + ": has " + std::to_string(set.target.size()) + " rows, the features " + std::to_string(n));
    standardise(set.features, set.columns);
    standardise(set.target, 1);
    return set;
}

} // namespace apps::data
