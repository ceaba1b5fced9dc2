/// @file What a training is given and what it gives back.
#pragma once

#include "methods.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

namespace apps {

/// What all trainings of a program share.
struct training_settings {
    std::size_t workers = 8;
    std::size_t batch = 16; ///< images per worker and step
    std::size_t epochs = 12;
    double learning_rate = 0.05;
    double momentum = 0.9;
    double weight_decay = 1e-4;
    double lambda = 0.3;
};

/// Percent of images that get their label; NaN where it was not measured.
struct accuracy {
    double test = std::numeric_limits<double>::quiet_NaN();
    double train = std::numeric_limits<double>::quiet_NaN();
};

/// What a training gives; equal on every rank.
struct training_result {
    std::array<accuracy, 4> at;      ///< by evaluation_point
    std::uint64_t message_bytes = 0; ///< per rank and step
    std::uint64_t wire_bytes = 0;    ///< per rank and step, headers included
    std::size_t steps = 0;           ///< done; fewer than planned where the run broke off
    double seconds = 0.0;            ///< of the steps, without the measuring
    bool unstable = false;           ///< the divergence guard rang; smaller learning rates later may have saved the run
    bool diverged = false;           ///< it broke off, or it was unstable and ends with less than half of the training images right
    std::string remedy;              ///< what the guard or the error says, where it was unstable or diverged

    accuracy& operator[](evaluation_point point) { return at[static_cast<std::size_t>(point)]; }
    const accuracy& operator[](evaluation_point point) const { return at[static_cast<std::size_t>(point)]; }
};

} // namespace apps
