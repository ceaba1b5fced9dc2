/// @file Labelled images in memory, and batches of them as normalised floats.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace apps::data {

/// Images as bytes (a quarter of the memory of floats) with one label each.
struct labelled_images {
    std::size_t count = 0;
    std::size_t pixels = 0;           ///< per image, rows times columns
    std::vector<std::uint8_t> values; ///< count x pixels, row-major
    std::vector<std::uint8_t> labels; ///< count, each below the number of classes
};

/// A training and a test set with the numbers that normalise them.
struct dataset {
    std::string name;       ///< "Fashion-MNIST" or "synthetic": every output shows it
    bool synthetic = false; ///< true for the generated stand-in
    std::size_t classes = 10;
    float scale = 1.0f / 255.0f; ///< what a byte is multiplied by
    std::vector<float> offset;   ///< what is then subtracted, one number a pixel; see centre()
    labelled_images train;
    labelled_images test;
    std::vector<std::string> notes; ///< how the data was found, one sentence each
};

/// Sets scale and offset so that a pixel of [0, 1] becomes (pixel - its mean over the training images) / deviation.
/// The sums are of integers, so every platform gets the same numbers.
inline void centre(dataset& set, double deviation)
{
    std::vector<std::uint64_t> sums(set.train.pixels);
    for (std::size_t at = 0; at < set.train.values.size(); ++at) sums[at % set.train.pixels] += set.train.values[at];
    const double unit = 255.0 * deviation;
    set.scale = static_cast<float>(1.0 / unit);
    set.offset.clear();
    for (const std::uint64_t sum : sums) set.offset.push_back(static_cast<float>(static_cast<double>(sum) / (static_cast<double>(set.train.count) * unit)));
}

/// Copies images `which` as byte * scale - offset, and their labels. @pre centre() was called.
/// @param images which.size() x pixels, row-major; @param labels which.size().
inline void gather(const dataset& set, const labelled_images& from, std::span<const std::uint32_t> which, std::span<float> images,
    std::span<std::uint8_t> labels)
{
    const float scale = set.scale;
    const float* offset = set.offset.data();
    for (std::size_t row = 0; row < which.size(); ++row) {
        const std::uint8_t* source = from.values.data() + std::size_t{which[row]} * from.pixels;
        float* destination = images.data() + row * from.pixels;
        for (std::size_t pixel = 0; pixel < from.pixels; ++pixel) destination[pixel] = static_cast<float>(source[pixel]) * scale - offset[pixel];
        labels[row] = from.labels[which[row]];
    }
}

} // namespace apps::data
