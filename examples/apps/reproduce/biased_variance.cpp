/// @file Empirical variance along real training: biased rounding against natural compression, Top-k against Rand-k.
#include "reproduce/biased.hpp"

#include "models/cnn.hpp"
#include "models/mlp.hpp"
#include "reproduce/images.hpp"
#include "reproduce/operation.hpp"
#include "reproduce/over_seeds.hpp"
#include "schedule.hpp"
#include "table.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

namespace apps::reproduce {
namespace {

namespace gc = gradcomp;
namespace theory = gradcomp::theory;

/// ||C(x) - x||^2 / ||x||^2 of rounding to powers of two, exactly: the nearest one, and the mean of the unbiased choice (natural compression).
struct rounding_errors {
    double nearest = 0, natural = 0;
};
rounding_errors rounding(std::span<const float> x)
{
    rounding_errors out;
    double norm = 0;
    for (const float value : x) {
        const double y = std::abs(static_cast<double>(value));
        norm += y * y;
        if (y == 0) continue;
        int exponent = 0;
        const double low = std::frexp(y, &exponent) > 0 ? std::ldexp(1.0, exponent - 1) : 0, high = 2 * low;
        out.nearest += std::pow(std::min(y - low, high - y), 2);
        out.natural += (y - low) * (high - y);
    }
    return {out.nearest / norm, out.natural / norm};
}

/// What is compared on a recorded gradient; an operator of the library is one line.
class variance_meter {
public:
    explicit variance_meter(std::size_t d) : top_(operate<float>(gc::top_k{.ratio = 5}, d)), random_(operate<float>(gc::rand_k<>{.ratio = 5}, d)),
        biased_(operate<float>(gc::rand_k<gc::indices::shared_seed, gc::scaling::none>{.ratio = 5}, d)), natural_(operate<float>(gc::natural<>{}, d)),
          nearest_(operate<float>(gc::exponential_rounding<gc::rounding::nearest>{.base = 2}, d))
    {
    }
    void measure(std::span<const float> gradient, const record& base, std::vector<record>& to) const
    {
        const rounding_errors rounded = rounding(gradient);
        keep(base, "nearest power of two", rounded.nearest, 0, to);
        keep(base, "natural", rounded.natural, 0, to);
        draw(base, "natural, drawn", natural_, gradient, 8, to);
        draw(base, "nearest power of two, sent", nearest_, gradient, 1, to);
        draw(base, "top_k", top_, gradient, 1, to);
        draw(base, "rand_k unscaled", biased_, gradient, 8, to);
        draw(base, "rand_k unbiased", random_, gradient, 8, to);
    }

private:
    static void keep(record base, const std::string& name, double value, double half_width, std::vector<record>& to)
    {
        to.push_back(base.set("operator", name).set("variance", value).set("half_width", half_width));
    }
    static void draw(const record& base, const std::string& name, const operation<float>& c, std::span<const float> gradient, std::uint64_t draws, std::vector<record>& to)
    {
        const auto seen = theory::measure<float>([&](std::span<const float> in, std::span<float> out, std::uint64_t) { c.apply(in, out); }, gradient, draws);
        keep(base, name, seen.error.mean, seen.error.half_width, to);
    }
    operation<float> top_, random_, biased_, natural_, nearest_;
};

/// Trains with momentum 0.9 on one rank and measures the stochastic gradient at about `points` steps, densely at first.
template <class Model> std::vector<record> train(const std::string& name, const Model& model, const std::string& folder, std::size_t epochs, std::size_t most_steps, progress_bar& progress)
{
    constexpr std::size_t batch = 64;
    constexpr double rate = 0.02;
    const data::dataset& set = images(folder);
    std::vector<float> x(model.size()), gradient(model.size()), pixels(batch * set.train.pixels);
    std::vector<std::uint8_t> labels(batch);
    typename Model::workspace work(model, batch);
    model.initialise(x, 1);
    gc::comm::in_process_group group(1);
    gc::policy_stack stack{.compressor = gc::identity{}, .reducer = gc::ring{gc::comm::in_process(group, 0)}, .local = gc::momentum{.beta = 0.9}};
    auto exchange = stack.attach(model.tensors(), x);
    const variance_meter meter(model.size());
    epoch_sampler sampler(set.train.count, 1, batch, 0, 1);
    const std::size_t per_epoch = set.train.count / batch, steps = std::min(most_steps, epochs * per_epoch);
    std::vector<record> records;
    std::size_t next = 0;
    for (std::size_t step = 0; step < steps; ++step) {
        if (step % per_epoch == 0) sampler.start_epoch(step / per_epoch);
        data::gather(set, set.train, sampler.batch(step % per_epoch), pixels, labels);
        const double loss = model.gradient(exchange.gradient_point(), pixels, labels, gradient, work);
        if (step >= next) {
            record base = start_record("reproduce");
            base.set("figure", "variance").set("data", set.name).set("model", name).set("parameters", static_cast<std::int64_t>(model.size())).set("step", static_cast<std::int64_t>(step));
            base.set("epochs", static_cast<double>(step) / static_cast<double>(per_epoch)).set("seed", std::int64_t{1}).set("learning_rate", rate).set("loss", loss);
            meter.measure(gradient, base, records);
            next = std::max(step + 1, step + step / 4);
            next = std::min(next, step + steps / 20);
        }
        exchange.step(std::span<const float>(gradient), rate);
        if (step % 10 == 9) progress.add(1, "variance along training, " + name);
    }
    return records;
}

constexpr std::array networks = {"MLP 784-256-10", "CNN"};
constexpr std::size_t quick_cnn = 150, quick_mlp = 1500, full_cnn = 1000, full_mlp = 9000;

chart draw(const std::vector<record>& records, const std::string& model, const std::vector<std::string>& names, const std::string& title)
{
    chart picture{.title = title, .x_label = "step", .y_label = "||C(g) - g||^2 / ||g||^2", .log_x = true, .compact = true};
    for (const std::string& name : names) {
        chart_series line{.name = name, .marks = false};
        for (const record& r : where(where(records, "model", model), "operator", name)) line.x.push_back(r.number("step") + 1), line.y.push_back(r.number("variance"));
        picture.series.push_back(line);
    }
    return picture;
}

/// The five errors of one model's gradients, with the bounds of their classes.
const std::vector<std::pair<std::string, double>> bounds = {{"nearest power of two", 1 / 9.0}, {"natural", 1 / 8.0}, {"top_k", 0.8}, {"rand_k unscaled", 0.8}, {"rand_k unbiased", 4.0}};

/// What the claims are about, the worst over all gradients; NaN where a number is one.
struct worst_errors {
    double apart = 0, exact_apart = 0, rounding_ratio = 0, sparse_ratio = 0, nearest = 0, natural = 0;
    std::size_t points = 0;
};
/// @return how many gradients these records are of
std::size_t add_model(worst_errors& worst, const std::vector<record>& of_model)
{
    const auto by = [&](const char* name) { return where(of_model, "operator", name); };
    const std::vector<record> nearest = by("nearest power of two"), natural = by("natural"), top = by("top_k"), random = by("rand_k unscaled"), drawn = by("natural, drawn"),
                              sent = by("nearest power of two, sent");
    const std::size_t points = std::min({nearest.size(), natural.size(), top.size(), random.size(), drawn.size(), sent.size()});
    for (std::size_t i = 0; i < points; ++i) {
        const auto variance = [&](const std::vector<record>& of) { return of[i].number("variance"); };
        worst.rounding_ratio = larger(worst.rounding_ratio, variance(nearest) / variance(natural));
        worst.sparse_ratio = larger(worst.sparse_ratio, variance(top) / variance(random));
        worst.apart = larger(worst.apart, std::abs(variance(drawn) - variance(natural)) / drawn[i].number("half_width"));
        worst.exact_apart = larger(worst.exact_apart, std::abs(variance(sent) / variance(nearest) - 1));
        worst.nearest = larger(worst.nearest, variance(nearest));
        worst.natural = larger(worst.natural, variance(natural));
    }
    worst.points += points;
    return points;
}

void show_variance(const std::vector<record>& records, findings& found)
{
    if (records.empty()) return;
    const record& first = records.front();
    found.head("Figure 1: empirical variance along training");
    found.say("Stochastic gradients (batches of 64, momentum 0.9, learning rate " + plain(first.number("learning_rate")) + ") of training on " + first.text("data") +
        ": the relative error of each operator, k = d/5. The paper shows CIFAR-10 and larger networks.");
    std::vector<std::vector<std::string>> rows = {{"model", "operator", "points", "least", "mean", "largest", "class bound"}};
    for (const char* model : networks) {
        for (const auto& [name, bound] : bounds) {
            double low = std::numeric_limits<double>::infinity(), high = 0, sum = 0;
            const std::vector<record> mine = where(where(records, "model", model), "operator", name);
            for (const record& r : mine) low = smaller(low, r.number("variance")), high = larger(high, r.number("variance")), sum += r.number("variance");
            if (!mine.empty()) rows.push_back({model, name, std::to_string(mine.size()), fixed(low, 4), fixed(sum / static_cast<double>(mine.size()), 4), fixed(high, 4), fixed(bound, 4)});
        }
        found.draw(draw(records, model, {"nearest power of two", "natural"}, std::string(model) + ": roundings"));
        found.draw(draw(records, model, {"top_k", "rand_k unscaled", "rand_k unbiased"}, std::string(model) + ": sparsifiers, k = d/5"));
    }
    found.table("Relative errors:", rows);
}

} // namespace

void add_variance(experiment& to, const choices& chosen)
{
    const std::string folder = chosen.data;
    const std::size_t mlp_steps = chosen.quick ? quick_mlp : full_mlp, cnn_steps = chosen.quick ? quick_cnn : full_cnn;
    to.parts.push_back({"variance-mlp", "steps " + std::to_string(mlp_steps), mlp_steps / 10, [=](progress_bar& p) { return train("MLP 784-256-10", models::mlp{}, folder, 10, mlp_steps, p); }});
    to.parts.push_back({"variance-cnn", "steps " + std::to_string(cnn_steps), cnn_steps / 10, [=](progress_bar& p) { return train("CNN", models::cnn{}, folder, 3, cnn_steps, p); }});
}

void judge_variance(const std::vector<record>& all, const choices& chosen, findings& found)
{
    const std::vector<record> records = where(all, "figure", "variance");
    show_variance(records, found);
    worst_errors worst;
    evidence on(chosen, std::to_string(full_mlp) + " and " + std::to_string(full_cnn) + " steps");
    on.real(records);
    for (const char* model : networks) {
        const std::size_t points = add_model(worst, where(records, "model", model));
        on.need(std::string("gradients of the ") + model, std::min<std::size_t>(points, 1), 1);
    }
    const std::string count = ", over " + std::to_string(worst.points) + " gradients";
    found.judge("rounding", "rounding to the nearest power of two has a smaller error than natural compression on every gradient", on, worst.rounding_ratio < 1,
        "largest quotient " + fixed(worst.rounding_ratio, 4) + count);
    found.judge("rounding, measured", "the library's compressors have the errors that the roundings' formulas give", on, worst.apart <= 1.5 && worst.exact_apart < 1e-4,
        "nearest: largest relative difference " + plain(worst.exact_apart) + "; natural: largest difference in half widths of six standard errors of 8 draws " + fixed(worst.apart, 2) + " (limit 1.5)" + count);
    found.judge("sparsifying", "Top-k has a smaller error than Rand-k on every gradient, also where Rand-k is not scaled up", on, worst.sparse_ratio < 1,
        "largest quotient " + fixed(worst.sparse_ratio, 4) + count);
    found.judge("rounding bounds", "the errors stay below their classes' 1/9 and 1/8", on, worst.nearest <= 1 / 9.0 && worst.natural <= 1 / 8.0,
        "largest " + fixed(worst.nearest, 4) + " and " + fixed(worst.natural, 4) + count);
}

} // namespace apps::reproduce
