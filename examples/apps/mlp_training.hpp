/// @file Trains the perceptron by any recipe; a translation unit of its own, because every policy stack is instantiated there.
#pragma once

#include "data/images.hpp"
#include "methods.hpp"
#include "models/mlp.hpp"
#include "progress.hpp"
#include "training_result.hpp"

#include <string>

namespace apps {

/// One training whose settings.workers ranks are threads of this process. The same job gives the same result in every run on a machine.
///
/// @param progress gets one unit for each step; @param label says in it what is running.
/// @throws gradcomp::error for every failure but divergence, which is part of the result.
training_result train_mlp(const models::mlp& model, const data::dataset& set, const training_settings& settings, const training_job& job,
    progress_bar& progress, const std::string& label);

} // namespace apps
