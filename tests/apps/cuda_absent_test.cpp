/// @file The main job on a GPU where there is none: in a program without CUDA, or on a machine without a device.
#include "cuda/mlp_training.hpp"
#include "data/synthetic.hpp"

#include <gradcomp/core/error.hpp>

#include <doctest/doctest.h>

#include <cstdio>

using namespace apps;

TEST_CASE("cuda: without a device the problem is a sentence, and a training throws it")
{
    const cuda_device device = find_cuda_device();
    if (!device.name.empty()) {
        CHECK(device.problem.empty());
        return;
    }
    CHECK((device.problem.find("without CUDA") != std::string::npos || device.problem.find("no CUDA device: ") == 0));
    const data::dataset set = data::make_synthetic(32, 10, 1);
    std::FILE* nowhere = std::fopen("/dev/null", "w");
    REQUIRE(nowhere != nullptr);
    progress_bar progress("test", 1, nowhere, false);
    try {
        train_mlp_on_cuda(models::mlp{}, set, {.workers = 2}, plan_jobs({"sgd"}, {1}, {1}).front(), progress, "test");
        FAIL("a training without a device");
    } catch (const gradcomp::error& error) {
        CHECK(error.code() == gradcomp::error_code::device);
        CHECK(error.field() == "CUDA device");
        CHECK(std::string(error.what()).find(device.problem) != std::string::npos);
    }
    std::fclose(nowhere);
}
