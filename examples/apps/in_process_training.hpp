/// @file One training whose ranks are threads of this process; include it only where every recipe may be instantiated.
#pragma once

#include "recipes.hpp"
#include "training.hpp"

#include <gradcomp/gradcomp.hpp>

#include <chrono>
#include <string>

namespace apps {

/// Any model of models/ by any recipe.
template <class Model>
training_result train_in_process(const Model& model, const data::dataset& set, const training_settings& settings, const training_job& job, progress_bar& progress, const std::string& label)
{
    training_result result;
    // Threads of one process cannot get lost; on a machine that is overloaded or was asleep they only come late.
    const gradcomp::comm::in_process_options patient{.deadline = std::chrono::hours(1), .faults = {}};
    gradcomp::comm::run_ranks(static_cast<int>(settings.workers), [&](gradcomp::comm::in_process communicator) {
        rank_trainer trainer(model, set, settings, job, communicator);
        const gradcomp::exec::cpu one_thread{.threads = 1}; // the ranks themselves are the threads
        const training_result mine = with_stack(job, settings, communicator, one_thread, [&](const auto& stack) { return trainer.run(stack, progress, label); });
        if (communicator.rank() == 0) result = mine;
    }, patient);
    return result;
}

} // namespace apps
