/// @file Training on four nodes with each operator: loss and accuracy against bits sent.
#include "reproduce/biased.hpp"

#include "models/mlp.hpp"
#include "reproduce/curve.hpp"
#include "reproduce/images.hpp"
#include "table.hpp"

#include <gradcomp/gradcomp.hpp>

#include <cmath>
#include <vector>

namespace apps::reproduce {
namespace {

namespace gc = gradcomp;

constexpr std::size_t points = 24;

/// One method's training: a part of its own, so that an interrupted run goes on with the next method.
template <class StackOf> void add_method(experiment& to, const choices& chosen, const std::string& name, const record& facts, const StackOf& stack_of)
{
    const std::size_t seeds = chosen.quick ? 1 : 2, epochs = chosen.quick ? 2 : 12;
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

} // namespace

void add_training(experiment& to, const choices& chosen)
{
    add_method(to, chosen, "no compression", facts("sgd", "identity", "none", "all_gather", 1),
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
    if (records.empty()) return;
    found.head("Figure 3: training on four nodes");
    const record& first = records.front();
    found.say("MLP 784-256-10 on " + first.text("data") + ", 4 workers with batches of 32, momentum 0.9, learning rate 0.05 (a tenth from the half, a hundredth from three quarters). Bits are those "
              "of all messages of all workers, headers included.");
    std::vector<std::string> names;
    for (const record& r : records)
        if (std::find(names.begin(), names.end(), r.text("name")) == names.end()) names.push_back(r.text("name"));
    chart loss{.title = "Training loss against bits", .x_label = "bits sent by all workers", .y_label = "loss", .log_x = true, .compact = true, .x_format = "%.0s%c"};
    chart right{.title = "Test accuracy against bits", .x_label = "bits sent by all workers", .y_label = "percent", .log_x = true, .compact = true, .x_format = "%.0s%c"};
    std::vector<std::vector<std::string>> rows = {{"method", "seeds", "test accuracy", "last training loss", "bits sent", "of dense"}};
    double dense_accuracy = 0, dense_bits = 0, most = 0, worst_loss = 0;
    std::string numbers;
    for (const std::string& name : names) {
        chart_series a{.name = name, .marks = false}, b{.name = name, .marks = false};
        double accuracy = 0, last_loss = 0, bits = 0;
        std::size_t seeds = 0;
        for (const record& r : where(records, "name", name)) {
            if (r.number("seed") == 1) {
                a.x.push_back(r.number("bits_sent")), a.y.push_back(r.number("train_loss"));
                b.x.push_back(r.number("bits_sent")), b.y.push_back(r.number("accuracy_x"));
            }
            if (r.number("last") != 1) continue;
            accuracy += r.number("accuracy_x"), last_loss += r.number("train_loss"), bits = r.number("bits_sent");
            ++seeds;
        }
        accuracy /= static_cast<double>(seeds), last_loss /= static_cast<double>(seeds);
        if (name == "no compression") dense_accuracy = accuracy, dense_bits = bits;
        else worst_loss = std::max(worst_loss, dense_accuracy - accuracy), most = std::max(most, bits);
        numbers += (numbers.empty() ? "" : "; ") + name + " " + fixed(accuracy, 2) + " percent with " + plain(bits / dense_bits) + " of the dense bits";
        loss.series.push_back(a);
        right.series.push_back(b);
        rows.push_back({name, std::to_string(seeds), fixed(accuracy, 2), fixed(last_loss, 4), plain(bits), plain(bits / dense_bits)});
    }
    if (chosen.quick) found.leave_open("accuracy", "compressed training stays within one point of dense training", "needs the full run (12 epochs, 2 seeds); this run: " + numbers);
    else found.judge("accuracy", "compressed training stays within one point of dense training", worst_loss < 1, numbers);
    found.judge("bits", "every compressed run sends fewer bits than the dense one", most < dense_bits, numbers);
    found.draw(loss);
    found.draw(right);
    found.table("At the end of training:", rows);
}

} // namespace apps::reproduce
