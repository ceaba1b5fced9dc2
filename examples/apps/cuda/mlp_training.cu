/// @file Instantiates every recipe of the main job for device memory.
#include "cuda/mlp_training.hpp"

#include "cuda/device_training.cuh"
#include "recipes.hpp"

#include <gradcomp/comm/device_sum.cuh>

namespace apps {

cuda_device find_cuda_device()
{
    int count = 0, device = 0;
    cudaDeviceProp found{};
    cudaError_t status = cudaGetDeviceCount(&count);
    if (status == cudaSuccess && count == 0) status = cudaErrorNoDevice;
    if (status == cudaSuccess) status = cudaGetDevice(&device);
    if (status == cudaSuccess) status = cudaGetDeviceProperties(&found, device);
    if (status != cudaSuccess) {
        cudaGetLastError();
        return {{}, std::string("no CUDA device: ") + cudaGetErrorString(status)};
    }
    return {found.name, {}};
}

training_result train_mlp_on_cuda(const models::mlp& model, const data::dataset& set, const training_settings& settings, const training_job& job,
    progress_bar& progress, const std::string& label)
{
    namespace gc = gradcomp;
    if (const cuda_device device = find_cuda_device(); !device.problem.empty()) throw gc::error(gc::error_code::device, "CUDA device", "none", device.problem);
    const device_dataset resident(set);
    training_result result;
    const gc::comm::in_process_options patient{.deadline = std::chrono::hours(1), .faults = {}}; // as in_process_training.hpp
    gc::comm::run_ranks_on_device<gc::comm::device_sum>(static_cast<int>(settings.workers), [&](const auto& communicator) {
        device_rank_trainer trainer(model, set, resident, settings, job, communicator);
        const training_result mine = with_stack(job, settings, communicator, gc::exec::cuda{communicator.stream()},
            [&](const auto& stack) { return trainer.run(stack, progress, label); });
        if (communicator.rank() == 0) result = mine;
    }, patient);
    return result;
}

} // namespace apps
