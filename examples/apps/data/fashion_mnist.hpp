/// @file Finds Fashion-MNIST: in a folder, in the download cache, on the network, or else generates a stand-in.
#pragma once

#include "data/download.hpp"
#include "data/images.hpp"

#include <array>
#include <filesystem>
#include <string>
#include <vector>

namespace apps::data {

/// The four files, in the order train images, train labels, test images, test labels.
using fashion_files = std::array<remote_file, 4>;

/// The published files with their checksums.
const fashion_files& fashion_mnist_files();

/// Where to look; from_environment() fills in what the user's environment says.
struct fashion_request {
    std::string folder;                           ///< from --data: must hold the files. "synthetic" asks for the stand-in.
    std::string environment_folder;               ///< from GRADCOMP_DATA: used where it holds the files, itself or in fashion-mnist/
    std::filesystem::path cache;                  ///< where downloads are kept
    std::vector<std::string> urls;                ///< base URLs, tried in order; GRADCOMP_DATA_URL replaces them
    fashion_files files = fashion_mnist_files();  ///< names and checksums

    /// @param folder what the user gave as --data, or empty.
    static fashion_request from_environment(const std::string& folder);
};

/// Loads the data: request.folder, else environment_folder, else the cache, else a download, else the stand-in.
///
/// A folder that the user named and that cannot be used is an error; a download that fails is a note, and the stand-in follows.
/// @throws data_error naming the file and what is wrong with it.
dataset load_fashion_mnist(const fashion_request& request);

/// Reads the four files of one folder.
/// @throws data_error also where image and label counts differ, images are not 28 x 28 or a label is not below 10.
dataset read_fashion_folder(const std::filesystem::path& folder, const fashion_files& files = fashion_mnist_files());

} // namespace apps::data
