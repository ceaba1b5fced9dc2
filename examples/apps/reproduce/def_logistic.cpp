/// @file Logistic regression on data split by label, with whole gradients: who comes to the minimum, and who stops at an error of its own.
#include "reproduce/def.hpp"

#include "models/logistic_facts.hpp"
#include "reproduce/rank_loop.hpp"
#include "reproduce/ri_sgd.hpp"
#include "table.hpp"

#include <array>
#include <cmath>
#include <memory>

namespace apps::reproduce {
namespace {

namespace gc = gradcomp;

constexpr std::size_t workers = 8;
constexpr double ratio = 8, wanted = 1e-6;

struct contender {
    const char *method, *name, *compressor, *memory;
    bool arrives; ///< what theory says: to any accuracy with a constant rate, though the workers' minima differ
};
const std::vector<contender> contenders = {{"sgd", "dense", "identity", "none", true}, {"ef21", "EF21", "top_k", "ef21", true}, {"ef", "EF", "top_k", "ef", false},
    {"def", "DEF, lambda 0.3", "top_k", "def", false}};

/// One data set by label: shard i is worker i's.
struct split_problem {
    data::sparse_set set;
    models::logistic model;
    std::vector<std::uint32_t> order;
    std::vector<std::vector<std::uint32_t>> pools;
    double dense_rate = 0, ef21_rate = 0;

    split_problem(const std::string& folder, const std::string& name, double decay)
        : set(data::read_libsvm(data::find_libsvm_folder(folder, name + ".gz") / (name + ".gz"))), model{.columns = set.columns, .decay = decay}, order(by_label(*this))
    {
        double squares = 0;
        for (std::size_t j = 0; j < workers; ++j) {
            pools.push_back(pool_of({.workers = workers}, j, order));
            const double own = models::smoothness(model, set, pools.back());
            squares += own * own / workers;
        }
        const double whole = models::smoothness(model, set, order);
        // Richtarik, Sokolov, Fatkhullin, NeurIPS 2021, Theorem 2: 1 / (L + L~ sqrt(beta / theta)), with alpha = k / d of Top-k.
        const double root = std::sqrt(1 - 1 / ratio);
        dense_rate = 1 / whole;
        ef21_rate = 1 / (whole + std::sqrt(squares) * root / (1 - root));
    }
    std::size_t rows() const { return set.rows(); }
    unsigned label(std::size_t row) const { return set.label[row]; }
};

/// Norm of the gradient of the mean of the workers' losses at `point`; the same on every rank. Collective.
double gradient_norm(const split_problem& of, gc::comm::in_process communicator, std::span<const double> point, std::vector<double>& own, std::vector<double>& all)
{
    of.model.gradient<double>(point, of.set, of.pools[static_cast<std::size_t>(communicator.rank())], std::span(own));
    communicator.all_reduce(gc::host_view<const double>(own.data(), own.size()), gc::host_view<double>(all.data(), all.size()));
    double square = 0;
    for (const double one : all) square += one * one;
    return std::sqrt(square) / workers;
}

/// Steps until the norm is below what is wanted, or `most`; the norm is looked at fifty times a decade of steps, and noted.
template <class Stack>
void descend(const split_problem& of, const Stack& stack, gc::comm::in_process communicator, double rate, std::size_t most, const record& base, std::vector<record>& out)
{
    std::vector<double> x(of.model.size()), gradient(x.size()), point(x.size()), all(x.size());
    auto exchange = stack.attach(of.model.tensors(), x);
    double next = 1;
    for (std::size_t step = 1; step <= most; ++step) {
        of.model.gradient<double>(exchange.gradient_point(), of.set, of.pools[static_cast<std::size_t>(communicator.rank())], std::span(gradient));
        exchange.step(std::span<const double>(gradient), rate);
        if (static_cast<double>(step) < next && step < most) continue;
        while (next <= static_cast<double>(step)) next *= std::pow(10.0, 0.02);
        exchange.evaluate_at(std::span<double>(point));
        const double norm = gradient_norm(of, communicator, point, gradient, all);
        const bool last = !(norm >= wanted) || step == most;
        if (communicator.rank() == 0) {
            record r = base;
            r.set("step", static_cast<std::int64_t>(step)).set("gradient_norm", norm).set("last", last).set("wire_bytes", static_cast<std::int64_t>(exchange.wire_bytes()));
            r.set("bits_sent", 8.0 * static_cast<double>(exchange.wire_bytes()) * workers * static_cast<double>(step));
            out.push_back(r);
        }
        if (last) return;
    }
}

std::vector<record> measure(const split_problem& of, const std::string& data, const contender& who, std::size_t most)
{
    const double rate = who.method == std::string("sgd") ? of.dense_rate : of.ef21_rate;
    record base = start_record("reproduce");
    base.set("figure", "logistic").set("data", data).set("method", who.method).set("name", who.name).set("compressor", who.compressor).set("memory", who.memory);
    base.set("reducer", who.compressor[0] == 'i' ? "ring" : "all_gather").set("ratio", who.compressor[0] == 'i' ? 1.0 : ratio).set("workers", static_cast<std::int64_t>(workers));
    base.set("learning_rate", rate).set("decay", of.model.decay);
    std::vector<record> records;
    gc::comm::run_ranks(static_cast<int>(workers), [&](gc::comm::in_process communicator) {
        const gc::exec::cpu alone{.threads = 1}; // the ranks themselves are the threads
        const gc::top_k top{.ratio = ratio, .scope = gc::scope::whole_model};
        const auto run = [&](const auto& stack) { descend(of, stack, communicator, rate, most, base, records); };
        const std::string method = who.method;
        if (method == "sgd") run(gc::policy_stack{.compressor = gc::identity{}, .reducer = gc::ring{communicator}, .executor = alone});
        else if (method == "ef21") run(gc::policy_stack{.compressor = top, .memory = gc::ef21{}, .reducer = gc::all_gather{communicator}, .server = gc::estimate{}, .executor = alone});
        else if (method == "ef") run(gc::policy_stack{.compressor = top, .memory = gc::ef{}, .reducer = gc::all_gather{communicator}, .executor = alone});
        else run(gc::policy_stack{.compressor = top, .memory = gc::def{.lambda = 0.3}, .reducer = gc::all_gather{communicator}, .executor = alone});
    }, patient());
    return records;
}

struct data_set {
    const char* name;
    double decay;
    std::size_t steps, quick_steps;
};
const std::vector<data_set> sets = {{"mushrooms", 0.1, 20000, 10000}, {"a9a", 0.1, 20000, 5000}};

const record* end_of(const std::vector<record>& records, const std::string& method)
{
    for (const record& r : records)
        if (r.text("method") == method && r.number("last") == 1) return &r;
    return nullptr;
}

/// Chart, table and claims of one data set.
void judge_set(const std::vector<record>& of_set, const data_set& set, const choices& chosen, findings& found)
{
    chart picture{.title = std::string(set.name) + ": gradient norm", .x_label = "bits sent by all workers", .y_label = "norm", .log_x = true, .log_y = true, .compact = true, .x_format = "%.0s%c"};
    std::vector<std::vector<std::string>> rows = {{"method", "learning rate", "steps", "gradient norm", "bits sent"}};
    bool arrived = true, stopped = true;
    std::string first, second;
    const std::string whole = "at most " + std::to_string(set.steps) + " steps";
    evidence for_arrival(chosen, whole), for_floor(chosen, whole);
    for (const contender& who : contenders) {
        chart_series line{.name = who.name, .marks = false};
        for (const record& r : where(of_set, "method", who.method)) line.x.push_back(r.number("bits_sent")), line.y.push_back(r.number("gradient_norm"));
        picture.series.push_back(line);
        const record* end = end_of(of_set, who.method);
        const double norm = end != nullptr ? end->number("gradient_norm") : std::nan("");
        if (end != nullptr) rows.push_back({who.name, plain(end->number("learning_rate")), plain(end->number("step")), plain(norm), plain(end->number("bits_sent"))});
        std::string& text = who.arrives ? first : second;
        text += (text.empty() ? "" : ", ") + std::string(who.name) + " " + plain(norm) + (end != nullptr ? " after " + plain(end->number("step")) + " steps" : "");
        (who.arrives ? for_arrival : for_floor).need(who.name, end != nullptr, 1);
        if (who.arrives) arrived = arrived && norm < wanted;
        else stopped = stopped && norm >= wanted;
    }
    if (!of_set.empty()) {
        found.draw(picture);
        found.table(std::string(set.name) + ", at the end:", rows);
    }
    found.judge(std::string("arrive-") + set.name, std::string("dense descent and EF21 reach a gradient norm of 1e-6 (") + set.name + ")", for_arrival, arrived, first);
    found.judge(std::string("floor-") + set.name, std::string("EF and DEF with the same constant rate stop above it (") + set.name + ")", for_floor, stopped, second);
}

} // namespace

void add_def_logistic(experiment& to, const choices& chosen)
{
    const std::string folder = chosen.data;
    for (const data_set& set : sets) {
        const std::size_t most = chosen.quick ? set.quick_steps : set.steps;
        to.parts.push_back({std::string("logistic-") + set.name, "decay " + plain(set.decay) + ", steps " + std::to_string(most), contenders.size(), [=](progress_bar& progress) {
            const split_problem of(folder, set.name, set.decay);
            std::vector<record> records;
            for (const contender& who : contenders) {
                for (record& r : measure(of, set.name, who, most)) records.push_back(std::move(r));
                progress.add(1, std::string("logistic regression, ") + set.name + ", " + who.name);
            }
            return records;
        }});
    }
}

void judge_def_logistic(const std::vector<record>& all, const choices& chosen, findings& found)
{
    const std::vector<record> records = where(all, "figure", "logistic");
    if (!records.empty()) {
        found.head("Logistic regression on a split by label, to a gradient norm of 1e-6");
        found.say("8 workers hold the rows sorted by label, whole gradients, weight decay 0.1, Top-k with an eighth of the coordinates. Dense descent has the rate 1 / L; EF21 the rate of its theorem, and EF and "
                  "DEF the same one. EF21's estimates find each worker's own gradient at the minimum, so it comes there with a constant rate; what EF and DEF owe does not vanish where the "
                  "workers' minima differ, and their theorems leave an error that only a smaller rate makes smaller. The norm is that of the mean loss where the method is evaluated.");
    }
    for (const data_set& set : sets) judge_set(where(records, "data", set.name), set, chosen, found);
}

} // namespace apps::reproduce
