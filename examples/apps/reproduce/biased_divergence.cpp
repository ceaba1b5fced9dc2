/// @file Three quadratics on which Top-1 without memory diverges, and error feedback repairs it.
#include "reproduce/biased.hpp"

#include "reproduce/over_seeds.hpp"
#include "table.hpp"

#include <gradcomp/gradcomp.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace apps::reproduce {
namespace {

namespace gc = gradcomp;
using point = std::array<double, 3>;

constexpr std::array growth_etas = {1e-3, 1e-2, 0.1, 0.5, 1.0};
constexpr std::array feedback_etas = {0.005, 0.01, 0.02, 0.05};
constexpr std::array poster_etas = {0.1, 0.15, 0.2};

/// grad f_i at x: f_i(x) = <a_i, x>^2 + ||x||^2 / 4, a_i = (2, 2, 2) but -3 at place i.
///
/// The same operations for every worker, so that on the diagonal all of them round alike: for eta above 0.24 a difference between the
/// coordinates grows faster than the diagonal itself, and rounding alone would decide the path.
point slope(std::size_t worker, std::span<const double> x)
{
    const double others = x[(worker + 1) % 3] + x[(worker + 2) % 3], product = gc::multiply_add(-3.0, x[worker], 2 * others);
    point g{};
    for (std::size_t j = 0; j < 3; ++j) g[j] = gc::multiply_add(j == worker ? -6.0 : 4.0, product, x[j] / 2);
    return g;
}

double norm(std::span<const double> x) { return std::sqrt(x[0] * x[0] + x[1] * x[1] + x[2] * x[2]); }

/// ||x|| after each of `steps` steps of the library's stack on three ranks from (1, 1, 1).
template <class Memory> std::vector<double> run_stack(const Memory& memory, double eta, std::size_t steps)
{
    std::vector<double> norms;
    gc::comm::run_ranks(3, [&](gc::comm::in_process communicator) {
        gc::policy_stack stack{.compressor = gc::top_k{.k = 1}, .memory = memory, .reducer = gc::all_gather{communicator}};
        std::vector<double> x(3, 1.0);
        auto exchange = stack.attach(gc::tensor_list{{"x", {3}}}, x);
        for (std::size_t step = 0; step < steps; ++step) {
            const point g = slope(static_cast<std::size_t>(communicator.rank()), x);
            exchange.step(std::span<const double>(g), eta);
            if (communicator.rank() == 0) norms.push_back(norm(x));
        }
    });
    return norms;
}

/// The poster's form, transcribed: C(e + eta g) is sent and multiplied by eta once more.
std::vector<double> run_poster(double eta, std::size_t steps)
{
    point x = {1, 1, 1};
    std::array<point, 3> e{};
    std::vector<double> norms;
    for (std::size_t step = 0; step < steps; ++step) {
        point mean{};
        for (std::size_t i = 0; i < 3; ++i) {
            const point g = slope(i, x);
            for (std::size_t j = 0; j < 3; ++j) e[i][j] += eta * g[j];
            std::size_t best = 0;
            for (std::size_t j = 1; j < 3; ++j)
                if (std::abs(e[i][j]) > std::abs(e[i][best])) best = j;
            mean[best] += e[i][best] / 3;
            e[i][best] = 0;
        }
        for (std::size_t j = 0; j < 3; ++j) x[j] -= eta * mean[j];
        norms.push_back(norm(x));
    }
    return norms;
}

record start(const char* what, double eta)
{
    record r = start_record("reproduce");
    r.set("figure", "divergence").set("what", what).set("learning_rate", eta).set("workers", std::int64_t{3}).set("compressor", "top_k");
    return r;
}

void keep_curve(std::vector<record>& to, const char* what, double eta, const std::vector<double>& norms)
{
    for (std::size_t k = 0; k < norms.size(); k += std::max<std::size_t>(1, norms.size() / 60))
        to.push_back(start(what, eta).set("step", static_cast<std::int64_t>(k + 1)).set("norm", norms[k]));
}

std::vector<record> measure(progress_bar& progress)
{
    std::vector<record> records;
    for (const double eta : growth_etas) {
        const std::vector<double> norms = run_stack(gc::none_accepting_bias{}, eta, 50);
        double off = 0;
        for (std::size_t k = 0; k < norms.size(); ++k) off = larger(off, std::abs(norms[k] / (std::sqrt(3.0) * std::pow(1 + 11 * eta / 6, static_cast<double>(k + 1))) - 1));
        records.push_back(start("growth", eta).set("steps", std::int64_t{50}).set("off", off).set("memory", "none_accepting_bias"));
    }
    keep_curve(records, "no memory", 0.05, run_stack(gc::none_accepting_bias{}, 0.05, 300));
    keep_curve(records, "error feedback", 0.05, run_stack(gc::ef<>{}, 0.05, 300));
    progress.add(1, "divergence example");
    for (const double eta : feedback_etas)
        records.push_back(start("feedback", eta).set("steps", std::int64_t{8000}).set("norm", run_stack(gc::ef<>{}, eta, 8000).back()).set("memory", "ef"));
    for (const double eta : poster_etas) {
        const std::vector<double> poster = run_poster(eta, 4000), correct = run_stack(gc::ef<>{}, eta * eta, 4000);
        double off = 0;
        std::size_t judged = 0;
        for (; judged < poster.size() && poster[judged] > 1e-12; ++judged) off = larger(off, std::abs(poster[judged] / correct[judged] - 1));
        records.push_back(start("poster", eta).set("steps", static_cast<std::int64_t>(judged)).set("off", off).set("norm", poster.back()));
    }
    progress.add(1, "divergence example");
    return records;
}

void show_divergence(const std::vector<record>& records, findings& found)
{
    if (records.empty()) return;
    found.head("The divergence example");
    found.say("Three workers in R^3, started at (1, 1, 1). Their functions are strongly convex and share their minimum at 0. (The diagonal attracts for eta below 0.24 only: off it x is "
              "multiplied by 1 - 61 eta/6. Error feedback is proved for far smaller steps than it takes here; at eta = 0.1 it converges or diverges with the order of rounding.)");
    std::vector<std::vector<std::string>> rows = {{"what", "learning rate", "steps", "relative difference", "norm at the end"}};
    for (const record& r : records)
        if (const std::string what = r.text("what"); what == "growth" || what == "poster" || what == "feedback")
            rows.push_back({what, plain(r.number("learning_rate")), plain(r.number("steps")), std::isnan(r.number("off")) ? "" : plain(r.number("off")),
                std::isnan(r.number("norm")) ? "" : plain(r.number("norm"))});
    chart picture{.title = "Top-1 on three quadratics, eta = 0.05", .x_label = "step", .y_label = "norm of x", .log_y = true, .compact = true};
    for (const char* what : {"no memory", "error feedback"}) {
        chart_series line{.name = what, .marks = false};
        for (const record& r : where(records, "what", what)) line.x.push_back(r.number("step")), line.y.push_back(r.number("norm"));
        picture.series.push_back(line);
    }
    found.draw(picture);
    found.table("Measured:", rows);
}

/// The largest `field` of these records; NaN where one is NaN.
double largest(const std::vector<record>& records, const char* field)
{
    double out = 0;
    for (const record& r : records) out = larger(out, r.number(field));
    return out;
}

} // namespace

void add_divergence(experiment& to, const choices&) { to.parts.push_back({"divergence", "1", 2, measure}); }

void judge_divergence(const std::vector<record>& all, const choices& chosen, findings& found)
{
    const std::vector<record> records = where(all, "figure", "divergence");
    show_divergence(records, found);
    const auto by = [&](const char* what, std::size_t runs) { return evidence(chosen, "").need(what, where(records, "what", what).size(), runs); };
    const double growth = largest(where(records, "what", "growth"), "off"), left = largest(where(records, "what", "feedback"), "norm");
    const double poster = largest(where(records, "what", "poster"), "off");
    found.judge("divergence", "Top-1 without memory multiplies x by exactly 1 + 11 eta/6 a step, for every eta", by("growth", growth_etas.size()), growth < 1e-12,
        "largest relative difference over 50 steps and eta from 0.001 to 1: " + plain(growth) + " (limit 1e-12)");
    found.judge("feedback", "error feedback converges where Top-1 alone diverges", by("feedback", feedback_etas.size()), left < 1e-9,
        "norm after 8000 steps, eta from 0.005 to 0.05: at most " + plain(left) + " (start 1.73)");
    found.judge("poster", "the poster's form, which multiplies by eta twice, is error feedback with step eta^2", by("poster", poster_etas.size()),
        poster < 1e-9 && std::isfinite(largest(where(records, "what", "poster"), "norm")),
        "largest relative difference of the norms until 1e-12, eta 0.1 to 0.2: " + plain(poster));
}

} // namespace apps::reproduce
