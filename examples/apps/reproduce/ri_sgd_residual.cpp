/// @file What is left of the loss when local SGD has converged, against period and redundancy; gradient diversity and drift beside it.
#include "reproduce/ri_sgd.hpp"

#include "data/libsvm.hpp"
#include "models/logistic_facts.hpp"
#include "reproduce/rank_loop.hpp"
#include "table.hpp"

#include <gradcomp/observe/diversity.hpp>

#include <cmath>

namespace apps::reproduce {
namespace {

namespace gc = gradcomp;

constexpr std::size_t workers = 8, full_steps = 5000;
constexpr double eta = 0.1;
const std::vector<std::size_t> periods = {1, 5, 10, 25, 50};
const std::vector<double> redundancies = {0, 0.25, 0.5};

/// Mushrooms by label, with weight decay 0.01 so that there is one minimum.
struct problem {
    data::sparse_set set;
    models::logistic model;
    std::vector<std::uint32_t> order;
    double lowest = 0;

    explicit problem(const std::string& folder)
        : set(data::read_libsvm(data::find_libsvm_folder(folder, "mushrooms.gz") / "mushrooms.gz")), model{.columns = set.columns, .decay = 0.01}, order(by_label(*this))
    {
        lowest = model.loss<double>(models::minimiser(model, set, order), set);
    }
    std::size_t rows() const { return set.rows(); }
    unsigned label(std::size_t row) const { return set.label[row]; }
};

using vectors = std::vector<std::vector<double>>;

/// Number of gradients times their diversity: 1 for equal ones.
double spread(const vectors& gradients)
{
    const std::vector<std::span<const double>> views(gradients.begin(), gradients.end());
    return static_cast<double>(gradients.size()) * gc::gradient_diversity<double>(views);
}

std::vector<double> gradient_over(const problem& of, std::span<const double> x, std::span<const std::uint32_t> rows)
{
    std::vector<double> out(x.size());
    of.model.gradient<double>(x, of.set, rows, out);
    return out;
}

/// Diversity at x within workers (mean over them) and between them.
void note_diversity(record& r, const problem& of, const gc::redundant_placement& placement, std::span<const double> x)
{
    double within = 0;
    vectors of_workers;
    for (std::size_t j = 0; j < workers; ++j) {
        vectors of_shards;
        for (const gc::sample_range& held : placement.ranges(j, of.rows())) of_shards.push_back(gradient_over(of, x, std::span(of.order).subspan(held.begin, held.size())));
        within += spread(of_shards) / workers;
        of_workers.push_back(gradient_over(of, x, pool_of(placement, j, of.order)));
    }
    r.set("diversity_within", within).set("diversity_between", spread(of_workers));
}

double drift_of(const vectors& points)
{
    double sum = 0;
    for (std::size_t i = 0; i < points[0].size(); ++i) {
        double mean = 0;
        for (const auto& one : points) mean += one[i] / static_cast<double>(points.size());
        for (const auto& one : points) sum += (one[i] - mean) * (one[i] - mean) / static_cast<double>(points.size());
    }
    return sum;
}

/// Local gradient descent (whole gradients: nothing but the period and the split can leave an error).
std::vector<record> measure(const problem& of, std::size_t tau, double mu, std::size_t steps, progress_bar& progress)
{
    const gc::redundant_placement placement{.workers = workers, .redundancy = mu};
    record base = start_record("reproduce");
    base.set("figure", "residual").set("data", "mushrooms").set("method", "local_sgd").set("compressor", "identity").set("memory", "none").set("reducer", "ring");
    base.set("tau", static_cast<std::int64_t>(tau)).set("mu", mu).set("workers", static_cast<std::int64_t>(workers)).set("learning_rate", eta).set("steps", static_cast<std::int64_t>(steps));
    std::vector<record> records;
    vectors points(workers);
    gc::comm::run_ranks(static_cast<int>(workers), [&](gc::comm::in_process communicator) {
        const auto rank = static_cast<std::size_t>(communicator.rank());
        const std::vector<std::uint32_t> pool = pool_of(placement, rank, of.order);
        std::vector<double> x(of.model.size()), gradient(of.model.size());
        gc::policy_stack stack{.compressor = gc::identity{}, .reducer = gc::ring{communicator}, .period = static_cast<std::uint32_t>(tau), .executor = gc::exec::cpu{.threads = 1}};
        auto exchange = stack.attach(of.model.tensors(), x);
        for (std::size_t step = 1; step <= steps; ++step) {
            if (step == steps) points[rank].assign(exchange.gradient_point().begin(), exchange.gradient_point().end());
            of.model.gradient<double>(exchange.gradient_point(), of.set, pool, gradient);
            exchange.step(std::span<const double>(gradient), eta);
            if (rank != 0 || !(step % (steps / 20) == 0 || step == steps)) continue;
            record r = base;
            r.set("step", static_cast<std::int64_t>(step)).set("residual", of.model.loss<double>(x, of.set) - of.lowest).set("last", step == steps);
            if (step == steps) note_diversity(r, of, placement, x);
            records.push_back(r);
        }
    }, patient());
    records.back().set("drift", drift_of(points));
    progress.add(1, "residual, tau " + std::to_string(tau) + ", mu " + plain(mu));
    return records;
}

/// The last record of a run; null where there is none.
const record* end_of(const std::vector<record>& records, std::size_t tau, double mu)
{
    for (const record& r : records)
        if (r.number("last") == 1 && r.number("tau") == static_cast<double>(tau) && r.number("mu") == mu) return &r;
    return nullptr;
}
double residual_of(const std::vector<record>& records, std::size_t tau, double mu)
{
    const record* end = end_of(records, tau, mu);
    return end != nullptr ? end->number("residual") : std::nan("");
}

void show_residual(const std::vector<record>& records, findings& found)
{
    std::vector<std::vector<std::string>> rows = {{"tau", "mu", "f - f*", "drift", "diversity within", "diversity between"}};
    for (const std::size_t tau : periods)
        for (const double mu : redundancies)
            if (const record* end = end_of(records, tau, mu))
                rows.push_back({std::to_string(tau), plain(mu), plain(end->number("residual")), plain(end->number("drift")), plain(end->number("diversity_within")), plain(end->number("diversity_between"))});
    chart picture{.title = "Residual error against tau", .x_label = "tau", .y_label = "f - f*", .log_x = true, .log_y = true, .compact = true};
    for (const double mu : redundancies) {
        chart_series line{.name = "mu " + plain(mu)};
        for (const std::size_t tau : periods) line.x.push_back(static_cast<double>(tau)), line.y.push_back(residual_of(records, tau, mu));
        picture.series.push_back(line);
    }
    found.draw(picture);
    found.table("At the end:", rows);
}

} // namespace

void add_residual(experiment& to, const choices& chosen)
{
    const std::size_t steps = chosen.quick ? 1000 : full_steps; // multiples of every period
    const std::string folder = chosen.data;
    for (const double mu : redundancies)
        to.parts.push_back({"residual-" + std::to_string(static_cast<int>(mu * 100)), "steps " + std::to_string(steps), periods.size(), [=](progress_bar& progress) {
            const problem of(folder);
            std::vector<record> records;
            for (const std::size_t tau : periods)
                for (record& r : measure(of, tau, mu, steps, progress)) records.push_back(std::move(r));
            return records;
        }});
}

void judge_residual(const std::vector<record>& all, const choices& chosen, findings& found)
{
    const std::vector<record> records = where(all, "figure", "residual");
    if (!records.empty()) {
        found.head("Residual error of local SGD");
        found.say("Logistic regression on mushrooms sorted by label, weight decay 0.01, 8 workers, whole gradients, learning rate 0.1, " + plain(records.front().number("steps")) +
            " steps: f - f* at the end, f* by Newton's method. With tau 1 all are gradient descent. Drift is the mean of ||x_j - mean x||^2 one step before the last mean; diversity is n sum ||g_i||^2 / "
            "||sum g_i||^2 at the end, 1 for equal gradients: over a worker's shards (mean of all workers), and over the workers.");
        show_residual(records, found);
    }
    bool falls = true;
    std::string numbers;
    evidence on(chosen, std::to_string(full_steps) + " steps");
    for (const std::size_t tau : periods) {
        if (tau == 1) continue;
        for (const double mu : redundancies) on.need("tau " + std::to_string(tau) + ", mu " + plain(mu), end_of(records, tau, mu) != nullptr, 1);
        const double none = residual_of(records, tau, 0), some = residual_of(records, tau, 0.25), half = residual_of(records, tau, 0.5);
        falls = falls && some < none && half < some;
        numbers += (numbers.empty() ? "tau " : "; tau ") + std::to_string(tau) + ": " + plain(none) + ", " + plain(some) + ", " + plain(half);
    }
    found.judge("residual", "the residual error of local SGD falls with redundancy at every tau above 1", on, falls, "f - f* for mu 0, 0.25, 0.5: " + numbers);
}

} // namespace apps::reproduce
