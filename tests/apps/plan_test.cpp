/// @file Options, methods, schedules, and the reports made of results.
#include "data/images.hpp"
#include "data/synthetic.hpp"
#include "methods.hpp"
#include "options.hpp"
#include "report.hpp"
#include "schedule.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <numeric>
#include <set>
#include <sstream>
#include <string>
#include <vector>

using namespace apps;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Parses words as a command line and keeps what went to stdout and stderr.
struct parsed {
    std::optional<train_options> options;
    int code = -1;
    std::string said;

    explicit parsed(std::vector<const char*> words)
    {
        words.insert(words.begin(), "train_fashion");
        std::ostringstream caught;
        std::streambuf* const out = std::cout.rdbuf(caught.rdbuf());
        std::streambuf* const err = std::cerr.rdbuf(caught.rdbuf());
        options = parse_options(static_cast<int>(words.size()), words.data(), code);
        std::cout.rdbuf(out);
        std::cerr.rdbuf(err);
        said = caught.str();
    }
};

finished_job finished(recipe trains_as, double ratio, std::uint64_t seed, const std::vector<std::string>& names, double at_x, double at_own)
{
    finished_job job;
    job.job = {trains_as, ratio, seed, {}};
    for (const std::string& name : names) job.job.methods.push_back(find_method(name));
    job.result[evaluation_point::parameters] = {at_x, at_x + 1};
    job.result[evaluation_point::own] = {at_own, at_own + 1};
    job.result[evaluation_point::local] = {at_own - 5, at_own - 4};
    job.result.message_bytes = 1000;
    job.result.wire_bytes = 1016;
    job.result.steps = 100;
    job.result.seconds = 2.5;
    return job;
}

std::vector<finished_job> some_results()
{
    std::vector<finished_job> jobs = {finished(recipe::sgd, 1, 1, {"sgd"}, 89.0, 89.0), finished(recipe::ef, 64, 1, {"ef"}, 12.0, 12.0),
        finished(recipe::saef, 64, 1, {"saef", "psync"}, 84.0, 85.0), finished(recipe::def, 64, 1, {"def", "def_a"}, 87.0, 88.0),
        finished(recipe::def, 256, 1, {"def", "def_a"}, 86.0, 87.0)};
    jobs[1].result.diverged = true;
    jobs[1].result.remedy = "the error is 40 times the update: use def";
    jobs[2].result.unstable = true;
    jobs[2].result.remedy = "lower the rate";
    return jobs;
}

} // namespace

TEST_CASE("options: the defaults are the main job")
{
    const parsed none({});
    REQUIRE(none.options);
    CHECK(none.options->methods.size() == 8);
    CHECK(none.options->ratios == std::vector<double>{64, 256});
    CHECK(none.options->epochs == 12);
    CHECK(none.options->learning_rate == 0.05);
    CHECK(none.options->lambda == 0.3);
    CHECK(none.options->workers == 8);
    CHECK(none.options->device == "cpu");
    CHECK(parsed({"--device", "cuda"}).options->device == "cuda");
    CHECK(none.options->seeds == std::vector<std::uint64_t>{1});
}

TEST_CASE("options: lists may be written with commas or blanks, and all means every method")
{
    const parsed some({"--method", "def,ef", "--ratio", "16", "64.5", "--seed=1,2,3", "--out", "folder"});
    REQUIRE(some.options);
    CHECK(some.options->methods == std::vector<std::string>{"def", "ef"});
    CHECK(some.options->ratios == std::vector<double>{16, 64.5});
    CHECK(some.options->seeds.size() == 3);
    CHECK(some.options->out == "folder");
    CHECK(parsed({"--method", "def,all"}).options->methods.size() == 8);
}

TEST_CASE("options: a value out of range ends with code 2 and a line that names option and value")
{
    const std::vector<std::pair<const char*, const char*>> wrong = {{"--ratio", "0.5"}, {"--ratio", "nan"}, {"--ratio", "inf"}, {"--ratio", "-1"},
        {"--ratio", "64x"}, {"--epochs", "0"}, {"--epochs", "1.5"}, {"--epochs", "-3"}, {"--seed", "-1"}, {"--seed", "99999999999999999999"},
        {"--learning-rate", "0"}, {"--learning-rate", "nan"}, {"--learning-rate", "-0.1"}, {"--lambda", "1.01"}, {"--lambda", "-0.1"}, {"--workers", "0"},
        {"--workers", "257"}, {"--threads", "0"}, {"--method", "sdg"}, {"--device", "gpu"}};
    for (const auto& [option, value] : wrong) {
        CAPTURE(option);
        CAPTURE(value);
        const parsed result({option, value});
        CHECK_FALSE(result.options);
        CHECK(result.code == 2);
        CHECK(has(result.said, option));
        CHECK(has(result.said, value));
    }
    CHECK(parsed({"--data="}).code == 2);
    CHECK(parsed({"--bogus"}).code == 2);
    CHECK(parsed({"stray"}).code == 2);
}

TEST_CASE("options: help and version end with code 0")
{
    CHECK(parsed({"--help"}).code == 0);
    CHECK(has(parsed({"--help"}).said, "--learning-rate"));
    CHECK(parsed({"--version"}).code == 0);
}

TEST_CASE("methods: the default takes eleven trainings for eight methods at two ratios")
{
    std::vector<std::string> names;
    for (const method& one : all_methods()) names.push_back(one.name);
    CHECK(names == std::vector<std::string>{"sgd", "none", "ef", "saef", "psync", "def", "def_a", "top_k_ef"});
    const auto jobs = plan_jobs(names, {64, 256}, {1});
    CHECK(jobs.size() == 11);
    std::size_t rows = 0;
    for (const training_job& job : jobs) rows += job.methods.size();
    CHECK(rows == 15);
    CHECK(std::count_if(jobs.begin(), jobs.end(), [](const training_job& job) { return job.trains_as == recipe::sgd; }) == 1);
    CHECK(plan_jobs({"def", "def_a"}, {64}, {1, 2, 3}).size() == 3);
    CHECK(plan_jobs({"def_a"}, {64}, {1}).front().methods.front()->name == "def_a");
    CHECK(plan_jobs({"ef", "ef"}, {64, 64}, {1, 1}).size() == 1); // said twice, done once
    CHECK(find_method("nobody") == nullptr);
}

TEST_CASE("schedule: the rate falls to a tenth at half and to a hundredth at three quarters")
{
    const step_schedule schedule(12, 60000, 8, 16, 0.05);
    CHECK(schedule.steps_per_epoch == 468);
    CHECK(schedule.steps() == 5616);
    CHECK(schedule.rate_at(0) == 0.05);
    CHECK(schedule.rate_at(6 * 468 - 1) == 0.05);
    CHECK(schedule.rate_at(6 * 468) == 0.05 / 10);
    CHECK(schedule.rate_at(9 * 468 - 1) == 0.05 / 10);
    CHECK(schedule.rate_at(9 * 468) == 0.05 / 100);
}

TEST_CASE("schedule: in an epoch no image is seen twice by any worker, and epochs and seeds differ")
{
    std::set<std::uint32_t> seen;
    std::vector<std::uint32_t> first;
    for (std::size_t rank = 0; rank < 4; ++rank) {
        epoch_sampler sampler(1000, 4, 8, rank, 5);
        sampler.start_epoch(3);
        for (std::size_t step = 0; step < 1000 / 32; ++step)
            for (const std::uint32_t image : sampler.batch(step)) {
                CHECK(image < 1000);
                CHECK(seen.insert(image).second);
                if (rank == 0) first.push_back(image);
            }
    }
    CHECK(seen.size() == 31 * 32);
    const auto order = [](std::uint64_t seed, std::size_t epoch) {
        epoch_sampler sampler(1000, 4, 8, 0, seed);
        sampler.start_epoch(7); // an epoch does not depend on those before it
        sampler.start_epoch(epoch);
        std::vector<std::uint32_t> all;
        for (std::size_t step = 0; step < 31; ++step) all.insert(all.end(), sampler.batch(step).begin(), sampler.batch(step).end());
        return all;
    };
    CHECK(order(5, 3) == first);
    CHECK(order(5, 4) != first);
    CHECK(order(6, 3) != first);
}

TEST_CASE("random: known first numbers, uniform means, and a shuffle that keeps every element")
{
    CHECK(generator(1, 2).next() == generator(1, 2).next());
    CHECK(generator(1, 2).next() != generator(2, 2).next());
    CHECK(generator(1, 2).next() != generator(1, 3).next());
    generator random(9);
    double sum = 0.0, normal = 0.0, squares = 0.0;
    for (int i = 0; i < 20000; ++i) {
        const float value = random.uniform();
        REQUIRE(value >= 0.0f);
        REQUIRE(value < 1.0f);
        sum += static_cast<double>(value);
        const auto draw = static_cast<double>(random.normal());
        normal += draw;
        squares += draw * draw;
        REQUIRE(random.below(7) < 7);
    }
    CHECK(std::abs(sum / 20000 - 0.5) < 0.01);
    CHECK(std::abs(normal / 20000) < 0.03);
    CHECK(std::abs(squares / 20000 - 1.0) < 0.05);
    std::vector<std::uint32_t> order(100);
    std::iota(order.begin(), order.end(), 0u);
    shuffle(order, random);
    CHECK(std::set<std::uint32_t>(order.begin(), order.end()).size() == 100);
    CHECK_FALSE(std::is_sorted(order.begin(), order.end()));
}

TEST_CASE("synthetic: the stand-in repeats by seed, has every class, says its name, and gather normalises it")
{
    const data::dataset set = data::make_synthetic(400, 100, 3), again = data::make_synthetic(400, 100, 3), other = data::make_synthetic(400, 100, 4);
    CHECK(set.name == "synthetic");
    CHECK(set.synthetic);
    CHECK(has(set.notes.front(), "synthetic"));
    CHECK(set.train.values == again.train.values);
    CHECK(set.test.labels == again.test.labels);
    CHECK(set.train.values != other.train.values);
    CHECK(std::set<std::uint8_t>(set.train.labels.begin(), set.train.labels.end()).size() == 10);
    const std::vector<std::uint32_t> which = {7, 399, 0};
    std::vector<float> images(3 * 784);
    std::vector<std::uint8_t> labels(3);
    data::gather(set, set.train, which, images, labels);
    CHECK(labels[1] == set.train.labels[399]);
    for (std::size_t pixel = 0; pixel < 784; ++pixel) {
        double mean = 0.0;
        for (std::size_t i = 0; i < 400; ++i) mean += static_cast<double>(set.train.values[i * 784 + pixel]) / (255.0 * 400);
        const double expected = (static_cast<double>(set.train.values[399 * 784 + pixel]) / 255 - mean) / 0.5;
        CHECK(std::abs(static_cast<double>(images[784 + pixel]) - expected) < 1e-5);
    }
}

TEST_CASE("report: a record per method with the fields of a training record, in that order")
{
    const report_context context{.program = "train_fashion", .data = "synthetic", .settings = {}};
    const auto records = to_records(context, some_results());
    CHECK(records.size() == 8);
    const auto json = nlohmann::ordered_json::parse(to_json(records));
    std::vector<std::string> names;
    for (const auto& [name, value] : json[0].items()) names.push_back(name);
    CHECK(names == std::vector<std::string>{"program", "version", "date", "machine", "data", "method", "compressor", "memory", "reducer", "ratio", "lambda",
                       "seed", "epochs", "workers", "learning_rate", "accuracy_x", "accuracy_evaluation", "train_accuracy", "message_bytes", "wire_bytes",
                       "total_bytes", "seconds", "diverged"});
    CHECK(json[0]["method"] == "sgd");
    CHECK(json[0]["lambda"].is_null());
    CHECK(json[0]["data"] == "synthetic");
    report_context on_gpu = context;
    on_gpu.device = "Some GPU";
    CHECK(to_records(on_gpu, some_results())[0].text("machine") == json[0]["machine"].get<std::string>() + ", Some GPU");
    CHECK(describe(on_gpu) == describe(context) + ", on one Some GPU");
    CHECK(json[0]["total_bytes"] == 1016 * 8 * 100);
    CHECK(json[1]["diverged"] == true);
    CHECK(json[3]["method"] == "psync");
    CHECK(json[3]["accuracy_x"] == 84.0);
    CHECK(json[3]["accuracy_evaluation"] == 80.0); // the mean over the ranks' own points
    CHECK(json[4]["method"] == "def");
    CHECK(json[4]["lambda"] == 0.3);
    CHECK(json[4]["accuracy_evaluation"] == 88.0);
    CHECK(json[6]["method"] == "def_a");
    CHECK(json[6]["accuracy_evaluation"] == 87.0);
    CHECK(json[6]["train_accuracy"] == 88.0);
}

TEST_CASE("report: a run that broke off is a row of dashes, null numbers and a sentence")
{
    std::vector<finished_job> jobs = {finished(recipe::ef, 64, 1, {"ef"}, 0, 0)};
    jobs[0].result.at = {};
    jobs[0].result.diverged = true;
    jobs[0].result.remedy = "a gradient is not finite";
    const report_context context{.program = "p", .data = "Fashion-MNIST", .settings = {}};
    const auto json = nlohmann::json::parse(to_json(to_records(context, jobs)));
    CHECK(json[0]["accuracy_x"].is_null());
    CHECK(json[0]["diverged"] == true);
    const std::string summary = to_summary(context, jobs);
    CHECK(has(summary, "diverged"));
    CHECK(has(summary, "ef, ratio 64, seed 1 diverged: a gradient is not finite"));
    CHECK(has(to_chart(context, jobs).series.at(0).name, "diverged at 64"));
    CHECK(to_chart(context, jobs).series.at(0).x.empty());
}

TEST_CASE("report: table and chart name the data, and several seeds show mean and deviation")
{
    std::vector<finished_job> jobs = some_results();
    jobs.push_back(finished(recipe::def, 64, 2, {"def", "def_a"}, 88.0, 90.0));
    const report_context context{.program = "p", .data = "synthetic", .settings = {}};
    const std::string summary = to_summary(context, jobs);
    CHECK(has(summary, "synthetic"));
    CHECK(has(summary, "89.00 +- 1.41"));
    CHECK(has(summary, "1000"));
    CHECK(has(summary, " 16 ")); // header bytes
    CHECK(has(summary, "ef, ratio 64, seed 1 diverged: the error"));
    CHECK(has(summary, "saef, ratio 64, seed 1 was unstable: lower the rate"));
    CHECK_FALSE(has(summary, "psync, ratio 64, seed 1")); // it shares that training
    CHECK(has(summary, "  was unstable\n"));
    const chart picture = to_chart(context, jobs);
    CHECK(has(picture.title, "synthetic"));
    REQUIRE(picture.series.size() == 6);
    CHECK(picture.series[4].name == "def");
    CHECK(picture.series[4].y == std::vector<double>{89.0, 87.0});
    CHECK(picture.marks.size() == 2);
}

TEST_CASE("a method of an experiment's own, which no table lists, has its records as well, after those of the tables' methods")
{
    static const method own{"own", recipe::ef, evaluation_point::mean, "random_block", "ef", "ring", true, 0.0, false};
    std::vector<finished_job> jobs = {finished(recipe::ef, 64, 1, {"ef"}, 12.0, 12.0), finished(recipe::ef, 64, 2, {"ef"}, 14.0, 14.0)};
    for (finished_job& job : jobs) {
        job.job.methods.insert(job.job.methods.begin(), &own);
        job.result[evaluation_point::mean] = {61.0, 62.0};
    }
    const auto records = to_records({.program = "test", .data = "none", .settings = {}}, jobs);
    REQUIRE(records.size() == 4);
    CHECK(records[1].text("method") == "ef");
    CHECK(records[2].text("method") == "own");
    CHECK(records[3].number("accuracy_evaluation") == 61.0);
    CHECK(records[3].number("accuracy_x") == 14.0);
}
