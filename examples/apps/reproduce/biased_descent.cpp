/// @file Compressed gradient descent on quadratics and on linear regression, with the theory's line beside each run.
#include "reproduce/biased.hpp"

#include "data/regression.hpp"
#include "random.hpp"
#include "reproduce/operation.hpp"
#include "reproduce/over_seeds.hpp"
#include "table.hpp"

#include <Eigen/Dense>

#include <algorithm>
#include <cmath>
#include <vector>

namespace apps::reproduce {
namespace {

namespace gc = gradcomp;
namespace theory = gradcomp::theory;

/// f(x) - f* = (x - x*)' A (x - x*) / 2 in the coordinates x - x*, started at `start`.
struct quadratic {
    std::string name;
    Eigen::MatrixXd a;
    Eigen::VectorXd start;
    double smoothness = 0, strong_convexity = 0;
};

void measure_spectrum(quadratic& of)
{
    const Eigen::VectorXd values = Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(of.a, Eigen::EigenvaluesOnly).eigenvalues();
    of.strong_convexity = values(0);
    of.smoothness = values(values.size() - 1);
}

/// Eigenvalues 1/condition to 1, evenly spaced in the logarithm, in a random orthogonal basis.
quadratic random_quadratic(double condition, std::uint64_t seed)
{
    constexpr Eigen::Index d = 100;
    generator random(seed, 71);
    Eigen::MatrixXd gauss(d, d);
    Eigen::VectorXd values(d), start(d);
    for (Eigen::Index i = 0; i < d * d; ++i) gauss.data()[i] = static_cast<double>(random.normal());
    for (Eigen::Index i = 0; i < d; ++i) {
        values(i) = std::pow(condition, -static_cast<double>(i) / static_cast<double>(d - 1));
        start(i) = static_cast<double>(random.normal());
    }
    const Eigen::MatrixXd basis = Eigen::HouseholderQR<Eigen::MatrixXd>(gauss).householderQ();
    quadratic out{"quadratic, condition " + plain(condition), basis * values.asDiagonal() * basis.transpose(), start};
    measure_spectrum(out);
    return out;
}

/// ||Xw - y||^2 / (2 n) from w = 0.
quadratic regression(const data::regression_set& set)
{
    using matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const Eigen::Map<const matrix> x(set.features.data(), static_cast<Eigen::Index>(set.rows), static_cast<Eigen::Index>(set.columns));
    const Eigen::Map<const Eigen::VectorXd> y(set.target.data(), static_cast<Eigen::Index>(set.rows));
    quadratic out{set.name, x.transpose() * x / static_cast<double>(set.rows), {}};
    out.start = -out.a.ldlt().solve(x.transpose() * y / static_cast<double>(set.rows));
    measure_spectrum(out);
    return out;
}

/// f(x_k) - f* for k = 0, 1, ..., `steps` of x - eta C(grad f(x)), added to `sum`.
template <class C> void descend(const quadratic& f, const C& compressor, double eta, std::size_t steps, std::uint64_t seed, std::vector<double>& sum)
{
    const auto d = static_cast<std::size_t>(f.start.size());
    gc::comm::in_process_group group(1);
    std::vector<double> x(f.start.data(), f.start.data() + d), before = x;
    gc::policy_stack stack{.compressor = compressor, .memory = gc::none_accepting_bias{}, .reducer = gc::all_gather{gc::comm::in_process(group, 0)}, .seed = seed};
    auto exchange = stack.attach(gc::tensor_list{{"x", {d}}}, x);
    const Eigen::Map<const Eigen::VectorXd> point(x.data(), f.start.size());
    Eigen::VectorXd gradient = f.a * point;
    sum.resize(steps + 1);
    for (std::size_t k = 0; k <= steps; ++k) {
        sum[k] += 0.5 * point.dot(gradient);
        exchange.step(std::span<const double>(gradient.data(), d), eta);
        if (k % 512 == 511) { // the moved columns' sum gathers rounding
            gradient.noalias() = f.a * point;
            before = x;
            continue;
        }
        for (std::size_t i = 0; i < d; ++i)
            if (x[i] != before[i]) {
                gradient += f.a.col(static_cast<Eigen::Index>(i)) * (x[i] - before[i]);
                before[i] = x[i];
            }
    }
}

/// How a method is judged: the bound's factor per step and the class that gives it.
struct method {
    std::string name, of_class;
    double eta, factor;
    std::size_t runs; ///< whose mean is compared
    theory::membership classes;
};

constexpr double epsilon = 1e-3; ///< of f - f* at the start, at which runs are compared

/// Steps to epsilon by every class that the operator is in, each at its own recommended learning rate.
void set_complexities(record& r, const theory::membership& m, const quadratic& f)
{
    const auto set = [&](const char* name, const auto& of_class) {
        if (of_class) r.set(name, theory::iterations_to(epsilon, *of_class, f.smoothness, f.strong_convexity));
    };
    set("steps_by_b1", m.b1);
    set("steps_by_b2", m.b2);
    set("steps_by_b3", m.b3);
    set("steps_by_u", m.u);
}

void keep(std::vector<record>& to, const quadratic& f, const method& m, const std::vector<double>& sum)
{
    const double start = sum.front();
    double above = 0, reached = -1;
    for (std::size_t k = 0; k < sum.size(); ++k) {
        const double value = sum[k] / start, line = std::pow(m.factor, static_cast<double>(k));
        if (line > 1e-14) above = larger(above, value / line); // below, rounding of f itself
        if (reached < 0 && value <= epsilon) reached = static_cast<double>(k);
    }
    const auto base = [&] {
        record r = start_record("reproduce");
        return r.set("figure", "descent").set("problem", f.name).set("method", m.name);
    };
    record run = base();
    set_complexities(run, m.classes, f);
    to.push_back(run.set("what", "run").set("class", m.of_class).set("smoothness", f.smoothness).set("strong_convexity", f.strong_convexity)
            .set("learning_rate", m.eta).set("factor", m.factor).set("seeds", static_cast<std::int64_t>(m.runs)).set("steps", static_cast<std::int64_t>(sum.size() - 1))
            .set("largest_over_theory", above).set("epsilon", epsilon).set("steps_to_epsilon", reached).set("theory_steps_to_epsilon", theory::iterations_to(epsilon, m.factor)));
    for (double at = 1; at < static_cast<double>(sum.size()); at = std::max(at + 1, at * 1.15)) {
        const auto k = static_cast<std::size_t>(at);
        if (!(sum[k] > 1e-14 * start)) break;
        to.push_back(base().set("what", "point").set("step", static_cast<std::int64_t>(k)).set("value", sum[k] / start).set("theory", std::pow(m.factor, static_cast<double>(k))));
    }
}

std::vector<record> measure(const quadratic& f, std::size_t most_steps, std::size_t runs, progress_bar& progress)
{
    std::vector<record> records;
    const auto d = static_cast<std::size_t>(f.start.size());
    const double l = f.smoothness, mu = f.strong_convexity;
    const auto steps_for = [&](double factor) { return static_cast<std::size_t>(std::min(static_cast<double>(most_steps), 1.2 * theory::iterations_to(epsilon, factor))); };
    const auto go = [&](const std::string& name, const std::string& of_class, const auto& compressor, double eta, double factor, std::size_t repeat) {
        const method m{name, of_class, eta, factor, repeat, theory::complete(compressor.classes(d))};
        std::vector<double> sum;
        for (std::size_t seed = 1; seed <= repeat; ++seed) descend(f, compressor, eta, steps_for(factor), seed, sum);
        keep(records, f, m, sum);
        progress.add(1, f.name + ", " + name);
    };
    const theory::class_b3 none = *theory::identity().b3, top = *theory::top_k(d, 5).b3;
    const theory::class_u random = *theory::rand_k_unbiased(d, 5).u;
    go("no compression", "B3(1)", gc::identity{}, theory::recommended_learning_rate(none, l), theory::contraction_factor(none, 1 / l, l, mu), 1);
    go("Top-5", "B3(d/5)", gc::top_k{.k = 5}, theory::recommended_learning_rate(top, l), theory::contraction_factor(top, 1 / l, l, mu), 1);
    const double eta = theory::recommended_learning_rate(random, l);
    go("Rand-5", "U(d/5)", gc::rand_k<>{.k = 5}, eta, theory::contraction_factor(random, eta, l, mu), runs);
    return records;
}

chart draw(const std::vector<record>& records, const std::string& problem)
{
    chart picture{.title = problem, .x_label = "step", .y_label = "f - f*, start = 1", .log_x = true, .log_y = true, .compact = true};
    for (const record& run : where(records, "what", "run")) {
        chart_series line{.name = run.text("method"), .marks = false}, bound{.name = "theory, " + run.text("method"), .marks = false, .dashed = true};
        for (const record& r : where(where(records, "what", "point"), "method", run.text("method"))) {
            line.x.push_back(r.number("step")), line.y.push_back(r.number("value"));
            bound.x.push_back(r.number("step")), bound.y.push_back(r.number("theory"));
        }
        picture.series.push_back(line);
        picture.series.push_back(bound);
    }
    return picture;
}

const std::vector<std::string> problems = {"quadratic, condition 100", "quadratic, condition 10000", "California housing", "diabetes"};

/// A method's run on a problem; null where there is none.
const record* run_of(const std::vector<record>& runs, const std::string& problem, const std::string& method)
{
    for (const record& r : runs)
        if (r.text("problem") == problem && r.text("method") == method) return &r;
    return nullptr;
}

void show_descent(const std::vector<record>& records, const std::vector<record>& runs, findings& found)
{
    if (runs.empty()) return;
    found.head("Figure 2: compressed gradient descent");
    found.say("d = 100 with eigenvalues from 1/condition to 1 in a random basis, and least squares on standardised columns. Top-5 steps with 1/L and is bounded by "
              "1 - mu/(delta L), Rand-5 with 5/(d L) and 1 - mu/(zeta L), delta = zeta = d/5; both are the same guarantee. Rand-5 is a mean over seeds.");
    std::vector<std::vector<std::string>> rows = {{"problem", "method", "L/mu", "steps to 1e-3", "learning rate of", "its theory", "by B1", "by B2", "by B3", "by U", "run over theory, at most"}};
    const auto steps_by = [](const record& r, const char* name) { return std::isnan(r.number(name)) ? std::string("-") : plain(r.number(name)); };
    for (const record& r : runs) {
        const double steps = r.number("steps_to_epsilon");
        rows.push_back({r.text("problem"), r.text("method"), plain(r.number("smoothness") / r.number("strong_convexity")), steps < 0 ? "not in " + plain(r.number("steps")) : plain(steps), r.text("class"),
            plain(r.number("theory_steps_to_epsilon")), steps_by(r, "steps_by_b1"), steps_by(r, "steps_by_b2"), steps_by(r, "steps_by_b3"), steps_by(r, "steps_by_u"), plain(r.number("largest_over_theory"))});
    }
    for (const std::string& problem : problems) found.draw(draw(where(records, "problem", problem), problem));
    found.table("Steps until f - f* is a thousandth of its start, beside each class's complexity (kappa log 1000 times beta^2/alpha, beta/gamma, delta, zeta; each class has its own "
                "learning rate, the run that of one):", rows);
}

} // namespace

void add_descent(experiment& to, const choices& chosen)
{
    const std::size_t runs = chosen.quick ? 4 : 16, most = chosen.quick ? 300000 : 3000000;
    const std::string settings = "steps " + std::to_string(most) + ", runs " + std::to_string(runs) + ", all classes";
    for (const double condition : {1e2, 1e4})
        to.parts.push_back({"descent-" + plain(condition), settings, 3, [=](progress_bar& p) { return measure(random_quadratic(condition, 1), most, runs, p); }});
    const std::string data = chosen.data;
    to.parts.push_back({"descent-california", settings, 3, [=](progress_bar& p) { return measure(regression(data::read_california(data::find_regression_folder(data))), most, runs, p); }});
    to.parts.push_back({"descent-diabetes", settings, 3, [=](progress_bar& p) { return measure(regression(data::read_diabetes(data::find_regression_folder(data))), most, runs, p); }});
}

void judge_descent(const std::vector<record>& all, const choices& chosen, findings& found)
{
    const std::vector<record> records = where(all, "figure", "descent"), runs = where(records, "what", "run");
    show_descent(records, runs, found);
    evidence on(chosen, "3000000 steps at most, 16 seeds of Rand-5");
    double above = 0;
    bool faster = true;
    std::string where_above, order;
    for (const record& r : runs) {
        if (!(r.number("largest_over_theory") <= above)) where_above = r.text("problem") + ", " + r.text("method");
        above = larger(above, r.number("largest_over_theory"));
    }
    for (const std::string& problem : problems) {
        for (const char* method : {"no compression", "Top-5", "Rand-5"}) on.need(problem + ", " + method, run_of(runs, problem, method) != nullptr, 1);
        const record *top = run_of(runs, problem, "Top-5"), *random = run_of(runs, problem, "Rand-5");
        if (top == nullptr || random == nullptr) continue;
        const double a = top->number("steps_to_epsilon"), b = random->number("steps_to_epsilon"); // -1: not in the steps that were taken
        faster = faster && a >= 0 && (b < 0 || a < b);
        order += (order.empty() ? "" : "; ") + problem + ": " + (a < 0 ? std::string("not reached") : plain(a)) + " against " + (b < 0 ? std::string("more than measured") : plain(b));
    }
    found.judge("theory line", "no run is ever above its theory's line", on, above <= 1 + 1e-9,
        "largest f_k over the bound: " + plain(above) + " (" + where_above + "), every step of " + std::to_string(runs.size()) + " runs");
    found.judge("top against rand", "Top-5 needs fewer steps than Rand-5 on every problem, though their guarantees are equal", on, faster, "steps to 1e-3, " + order);
}

} // namespace apps::reproduce
