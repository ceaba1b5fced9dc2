/// @file The judges of detached error feedback: at their thresholds, with runs missing, diverged or NaN, and in quick runs.
#include "judging.hpp"
#include "reproduce/def.hpp"

#include <cmath>
#include <tuple>

using judging::no_number;
using judging::record;
using judging::records;
using judging::verdicts;

namespace {

const judging::judge table = apps::reproduce::judge_def_table, excess = apps::reproduce::judge_def_excess, logistic = apps::reproduce::judge_def_logistic;

/// Points lost to dense training that pass.
double lost(const std::string& method) { return method == "ef" ? 70 : method == "none" ? 3.5 : method == "saef" || method == "psync" ? 3 : method == "def" ? 0.9 : method == "def_a" ? 0.8 : 0; }

void add_runs(records& to, const std::string& figure, std::int64_t seeds, const std::vector<std::string>& methods, double ratio)
{
    for (std::int64_t seed = 1; seed <= seeds; ++seed)
        for (const std::string& method : methods)
            to.push_back(record().set("figure", figure).set("data", "Fashion-MNIST").set("method", method).set("ratio", method == "sgd" ? 1.0 : ratio).set("seed", seed).set("epochs", std::int64_t{12})
                    .set("accuracy_evaluation", 89 + 0.25 * static_cast<double>(seed) - lost(method)).set("total_bytes", 1e9 / ratio).set("diverged", method == "ef"));
}

records good_table()
{
    records all;
    add_runs(all, "table", 3, {"sgd"}, 1);
    for (const double ratio : {16, 64, 128, 256, 512, 1024}) add_runs(all, "table", 3, {"none", "ef", "saef", "psync", "def", "def_a", "ia", "ef_mean", "def_local"}, ratio);
    add_runs(all, "long", 3, {"sgd"}, 1);
    add_runs(all, "long", 3, {"none", "saef", "def"}, 64);
    add_runs(all, "cnn", 1, {"sgd"}, 1);
    for (const double ratio : {64, 1024}) add_runs(all, "cnn", 1, {"none", "ef", "saef", "psync", "def", "def_a"}, ratio);
    return all;
}

auto runs_of(const std::string& figure, const std::string& method, double ratio, double seed = 0)
{
    return [=](const record& r) { return r.text("figure") == figure && r.text("method") == method && r.number("ratio") == ratio && (seed == 0 || r.number("seed") == seed); };
}

/// The good table with a method's mean loss changed to `loss`, each seed by as much.
records losing(const std::string& figure, const std::string& method, double ratio, double loss)
{
    records all = good_table();
    for (record& r : all)
        if (runs_of(figure, method, ratio)(r)) r.set("accuracy_evaluation", r.number("accuracy_evaluation") + lost(method) - loss);
    return all;
}

using apps::reproduce::findings;
bool says(const findings& found, const std::string& part)
{
    for (const auto& piece : found.pieces) {
        if (piece.text.find(part) != std::string::npos) return true;
        for (const auto& row : piece.rows)
            for (const std::string& cell : row)
                if (cell.find(part) != std::string::npos) return true;
    }
    return false;
}

records good_excess()
{
    records all;
    for (std::int64_t seed = 1; seed <= 20; ++seed)
        for (const std::string method : {"sgd", "def", "def_a", "ia"})
            for (const double step : {10, 100, 1000, 10000, 100000})
                all.push_back(record().set("figure", "excess").set("method", method).set("seed", seed).set("step", step).set("smoothness", 4.0).set("c", 0.25)
                        .set("stability", (method == "sgd" ? 1.1 : 1.0) * (1 + 0.01 * static_cast<double>(seed)) * std::pow(step, 0.15)).set("suboptimality", std::pow(step, -0.25)));
    return all;
}

/// Stability that grows with this power of T, for one method.
records growing(const std::string& method, double power)
{
    records all = good_excess();
    for (record& r : all)
        if (r.text("method") == method) r.set("stability", r.number("stability") * std::pow(r.number("step"), power - 0.15));
    return all;
}

records good_logistic()
{
    records all;
    for (const std::string data : {"mushrooms", "a9a"})
        for (const std::string method : {"sgd", "ef21", "ef", "def"}) {
            const record base = record().set("figure", "logistic").set("data", data).set("method", method).set("learning_rate", 0.1).set("bits_sent", 1e6);
            all.push_back(record(base).set("step", std::int64_t{1}).set("gradient_norm", 0.3).set("last", false));
            all.push_back(record(base).set("step", std::int64_t{900}).set("gradient_norm", method == "sgd" || method == "ef21" ? 9e-7 : 1e-3).set("last", true));
        }
    return all;
}

} // namespace

TEST_CASE("table 2: good records pass, nothing is judged without records or in a quick run") { judging::check_common(table, good_table(), {}); }

TEST_CASE("table 2: each claim fails just beyond its threshold and passes just within it")
{
    struct edge {
        const char *claim, *figure, *method;
        double ratio, passes, fails;
    };
    for (const edge& at : {edge{"def-64", "table", "def", 64, 1.499, 1.501}, {"none-64", "table", "none", 64, 3.001, 2.999}, {"ef-64", "table", "ef", 64, 20.001, 19.999},
             {"saef-64", "table", "saef", 64, 2.901, 2.899}, {"def-256", "table", "def", 256, 1.999, 2.001}, {"def-a-1024", "table", "def_a", 1024, 0.899, 0.901},
             {"def-a-1024", "table", "saef", 1024, 0.801, 0.799}, {"long-above", "long", "none", 64, 1.901, 1.899}, {"long-above", "long", "saef", 64, 1.901, 1.899}, {"long-dense", "long", "def", 64, 0.999, 1.001}}) {
        CAPTURE(at.claim);
        CHECK(verdicts(table, losing(at.figure, at.method, at.ratio, at.passes))[at.claim] == "PASS");
        CHECK(verdicts(table, losing(at.figure, at.method, at.ratio, at.fails))[at.claim] == "FAIL");
    }
    records worse = good_table(); // DEF-A stays above the others, but loses 6 points
    for (record& r : worse)
        if (r.text("figure") == "table" && r.number("ratio") == 1024) r.set("accuracy_evaluation", r.number("accuracy_evaluation") - 5.25);
    CHECK(verdicts(table, worse)["def-a-1024"] == "FAIL");
}

TEST_CASE("table 2: without one of its seeds a claim is not judged and says what is missing; the others are")
{
    const verdicts no_def(table, judging::without(good_table(), runs_of("table", "def", 64, 2)));
    CHECK(no_def.all("NOT JUDGED") == std::set<std::string>{"def-64", "saef-64"});
    CHECK(no_def.numbers("def-64").find("def at ratio 64, seeds (2 of 3)") != std::string::npos);
    const verdicts no_dense(table, judging::without(good_table(), runs_of("table", "sgd", 1, 3)));
    CHECK(no_dense.all("PASS") == std::set<std::string>{"saef-64", "long-above", "long-dense"});
    const verdicts no_long_saef(table, judging::without(good_table(), runs_of("long", "saef", 64, 1)));
    CHECK(no_long_saef.all("NOT JUDGED") == std::set<std::string>{"long-above"});
}

TEST_CASE("table 2: long runs and the convolutional network are shown and judged without the table")
{
    records some = good_table();
    std::erase_if(some, [](const record& r) { return r.text("figure") == "table"; });
    const verdicts only(table, some);
    CHECK(only.all("PASS") == std::set<std::string>{"long-above", "long-dense"});
    CHECK(only["def-64"] == "NOT JUDGED");
    findings found;
    table(some, {}, found);
    CHECK(says(found, "convolutional network"));
    CHECK(says(found, "(76.16)"));                                 // the paper's DEF at 64, beside the network's
    CHECK(says(found, "def_a > def > psync > saef > ef"));         // the paper's order at 64
    CHECK(says(found, "After 40 epochs"));
}

TEST_CASE("table 2: a model that is no number gets nothing right, and dense training that is none proves nothing")
{
    const verdicts broken(table, judging::with(good_table(), runs_of("table", "def", 64), "accuracy_evaluation", no_number));
    CHECK(broken["def-64"] == "FAIL");
    CHECK(broken["saef-64"] == "FAIL");
    const verdicts lost_all(table, judging::with(good_table(), runs_of("table", "ef", 64), "accuracy_evaluation", no_number));
    CHECK(lost_all["ef-64"] == "PASS");
    CHECK(lost_all.numbers("ef-64").find("EF diverged with 3 of 3 seeds") != std::string::npos);
    for (const char* field : {"accuracy_evaluation", "diverged"}) {
        const records all = judging::with(good_table(), runs_of("table", "sgd", 1), field, field[0] == 'd' ? 1 : no_number);
        CHECK(verdicts(table, all).all("FAIL") == std::set<std::string>{"def-64", "none-64", "ef-64", "def-256", "def-a-1024"});
    }
}

TEST_CASE("table 2: numbers have their deviation over seeds, and generated images leave every claim open")
{
    CHECK(verdicts(table, good_table()).numbers("long-dense").find("dense 89.50 +- 0.25") != std::string::npos);
    records all = good_table();
    for (record& r : all) r.set("data", "synthetic");
    const verdicts stand_in(table, all);
    CHECK(stand_in.all("NOT JUDGED") == stand_in.names());
}

TEST_CASE("table 2: pairs of methods that no scatter can turn are counted apart")
{
    const auto order_at = [](const records& all, const std::string& ratio) {
        findings found;
        table(all, {}, found);
        for (const auto& piece : found.pieces)
            for (const auto& row : piece.rows)
                if (row.size() == 6 && row[0] == ratio) return row;
        return std::vector<std::string>(6);
    };
    CHECK(order_at(good_table(), "64")[4] == "10 of 10");
    CHECK(order_at(good_table(), "64")[5] == "9 of 9"); // SAEF and PSync are equal, whatever the paper says
    records noisy = good_table();
    for (record& r : noisy)
        if (r.text("method") == "def") r.set("accuracy_evaluation", r.number("accuracy_evaluation") + (r.number("seed") == 2 ? 0.5 : -0.2)); // DEF-A no longer clearly above
    CHECK(order_at(noisy, "64")[5] == "8 of 8");
    CHECK(order_at(losing("table", "psync", 64, 0.5), "64")[5] == "8 of 10"); // PSync above DEF and DEF-A, SAEF below PSync as in the paper
    records some = good_table();
    std::erase_if(some, [](const record& r) { return r.text("figure") != "cnn"; });
    CHECK(order_at(some, "64")[5] == "4 of 4"); // one seed: only that EF diverged is clear
}

TEST_CASE("table 2: the order of methods is not compared where one is missing")
{
    findings found;
    table(judging::without(good_table(), [](const record& r) { return r.text("method") == "psync"; }), {}, found);
    CHECK(says(found, "methods are missing"));
}

TEST_CASE("Theorem 4.6: good records pass, quick runs judge nothing")
{
    judging::check_common(excess, good_excess(), {});
}

TEST_CASE("Theorem 4.6: a power of T beyond the bound fails")
{
    const double bound = 0.98 * 0.25 / (0.98 * 0.25 + 1), of_sgd = 0.98 / 1.98; // eqs. 24 and 22 with K/N = 8/400, L c = 1, delta = 1/16
    CHECK(verdicts(excess, growing("def_a", bound - 1e-6))["excess-exponents"] == "PASS");
    CHECK(verdicts(excess, growing("def_a", bound + 1e-6))["excess-exponents"] == "FAIL");
    CHECK(verdicts(excess, growing("def", of_sgd - 1e-6))["excess-exponents"] == "PASS");
    CHECK(verdicts(excess, growing("def", of_sgd + 1e-6))["excess-exponents"] == "FAIL");
    const auto flat = [](const record& r) { return r.text("method") == "sgd"; };
    CHECK(verdicts(excess, judging::with(good_excess(), flat, "suboptimality", 1.0))["excess-exponents"] == "FAIL");
    CHECK(verdicts(excess, judging::with(good_excess(), flat, "stability", no_number)).all("FAIL") == std::set<std::string>{"excess-exponents", "excess-averaging"});
    CHECK(verdicts(excess, judging::with(good_excess(), flat, "stability", 0.0))["excess-exponents"] == "FAIL"); // no power of T fits
}

TEST_CASE("Theorem 4.6: averaging must be better by more than the scatter over seeds")
{
    records noisy = good_excess();
    for (record& r : noisy) // better in the mean, by a fifth of a standard error
        if (r.text("method") == "ia" && r.number("step") == 100000) r.set("stability", r.number("stability") * (r.number("seed") < 10.5 ? 0.5 : 1.6));
    const verdicts judged(excess, noisy);
    CHECK(judged["excess-averaging"] == "FAIL");
    CHECK(judged.numbers("excess-averaging").find("standard error") != std::string::npos);
    CHECK(verdicts(excess, judging::without(good_excess(), [](const record& r) { return r.text("method") == "ia" && r.number("seed") == 7 && r.number("step") == 100000; })).all("NOT JUDGED").size() == 2);
}

TEST_CASE("logistic regression: good records pass, quick runs judge nothing")
{
    judging::check_common(logistic, good_logistic(), {});
    judging::check_names_apart({table, excess, logistic});
}

TEST_CASE("logistic regression: a norm of 1e-6 itself has not arrived and has stopped above")
{
    const auto end_of = [](const std::string& data, const std::string& method) {
        return [=](const record& r) { return r.text("data") == data && r.text("method") == method && r.number("last") == 1; };
    };
    for (const double norm : {1e-6, no_number}) CHECK(verdicts(logistic, judging::with(good_logistic(), end_of("a9a", "ef21"), "gradient_norm", norm)).all("FAIL") == std::set<std::string>{"arrive-a9a"});
    CHECK(verdicts(logistic, judging::with(good_logistic(), end_of("mushrooms", "def"), "gradient_norm", 1e-6))["floor-mushrooms"] == "PASS");
    for (const double norm : {0.99e-6, no_number}) CHECK(verdicts(logistic, judging::with(good_logistic(), end_of("mushrooms", "def"), "gradient_norm", norm)).all("FAIL") == std::set<std::string>{"floor-mushrooms"});
    CHECK(verdicts(logistic, judging::without(good_logistic(), end_of("a9a", "sgd"))).all("NOT JUDGED") == std::set<std::string>{"arrive-a9a"});
}

TEST_CASE("curves and lambdas: what they are of is said, a diverged run is named, and each lambda has its deviation")
{
    records all;
    for (const char* method : {"sgd", "none", "saef", "def"})
        all.push_back(record().set("figure", "curve").set("method", method).set("epoch", 2.5).set("train_accuracy", 90.0).set("accuracy_x", 88.0).set("lambda_best", 0.25).set("diverged", method[1] == 'a'));
    for (std::int64_t seed = 1; seed <= 3; ++seed)
        for (const char* method : {"def", "def_a"}) all.push_back(record().set("figure", "lambda").set("method", method).set("lambda", 0.3).set("seed", seed).set("accuracy_evaluation", 80.0 + static_cast<double>(seed)));
    findings found;
    apps::reproduce::judge_def_curves(all, {}, found);
    CHECK(says(found, "One seed. The gap is taken at x"));
    CHECK(says(found, "2000 images"));
    CHECK(says(found, "The run of saef diverged in epoch 2.5"));
    CHECK(says(found, "82.00 +- 1.00"));
    const auto& bars = found.pieces.at(found.pieces.size() - 2).picture.series.at(0).spread;
    CHECK(bars == std::vector<double>{1.0});
}
