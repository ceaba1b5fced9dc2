/// @file A generated stand-in for Fashion-MNIST, for machines with neither the data nor a network.
#pragma once

#include "data/images.hpp"

#include <cstddef>
#include <cstdint>

namespace apps::data {

/// Ten smooth random prototypes, each image a shifted, faded copy of its class's prototype mixed with another class's, plus noise.
///
/// The same seed gives the same bytes on every platform. A small MLP learns it to roughly 90 percent; accuracies on it say nothing about
/// real data, so its name is "synthetic" and every output says so.
dataset make_synthetic(std::size_t train_count = 60000, std::size_t test_count = 10000, std::uint64_t seed = 1);

} // namespace apps::data
