/// @file Finds the folder that holds a data set's files.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace apps::data {

/// The first that holds all of `files`: `folder` (from --data; empty: none), its sub-folder `inner`, the folder in GRADCOMP_DATA, `inner` there.
/// @throws data_error naming the files when none does.
std::filesystem::path find_folder(const std::string& folder, const std::string& inner, const std::vector<std::string>& files);

} // namespace apps::data
