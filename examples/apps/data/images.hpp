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
    float mean = 0.0f;      ///< of a pixel in [0, 1]
    float deviation = 1.0f; ///< of a pixel in [0, 1]
    labelled_images train;
    labelled_images test;
    std::vector<std::string> notes; ///< how the data was found, one sentence each
};

/// Copies images `which` as (pixel / 255 - mean) / deviation, and their labels.
/// @param images which.size() x pixels, row-major; @param labels which.size().
inline void gather(const dataset& set, const labelled_images& from, std::span<const std::uint32_t> which, std::span<float> images,
    std::span<std::uint8_t> labels)
{
    const float scale = 1.0f / (255.0f * set.deviation);
    const float shift = set.mean / set.deviation;
    for (std::size_t row = 0; row < which.size(); ++row) {
        const std::uint8_t* source = from.values.data() + std::size_t{which[row]} * from.pixels;
        float* destination = images.data() + row * from.pixels;
        for (std::size_t pixel = 0; pixel < from.pixels; ++pixel) destination[pixel] = static_cast<float>(source[pixel]) * scale - shift;
        labels[row] = from.labels[which[row]];
    }
}

} // namespace apps::data
