/// @file Instantiates every recipe for the perceptron and in-process workers.
#include "mlp_training.hpp"

#include "in_process_training.hpp"

namespace apps {

training_result train_mlp(const models::mlp& model, const data::dataset& set, const training_settings& settings, const training_job& job,
    progress_bar& progress, const std::string& label)
{
    return train_in_process(model, set, settings, job, progress, label);
}

} // namespace apps
