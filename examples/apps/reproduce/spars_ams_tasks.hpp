/// @file What the trainings of SPARS-AMS and their judge agree on: methods and tasks.
#pragma once

#include "reproduce/spars_ams.hpp"

namespace apps::reproduce {

struct row {
    const char *method, *name, *compressor, *memory, *reducer;
};
/// In the order of the tables.
inline const std::vector<row>& rows()
{
    static const std::vector<row> all = {
        {"amsgrad", "dense AMSGrad", "identity", "none", "ring"},
        {"spars_ams_top_k", "SPARS-AMS, Top-k 1 percent", "top_k", "ef", "gather_to_root"},
        {"spars_ams_block_sign", "SPARS-AMS, Block-Sign", "block_sign", "ef", "gather_to_root"},
        {"top_k_without_memory", "AMSGrad, Top-k 1 percent, no memory", "top_k", "none_accepting_bias", "gather_to_root"},
        {"q_adam", "QAdam, Top-k 1 percent", "top_k", "ef", "all_gather"},
        {"one_bit_adam", "1-bit Adam, Block-Sign", "block_sign", "ef", "gather_to_root"},
    };
    return all;
}

/// What every method trains on, once for each of `rates`; seeds and epochs are those of the full run.
struct training_task {
    const char *name, *data, *model;
    std::size_t epochs, seeds;
    std::vector<double> rates;
};
inline const training_task on_a9a{"a9a", "a9a", "logistic regression", 20, 3, {3e-3, 1e-2, 3e-2}};
inline const training_task on_mlp{"mlp", "Fashion-MNIST", "MLP 784-256-10", 20, 3, {3e-4, 1e-3, 3e-3}};
inline const training_task on_cnn{"cnn", "Fashion-MNIST", "CNN 8-16-64", 8, 1, {3e-4, 1e-3, 3e-3}};

} // namespace apps::reproduce
