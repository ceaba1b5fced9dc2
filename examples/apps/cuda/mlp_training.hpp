/// @file Trains the perceptron on a GPU; plain C++, so that programs need no CUDA to ask whether they can.
#pragma once

#include "data/images.hpp"
#include "methods.hpp"
#include "mlp_training.hpp"
#include "models/mlp.hpp"
#include "progress.hpp"
#include "training_result.hpp"

#include <cstddef>
#include <string>

namespace apps {

/// What trainings on a GPU meet on this machine.
struct cuda_device {
    std::string name;    ///< of the GPU; empty where there is none to use
    std::string problem; ///< then why: no CUDA in this program, no device, no driver
};

/// Asks for the device that is current.
cuda_device find_cuda_device();

/// The most workers that share one GPU.
inline constexpr std::size_t most_workers_on_device = 16;

/// As train_mlp, with parameters, gradients and messages in the memory of the current device: the ranks are threads that share it, each with a stream
/// of its own. The same shuffling, initial parameters and random choices as on the processor; sums of products round differently.
///
/// NaN or Inf is seen every few steps, not at once, so a run that breaks off does so a little later than on the processor.
/// @throws gradcomp::error for every failure but divergence; device where find_cuda_device() names a problem.
training_result train_mlp_on_cuda(const models::mlp& model, const data::dataset& set, const training_settings& settings, const training_job& job,
    progress_bar& progress, const std::string& label);

/// The one of the two that trains where it is wanted.
inline auto mlp_trainer(bool on_cuda) { return on_cuda ? &train_mlp_on_cuda : &train_mlp; }

} // namespace apps
