/// @file Looks for data in --data and in GRADCOMP_DATA.
#include "data/folder.hpp"

#include "data/error.hpp"

#include <algorithm>
#include <cstdlib>

namespace apps::data {

std::filesystem::path find_folder(const std::string& folder, const std::string& inner, const std::vector<std::string>& files)
{
    std::vector<std::filesystem::path> candidates;
    if (!folder.empty()) candidates = {folder, std::filesystem::path(folder) / inner};
    if (const char* environment = std::getenv("GRADCOMP_DATA")) candidates.insert(candidates.end(), {environment, std::filesystem::path(environment) / inner});
    for (const std::filesystem::path& one : candidates)
        if (std::ranges::all_of(files, [&](const std::string& file) { return std::filesystem::exists(one / file); })) return one;
    std::string wanted;
    for (const std::string& file : files) wanted += (wanted.empty() ? "" : " and ") + file;
    throw data_error(wanted + (files.size() == 1 ? " is" : " are") + " neither in --data nor in GRADCOMP_DATA (nor in a folder " + inner + " there)");
}

} // namespace apps::data
