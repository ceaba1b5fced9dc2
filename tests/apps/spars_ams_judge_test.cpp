/// @file The judges of SPARS-AMS: tuning by training loss, thresholds, missing seeds and rates, runs that did not come to the target.
#include "judging.hpp"
#include "reproduce/spars_ams_tasks.hpp"

using apps::reproduce::training_task;
using judging::no_number;
using judging::record;
using judging::records;
using judging::verdicts;

namespace {

const judging::judge training = apps::reproduce::judge_adaptive_training, speed_up = apps::reproduce::judge_speed_up;
const std::vector<training_task> tasks = {apps::reproduce::on_mlp, apps::reproduce::on_cnn, apps::reproduce::on_a9a};

/// The second of three rates has the lowest loss, and not the highest accuracy.
records good_training()
{
    records all;
    for (const training_task& task : tasks)
        for (const auto& of : apps::reproduce::rows())
            for (std::int64_t seed = 1; seed <= static_cast<std::int64_t>(task.seeds); ++seed)
                for (std::size_t i = 0; i < task.rates.size(); ++i) {
                    const std::string method = of.method;
                    all.push_back(record().set("figure", "training").set("data", task.data).set("model", task.model).set("method", method).set("seed", seed).set("learning_rate", task.rates[i])
                            .set("last", true).set("diverged", false).set("train_loss", i == 1 ? 0.2 : 0.3).set("bits_sent", 1e9)
                            .set("accuracy_x", i == 0 ? 95.0 : method == "amsgrad" ? 90.0 : method == "top_k_without_memory" ? 87.0 : 89.5));
                }
    return all;
}

auto runs_of(const training_task& task, const std::string& method, std::size_t rate, double seed = 0)
{
    return [=](const record& r) { return r.text("model") == task.model && r.text("method") == method && r.number("learning_rate") == task.rates[rate] && (seed == 0 || r.number("seed") == seed); };
}

records good_speed_up()
{
    records all;
    for (const std::int64_t workers : {1, 2, 4, 8, 16})
        for (std::int64_t seed = 1; seed <= 3; ++seed)
            for (const char* compressor : {"block_sign", "top_k"})
                for (const char* rate : {"5e-4 sqrt(n)", "2e-3"})
                    all.push_back(record().set("figure", "speed_up").set("workers", workers).set("seed", seed).set("compressor", compressor).set("rate", rate)
                            .set("steps", 1600.0 / static_cast<double>(workers) + 10 * static_cast<double>(seed)));
    return all;
}

auto crowd(const std::string& compressor, double workers, double seed, const std::string& rate = "5e-4 sqrt(n)")
{
    return [=](const record& r) { return r.text("compressor") == compressor && r.number("workers") == workers && r.number("seed") == seed && r.text("rate") == rate; };
}

} // namespace

TEST_CASE("SPARS-AMS: good records pass; a quick run judges the speed-up, which it measures in full, and no training")
{
    judging::check_common(training, good_training(), {});
    judging::check_common(speed_up, good_speed_up(), {"speed-up-block-sign", "speed-up-top-k"});
    judging::check_names_apart({training, speed_up});
    CHECK(verdicts(training, {}).names() == std::set<std::string>{"top-k-mlp", "memory-mlp", "top-k-cnn", "memory-cnn", "top-k-a9a", "memory-a9a"});
}

TEST_CASE("SPARS-AMS: a point less fails, at the rate with the lowest training loss")
{
    const training_task& mlp = tasks.front();
    const auto top = runs_of(mlp, "spars_ams_top_k", 1), bare = runs_of(mlp, "top_k_without_memory", 1);
    CHECK(verdicts(training, judging::with(good_training(), top, "accuracy_x", 89.01)).all("FAIL").empty());
    CHECK(verdicts(training, judging::with(good_training(), top, "accuracy_x", 89.0)).all("FAIL") == std::set<std::string>{"top-k-mlp"});
    CHECK(verdicts(training, judging::with(good_training(), bare, "accuracy_x", 88.49)).all("FAIL").empty());
    CHECK(verdicts(training, judging::with(good_training(), bare, "accuracy_x", 88.5)).all("FAIL") == std::set<std::string>{"memory-mlp"});
    CHECK(verdicts(training, judging::with(good_training(), top, "accuracy_x", no_number)).all("FAIL") == std::set<std::string>{"top-k-mlp", "memory-mlp"});
    CHECK(verdicts(training, good_training()).numbers("top-k-mlp") == "dense 90.00 +- 0.00, Top-k 1 percent 89.50 +- 0.00, without memory 87.00 +- 0.00 percent right");
}

TEST_CASE("SPARS-AMS: a rate with which a run diverged or lost its loss is never the tuned one, first or last")
{
    for (const std::size_t rate : {0u, 2u})
        for (const char* field : {"diverged", "train_loss"}) {
            records all = judging::with(good_training(), runs_of(tasks.front(), "spars_ams_top_k", rate, 2), field, field[0] == 'd' ? 1 : no_number);
            all = judging::with(all, runs_of(tasks.front(), "spars_ams_top_k", rate, 1), "train_loss", 1e-9);
            CHECK(verdicts(training, all).all("FAIL").empty());
        }
}

TEST_CASE("SPARS-AMS: one seed of one rate missing leaves the task's claims open, and only those")
{
    const verdicts missing(training, judging::without(good_training(), runs_of(tasks.front(), "amsgrad", 2, 3)));
    CHECK(missing.all("NOT JUDGED") == std::set<std::string>{"top-k-mlp", "memory-mlp"});
    CHECK(missing.numbers("top-k-mlp").find("dense AMSGrad, rate 0.003, seeds (2 of 3)") != std::string::npos);
    CHECK(verdicts(training, judging::without(good_training(), runs_of(tasks.front(), "q_adam", 0))).all("NOT JUDGED").empty()); // no claim is about it
    const records stand_in = [] {
        records all = good_training();
        for (record& r : all)
            if (r.text("data") == "Fashion-MNIST") r.set("data", "synthetic");
        return all;
    }();
    CHECK(verdicts(training, stand_in).all("PASS") == std::set<std::string>{"top-k-a9a", "memory-a9a"});
}

TEST_CASE("speed-up: means that do not fall fail, and so does a run that did not come to the target; a missing run leaves the claim open")
{
    CHECK(verdicts(speed_up, judging::with(good_speed_up(), crowd("top_k", 16, 3), "steps", 429)).all("FAIL").empty()); // a mean of 219.7, below the 220 of 8 workers
    CHECK(verdicts(speed_up, judging::with(good_speed_up(), crowd("top_k", 16, 3), "steps", 430)).all("FAIL") == std::set<std::string>{"speed-up-top-k"}); // 220 itself
    for (const double steps : {-1.0, no_number}) {
        const verdicts late(speed_up, judging::with(good_speed_up(), crowd("block_sign", 4, 2), "steps", steps));
        CHECK(late.all("FAIL") == std::set<std::string>{"speed-up-block-sign"});
        CHECK(late.numbers("speed-up-block-sign").find("4: 1 of 3 not in 40000") != std::string::npos);
    }
    const verdicts missing(speed_up, judging::without(good_speed_up(), crowd("block_sign", 1, 1)));
    CHECK(missing.all("NOT JUDGED") == std::set<std::string>{"speed-up-block-sign"});
    CHECK(missing.numbers("speed-up-block-sign").find("Block-Sign with 1 workers, seeds (2 of 3)") != std::string::npos);
    CHECK(verdicts(speed_up, judging::with(good_speed_up(), crowd("top_k", 16, 3, "2e-3"), "steps", -1)).all("FAIL").empty()); // shown beside, not claimed
}
