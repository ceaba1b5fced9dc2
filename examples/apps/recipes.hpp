/// @file The policy stack of each recipe.
#pragma once

#include "methods.hpp"
#include "training_result.hpp"

#include <gradcomp/gradcomp.hpp>

#include <stdexcept>

namespace apps {

/// Calls use(stack) with the stack that a job's recipe names; returns what `use` returns.
///
/// All recipes share momentum and weight decay, taken locally before the compression, and plain descent after it.
/// @param executor where each rank's loops run; communicator and executor share a memory space.
template <class Communicator, class Executor, class Use>
training_result with_stack(const training_job& job, const training_settings& settings, Communicator communicator, const Executor& executor, Use&& use)
{
    namespace gc = gradcomp;
    const gc::momentum local{.beta = settings.momentum, .weight_decay = settings.weight_decay};
    const auto block_stack = [&](auto memory) {
        return use(gc::policy_stack{.compressor = gc::random_block{.ratio = job.ratio},
            .memory = memory,
            .reducer = gc::ring{communicator},
            .local = local,
            .server = gc::descent{},
            .period = 1,
            .seed = job.seed,
            .executor = executor});
    };
    switch (job.trains_as) {
    case recipe::sgd:
        return use(gc::policy_stack{.compressor = gc::identity{},
            .memory = gc::none{},
            .reducer = gc::ring{communicator},
            .local = local,
            .server = gc::descent{},
            .period = 1,
            .seed = job.seed,
            .executor = executor});
    case recipe::none: return block_stack(gc::none_accepting_bias{});
    case recipe::ef: return block_stack(gc::ef{});
    case recipe::saef: return block_stack(gc::saef{});
    case recipe::def: return block_stack(gc::def{.lambda = settings.lambda});
    case recipe::top_k_ef:
        return use(gc::policy_stack{.compressor = gc::top_k{.ratio = job.ratio},
            .memory = gc::ef{},
            .reducer = gc::all_gather{communicator},
            .local = local,
            .server = gc::descent{},
            .period = 1,
            .seed = job.seed,
            .executor = executor});
    case recipe::ia:
        return use(gc::policy_stack{.compressor = gc::delta_scaling{.delta = 1.0 / job.ratio},
            .memory = gc::def_a{.lambda = 1.0},
            .reducer = gc::ring{communicator},
            .local = local,
            .server = gc::descent{},
            .period = 1,
            .seed = job.seed,
            .executor = executor});
    }
    throw std::logic_error("a recipe without a stack");
}

} // namespace apps
