/// @file Reads idx files of unsigned bytes, gzip-compressed or plain, the format of MNIST and Fashion-MNIST.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <vector>

namespace apps::data {

/// An array of bytes, row-major, with shape[0] items.
struct idx_array {
    std::vector<std::size_t> shape;
    std::vector<std::uint8_t> values;
};

/// Reads one file.
/// @param dimensions how many dimensions the array must have (3 for images, 1 for labels).
/// @throws data_error naming the file: missing, not an idx file of bytes (magic number), another number of dimensions, a size of 0 or
///         beyond 2^31 bytes in all, cut off, damaged (gzip checksum), or longer than its header says.
/// Memory follows what the file really holds, not what its header claims.
idx_array read_idx(const std::filesystem::path& file, std::size_t dimensions);

} // namespace apps::data
