/// @file The perceptron by cuBLAS and kernels against the processor's, and whole trainings on a GPU, small.
#include "cuda/cublas_backend.cuh"
#include "cuda/mlp_training.hpp"
#include "data/synthetic.hpp"
#include "models/mlp_steps.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <vector>

using namespace apps;

namespace {

template <class T> using buffer = gradcomp::exec::device_buffer<T>;

const data::dataset& small_set()
{
    static const data::dataset set = data::make_synthetic(1280, 320, 5);
    return set;
}

template <class T> buffer<T> on_device(const std::vector<T>& from)
{
    buffer<T> to(from.size());
    to.fill_from(from.data(), from.size());
    REQUIRE(cudaDeviceSynchronize() == cudaSuccess);
    return to;
}
template <class T> std::vector<T> on_host(const buffer<T>& from)
{
    std::vector<T> to(from.size());
    REQUIRE(cudaDeviceSynchronize() == cudaSuccess);
    REQUIRE(cudaMemcpy(to.data(), from.data(), from.size_bytes(), cudaMemcpyDeviceToHost) == cudaSuccess);
    return to;
}

training_result train(const std::string& name, double ratio, double learning_rate = 0.05, std::size_t workers = 4, std::size_t epochs = 4)
{
    training_settings settings;
    settings.workers = workers;
    settings.epochs = epochs;
    settings.learning_rate = learning_rate;
    std::FILE* nowhere = std::fopen("/dev/null", "w");
    REQUIRE(nowhere != nullptr);
    progress_bar progress("test", 1, nowhere, false);
    const models::mlp small{.inputs = 784, .hidden = 16, .classes = 10};
    const training_result result = train_mlp_on_cuda(small, small_set(), settings, plan_jobs({name}, {ratio}, {1}).front(), progress, "test");
    progress.finish();
    std::fclose(nowhere);
    return result;
}

} // namespace

TEST_CASE("a batch's gradient, and the images that are right, are those of the processor's perceptron up to rounding")
{
    const data::dataset& set = small_set();
    const models::mlp model;
    std::vector<float> parameters(model.size()), expected(model.size()), images(16 * 784);
    model.initialise(parameters, 3);
    std::vector<std::uint8_t> labels(16);
    std::vector<std::uint32_t> which;
    for (std::uint32_t row = 0; row < 16; ++row) which.push_back((row * 97 + 5) % 1280);
    data::gather(set, set.train, which, images, labels);
    models::mlp::workspace work(model, 16);
    model.gradient(parameters, images, labels, expected, work);

    const auto values = on_device(set.train.values), marks = on_device(set.train.labels);
    const auto offset = on_device(set.offset), x = on_device(parameters);
    const auto choice = on_device(which);
    buffer<float> gradient(model.size());
    buffer<std::uint64_t> right(1);
    cublas_backend backend(nullptr);
    models::mlp_steps<cublas_backend> steps(model, 16, backend);
    const models::resident_images resident{values.data(), marks.data(), offset.data(), set.scale, 784};
    steps.gradient(x.data(), resident, {choice.data(), 0, 16}, gradient.data());
    steps.count_correct(x.data(), resident, {choice.data(), 0, 16}, right.data());
    const std::vector<float> found = on_host(gradient);
    double error = 0, size = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
        error += std::pow(static_cast<double>(found[i]) - static_cast<double>(expected[i]), 2);
        size += std::pow(static_cast<double>(expected[i]), 2);
    }
    CHECK(size > 0);
    CHECK(std::sqrt(error / size) < 1e-4);
    CHECK(on_host(right)[0] == model.correct(parameters, images, labels, work));
}

TEST_CASE("every method trains on the device at ratio 4, sends its share, and the same job gives the same result")
{
    for (const method& one : all_methods()) {
        CAPTURE(one.name);
        const training_result result = train(one.name, 4);
        CHECK(result.steps == 80);
        CHECK_FALSE(result.diverged);
        CHECK(result[one.point].test > 20.0);
        CHECK(result.wire_bytes > result.message_bytes);
    }
    CHECK(train("def", 8)[evaluation_point::own].train == train("def", 8)[evaluation_point::own].train);
}

TEST_CASE("a run that blows up on the device ends early and says so")
{
    const training_result broken = train("ef", 64, 1e30);
    CHECK(broken.diverged);
    CHECK(broken.steps < 80);
    CHECK(broken.remedy.find("Broke off at step") != std::string::npos);
}
