/// @file Training on four nodes with each operator: loss and accuracy against bits sent.
#include "reproduce/biased.hpp"

#include "models/mlp.hpp"
#include "reproduce/curve.hpp"
#include "reproduce/images.hpp"
#include "reproduce/over_seeds.hpp"
#include "table.hpp"

#include <gradcomp/gradcomp.hpp>

#include <array>
#include <vector>

namespace apps::reproduce {
namespace {

namespace gc = gradcomp;

constexpr std::size_t points = 24;
constexpr const char* dense = "no compression";

std::size_t seeds_of(const choices& chosen) { return chosen.quick ? 1 : 2; }

over_seeds at_end(const std::vector<record>& records, const std::string& name, const std::string& field)
{
    return collect(records, field, [&](const record& r) { return r.text("name") == name && r.number("last") == 1; });
}

/// One method's training: a part of its own, so that an interrupted run goes on with the next method.
template <class StackOf> void add_method(experiment& to, const choices& chosen, const std::string& name, const record& facts, const StackOf& stack_of)
{
    const std::size_t seeds = seeds_of(chosen), epochs = chosen.quick ? 2 : 12;
    const std::string folder = chosen.data;
    for (std::size_t seed = 1; seed <= seeds; ++seed)
        to.parts.push_back({"training-" + facts.text("method") + "-" + std::to_string(seed), "epochs " + std::to_string(epochs), points, [=](progress_bar& progress) {
            const curve_settings settings{.workers = 4, .batch = 32, .epochs = epochs, .learning_rate = 0.05, .seed = seed, .points = points, .label = "training, " + name + ", seed " + std::to_string(seed)};
            record base = start_record("reproduce");
            base.set("figure", "training").set("data", images(folder).name).set("name", name);
            for (const auto& [field, value] : facts.fields()) base.set(field, value);
            return train_curve(models::mlp{}, images(folder), settings, base, stack_of, progress);
        }});
}

record facts(const char* method, const char* compressor, const char* memory, const char* reducer, double ratio)
{
    record r;
    return r.set("method", method).set("compressor", compressor).set("memory", memory).set("reducer", reducer).set("ratio", ratio);
}

const gc::momentum local{.beta = 0.9, .weight_decay = 1e-4};

/// In the order of the table.
constexpr std::array names = {dense, "Top-k, k = d/5", "natural dithering, 7 levels", "Top-k, then natural dithering"};

void show_training(const std::vector<record>& records, findings& found)
{
    if (records.empty()) return;
    found.head("Figure 3: training on four nodes");
    found.say("MLP 784-256-10 on " + records.front().text("data") + ", 4 workers with batches of 32, momentum 0.9, learning rate 0.05 (a tenth from the half, a hundredth from three quarters). Bits are "
              "those of all messages of all workers, headers included. The curves are those of seed 1.");
    chart loss{.title = "Training loss against bits", .x_label = "bits sent by all workers", .y_label = "loss", .log_x = true, .compact = true, .x_format = "%.0s%c"};
    chart right{.title = "Test accuracy against bits", .x_label = "bits sent by all workers", .y_label = "percent", .log_x = true, .compact = true, .x_format = "%.0s%c"};
    std::vector<std::vector<std::string>> rows = {{"method", "seeds", "test accuracy", "last training loss", "bits sent", "of dense"}};
    for (const char* name : names) {
        chart_series a{.name = name, .marks = false}, b{.name = name, .marks = false};
        for (const record& r : where(records, "name", name)) {
            if (r.number("seed") != 1) continue;
            a.x.push_back(r.number("bits_sent")), a.y.push_back(r.number("train_loss"));
            b.x.push_back(r.number("bits_sent")), b.y.push_back(r.number("accuracy_x"));
        }
        loss.series.push_back(a);
        right.series.push_back(b);
        const double bits = at_end(records, name, "bits_sent").mean();
        const over_seeds accuracy = at_end(records, name, "accuracy_x");
        rows.push_back({name, std::to_string(accuracy.count()), with_deviation(accuracy, 2), with_deviation(at_end(records, name, "train_loss"), 4), plain(bits),
            plain(bits / at_end(records, dense, "bits_sent").mean())});
    }
    found.draw(loss);
    found.draw(right);
    found.table("At the end of training, mean and deviation over seeds:", rows);
}

} // namespace

void add_training(experiment& to, const choices& chosen)
{
    add_method(to, chosen, dense, facts("sgd", "identity", "none", "all_gather", 1),
        [](auto communicator) { return gc::policy_stack{.compressor = gc::identity{}, .reducer = gc::all_gather{communicator}, .local = local}; });
    add_method(to, chosen, "Top-k, k = d/5", facts("top_k_ef", "top_k", "ef", "all_gather", 5),
        [](auto communicator) { return gc::policy_stack{.compressor = gc::top_k{.ratio = 5}, .memory = gc::ef{}, .reducer = gc::all_gather{communicator}, .local = local}; });
    add_method(to, chosen, "natural dithering, 7 levels", facts("none", "natural_dithering", "none", "all_gather", 1),
        [](auto communicator) { return gc::policy_stack{.compressor = gc::natural_dithering<>(), .reducer = gc::all_gather{communicator}, .local = local}; });
    add_method(to, chosen, "Top-k, then natural dithering", facts("top_k_dithering_ef", "top_k, natural_dithering", "ef", "all_gather", 5), [](auto communicator) {
        using compressor = gc::chain<gc::top_k, gc::exponential_dithering<gc::norm::two>>;
        return gc::policy_stack{.compressor = compressor{.sparsifier = {.ratio = 5}}, .memory = gc::ef{}, .reducer = gc::all_gather{communicator}, .local = local};
    });
}

void judge_training(const std::vector<record>& all, const choices& chosen, findings& found)
{
    const std::vector<record> records = where(all, "figure", "training");
    show_training(records, found);
    const double dense_bits = at_end(records, dense, "bits_sent").mean();
    double most = 0, lost = 0;
    std::string numbers;
    evidence for_accuracy(chosen, "12 epochs, 2 seeds"), for_bits(chosen, ""); // how many bits a step takes is the same in a quick run
    for_accuracy.real(records), for_bits.real(records);
    for (const char* name : names) {
        const over_seeds accuracy = at_end(records, name, "accuracy_x"), bits = at_end(records, name, "bits_sent");
        for_accuracy.need(std::string(name) + ", seeds", accuracy.count(), seeds_of(chosen));
        for_bits.need(std::string(name) + ", seeds", bits.count(), seeds_of(chosen));
        lost = larger(lost, at_end(records, dense, "accuracy_x").mean() - accuracy.mean());
        if (name != std::string(dense)) most = larger(most, bits.mean());
        numbers += (numbers.empty() ? "" : "; ") + std::string(name) + " " + with_deviation(accuracy, 2) + " percent with " + plain(bits.mean() / dense_bits) + " of the dense bits";
    }
    found.judge("accuracy", "compressed training stays within one point of dense training", for_accuracy, lost < 1, numbers);
    found.judge("bits", "every compressed run sends fewer bits than the dense one", for_bits, most < dense_bits, numbers);
}

} // namespace apps::reproduce
