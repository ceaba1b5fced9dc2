/// @file Twenty workers, judged: SPARS-AMS with Top-k and Block-Sign against dense AMSGrad, QAdam, 1-bit Adam and Top-k without memory.
#include "reproduce/spars_ams_tasks.hpp"

#include "reproduce/over_seeds.hpp"
#include "table.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace apps::reproduce {
namespace {

/// A method's runs with one learning rate, at their end.
struct outcome {
    over_seeds accuracy, loss; ///< loss: infinite where a run diverged
    double bits = 0, rate = 0; ///< bits of one seed
};
using outcomes = std::map<std::string, outcome>;

outcome at_end(const std::vector<record>& records, const std::string& method, double rate)
{
    const auto here = [&](const record& r) { return r.number("last") == 1 && r.text("method") == method && r.number("learning_rate") == rate; };
    outcome out{.accuracy = collect(records, "accuracy_x", here), .loss = collect(records, "train_loss", here), .rate = rate};
    for (const record& r : records) {
        if (!here(r)) continue;
        double& loss = out.loss.by_seed[static_cast<std::int64_t>(r.number("seed"))];
        if (r.number("diverged") == 1 || !std::isfinite(loss)) loss = std::numeric_limits<double>::infinity();
        out.bits = r.number("bits_sent");
    }
    return out;
}

/// By method, the runs with the learning rate that ends with the lowest training loss, mean over seeds; the test images have no say in it.
outcomes tuned(const std::vector<record>& records, const training_task& task)
{
    outcomes best;
    for (const row& of : rows())
        for (const double rate : task.rates) {
            const outcome one = at_end(records, of.method, rate);
            if (one.loss.count() > 0 && (!best.contains(of.method) || one.loss.mean() < best[of.method].loss.mean())) best[of.method] = one;
        }
    return best;
}

chart draw(const std::vector<record>& records, outcomes& best, const std::string& title)
{
    chart picture{.title = title, .x_label = "bits sent by all workers", .y_label = "test accuracy, percent", .log_x = true, .compact = true, .x_format = "%.0s%c"};
    for (const row& of : rows()) {
        chart_series line{.name = of.name, .marks = false};
        for (const record& r : where(records, "method", of.method))
            if (r.number("seed") == 1 && r.number("learning_rate") == best[of.method].rate) line.x.push_back(r.number("bits_sent")), line.y.push_back(r.number("accuracy_x"));
        picture.series.push_back(line);
    }
    return picture;
}

/// The chart and the table of one task.
void tabulate(const std::vector<record>& records, outcomes& best, const std::string& title, findings& found)
{
    std::vector<std::vector<std::string>> table = {{"method", "learning rate", "seeds", "test accuracy", "deviation", "last training loss", "bits sent", "of dense"}};
    for (const row& of : rows()) {
        if (!best.contains(of.method)) continue;
        const outcome& o = best[of.method];
        table.push_back({of.name, plain(o.rate), std::to_string(o.accuracy.count()), fixed(o.accuracy.mean(), 2), fixed(o.accuracy.deviation(), 2), fixed(o.loss.mean(), 4), plain(o.bits),
            plain(o.bits / best["amsgrad"].bits)});
    }
    found.draw(draw(records, best, title));
    found.table(title + ", at the end of training (the curves are those of seed 1):", table);
}

void judge_task(const std::vector<record>& records, const training_task& task, const choices& chosen, findings& found)
{
    const std::string title = std::string(task.data) + ", " + task.model;
    outcomes best = tuned(records, task);
    if (!records.empty()) tabulate(records, best, title, found);
    evidence on(chosen, std::to_string(task.epochs) + " epochs, " + std::to_string(task.seeds) + (task.seeds > 1 ? " seeds" : " seed"));
    on.real(records);
    for (const row& of : rows()) {
        const std::string method = of.method;
        if (method != "amsgrad" && method != "spars_ams_top_k" && method != "top_k_without_memory") continue;
        for (const double rate : task.rates) on.need(std::string(of.name) + ", rate " + plain(rate) + ", seeds", at_end(records, method, rate).accuracy.count(), task.seeds);
    }
    const over_seeds dense = best["amsgrad"].accuracy, top = best["spars_ams_top_k"].accuracy, bare = best["top_k_without_memory"].accuracy;
    const std::string numbers = "dense " + with_deviation(dense, 2) + ", Top-k 1 percent " + with_deviation(top, 2) + ", without memory " + with_deviation(bare, 2) + " percent right";
    found.judge(std::string("top-k-") + task.name, "Top-k 1 percent with error feedback is within 1.0 point of dense AMSGrad at 20 workers (" + title + ")", on,
        top.mean() > dense.mean() - 1, numbers);
    found.judge(std::string("memory-") + task.name, "without memory Top-k is clearly worse, by more than 1.0 point (" + title + ")", on, bare.mean() < top.mean() - 1, numbers);
}

} // namespace

void judge_adaptive_training(const std::vector<record>& all, const choices& chosen, findings& found)
{
    const std::vector<record> records = where(all, "figure", "training");
    if (!records.empty()) {
        found.head("Figure 1: test accuracy at 20 workers");
        found.say("20 workers, batches of 32 each, images and rows dealt out at random. The learning rate of each method is the one of three that ends with the lowest training loss (0.0003, 0.001, 0.003; "
                  "for a9a ten times that), a tenth of it from the half, a hundredth from three quarters; beta1 0.9, beta2 0.999, epsilon 1e-8 inside the root. Block-Sign has one scale for 512 "
                  "elements, not one a layer. QAdam sends each worker's m / sqrt(v); 1-bit Adam is dense for a twentieth of the steps. Bits are those that workers send, headers included; the "
                  "parameters that come back dense from a root are not counted. The curves look at 2000 test images, their last point and the tables at all 10000.");
    }
    for (const training_task& task : {on_mlp, on_cnn, on_a9a}) judge_task(where(records, "model", task.model), task, chosen, found);
}

} // namespace apps::reproduce
