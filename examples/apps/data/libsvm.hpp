/// @file Sparse data for two-class problems: a9a and mushrooms in LIBSVM's text form.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace apps::data {

/// Rows of (column, value) pairs with a label of two.
struct sparse_set {
    std::string name;
    std::size_t columns = 0;
    std::vector<std::size_t> start = {0}; ///< row r has the entries [start[r], start[r + 1])
    std::vector<std::uint32_t> column = {}; ///< from 0, rising within a row
    std::vector<float> value = {};
    std::vector<std::uint8_t> label = {}; ///< 1 for the larger of the file's two labels, 0 for the smaller

    std::size_t rows() const { return label.size(); }
};

/// Lines `label index:value ...` with indices from 1, rising; gzipped or not.
/// @param columns at least the largest index, so that two files of one problem agree; 0: the largest index.
/// @throws data_error naming file and line; also unless the file holds exactly two different labels.
sparse_set read_libsvm(const std::filesystem::path& file, std::size_t columns = 0);

/// The folder that holds `file`: `folder` or its libsvm/, else those of GRADCOMP_DATA. @throws data_error when none does.
std::filesystem::path find_libsvm_folder(const std::string& folder, const std::string& file);

} // namespace apps::data
