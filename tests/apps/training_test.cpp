/// @file Whole trainings, small: every recipe, the sharing of trainings, and divergence as a result.
#include "data/synthetic.hpp"
#include "mlp_training.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <string>

using namespace apps;

namespace {

constexpr models::mlp small{.inputs = 784, .hidden = 16, .classes = 10};

const data::dataset& small_set()
{
    static const data::dataset set = data::make_synthetic(1280, 320, 5);
    return set;
}

training_job job_of(const std::string& name, double ratio, std::uint64_t seed = 1)
{
    return plan_jobs({name}, {ratio}, {seed}).front();
}

training_result train(const training_job& job, double learning_rate = 0.05, std::size_t workers = 4, std::size_t epochs = 4)
{
    training_settings settings;
    settings.workers = workers;
    settings.epochs = epochs;
    settings.learning_rate = learning_rate;
    std::FILE* nowhere = std::fopen("/dev/null", "w");
    REQUIRE(nowhere != nullptr);
    progress_bar progress("test", 1, nowhere, false);
    training_result result = train_mlp(small, small_set(), settings, job, progress, "test");
    progress.finish();
    std::fclose(nowhere);
    return result;
}

} // namespace

TEST_CASE("training: dense training learns, and the same seed gives the same result")
{
    const training_result one = train(job_of("sgd", 1)), again = train(job_of("sgd", 1)), other = train(job_of("sgd", 1, 2));
    CHECK(one.steps == 4 * 20);
    CHECK_FALSE(one.diverged);
    CHECK(one[evaluation_point::own].test > 40.0);
    CHECK(one[evaluation_point::own].test == one[evaluation_point::parameters].test);
    CHECK(one[evaluation_point::own].train > one[evaluation_point::own].test - 10.0);
    CHECK(one[evaluation_point::own].train == again[evaluation_point::own].train);
    CHECK(one[evaluation_point::own].train != other[evaluation_point::own].train);
    CHECK(one.message_bytes == 4 * small.size());
    CHECK(one.wire_bytes >= one.message_bytes);
}

TEST_CASE("training: every method trains at ratio 4 and sends no more than its share")
{
    for (const method& one : all_methods()) {
        CAPTURE(one.name);
        const training_result result = train(job_of(one.name, 4));
        CHECK(result.steps == 80);
        CHECK_FALSE(result.diverged);
        CHECK(std::isfinite(result[one.point].test));
        CHECK(result[one.point].test > 20.0);
        CHECK(result[one.point].train > 20.0);
        const double dense = 4.0 * static_cast<double>(small.size()), share = static_cast<double>(result.message_bytes) / dense;
        CHECK(share <= (one.has_ratio ? one.compressor == "top_k" ? 0.38 : 0.25 : 1.0));
        CHECK(share >= (one.has_ratio ? 0.24 : 1.0));
    }
}

TEST_CASE("training: methods that share a training get points of their own from it")
{
    const training_job both = plan_jobs({"def", "def_a"}, {8}, {1}).front(), alone = job_of("def", 8);
    const training_result result = train(both), single = train(alone);
    CHECK(result[evaluation_point::own].train == single[evaluation_point::own].train);
    CHECK(std::isfinite(result[evaluation_point::parameters].train));
    CHECK(std::isnan(result[evaluation_point::local].test));
    const training_result local = train(plan_jobs({"saef", "psync"}, {8}, {1}).front());
    CHECK(std::isfinite(local[evaluation_point::local].test));
    CHECK(local[evaluation_point::own].test == local[evaluation_point::parameters].test);
}

TEST_CASE("training: one worker is a group as well")
{
    const training_result result = train(job_of("top_k_ef", 10), 0.05, 1);
    CHECK(result.steps == 4 * 80);
    CHECK(result[evaluation_point::own].test > 20.0);
}

TEST_CASE("training: a run that blows up is a result with a remedy, whether or not its numbers stay finite")
{
    const training_result wild = train(job_of("ef", 64), 0.1, 4, 20);
    CHECK((wild.unstable || wild.diverged));
    CHECK(wild.remedy.find("def{") != std::string::npos); // the guard's advice
    const training_result broken = train(job_of("ef", 64), 1000.0);
    CHECK(broken.diverged);
    CHECK(broken.steps < 80);
    CHECK(broken.remedy.find("Broke off at step") != std::string::npos);
}
