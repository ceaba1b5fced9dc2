/// @file Instantiates every recipe for the convolutional network and in-process workers.
#include "cnn_training.hpp"

#include "in_process_training.hpp"

namespace apps {

training_result train_cnn(const models::cnn& model, const data::dataset& set, const training_settings& settings, const training_job& job,
    progress_bar& progress, const std::string& label)
{
    return train_in_process(model, set, settings, job, progress, label);
}

} // namespace apps
