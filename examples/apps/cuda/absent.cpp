/// @file Stands for cuda/mlp_training.cu in programs that are built without CUDA.
#include "cuda/mlp_training.hpp"

#include <gradcomp/core/error.hpp>

namespace apps {

cuda_device find_cuda_device() { return {{}, "this program was built without CUDA: nvcc or cuBLAS was not found, or not asked for"}; }

training_result train_mlp_on_cuda(const models::mlp&, const data::dataset&, const training_settings&, const training_job&, progress_bar&, const std::string&)
{
    throw gradcomp::error(gradcomp::error_code::device, "CUDA device", "none", find_cuda_device().problem);
}

} // namespace apps
