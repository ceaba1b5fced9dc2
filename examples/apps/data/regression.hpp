/// @file Regression data: California housing and diabetes, as standardised columns and a centred target.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

namespace apps::data {

/// rows x columns features, row-major; every column has mean 0 and mean square 1, the target mean 0 and mean square 1.
struct regression_set {
    std::string name;
    std::size_t rows = 0, columns = 0;
    std::vector<double> features = {}, target = {};
};

/// The folder of regression files: `folder` or its regression/, else those of GRADCOMP_DATA.
/// @throws data_error when none holds them.
std::filesystem::path find_regression_folder(const std::string& folder);

/// california_housing.csv.gz: 8 numbers and the category ocean_proximity as 4 columns (its first value is the one left out), 12 in all. Rows with
/// an empty field are left out. @throws data_error naming file and line.
regression_set read_california(const std::filesystem::path& folder);

/// diabetes_data.csv.gz and diabetes_target.csv.gz: 10 numbers. @throws data_error naming file and line.
regression_set read_diabetes(const std::filesystem::path& folder);

} // namespace apps::data
