/// @file Trains the convolutional network by any recipe; a translation unit of its own, because every policy stack is instantiated there.
#pragma once

#include "data/images.hpp"
#include "methods.hpp"
#include "models/cnn.hpp"
#include "progress.hpp"
#include "training_result.hpp"

#include <string>

namespace apps {

/// As train_mlp().
training_result train_cnn(const models::cnn& model, const data::dataset& set, const training_settings& settings, const training_job& job,
    progress_bar& progress, const std::string& label);

} // namespace apps
