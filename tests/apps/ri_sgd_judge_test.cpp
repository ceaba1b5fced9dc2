/// @file The judges of RI-SGD: at their thresholds, with seeds missing, with NaN, and in quick runs.
#include "judging.hpp"
#include "reproduce/ri_sgd.hpp"

using judging::no_number;
using judging::record;
using judging::records;
using judging::verdicts;

namespace {

const judging::judge local = apps::reproduce::judge_local_training, deaths = apps::reproduce::judge_deaths, residual = apps::reproduce::judge_residual, batches = apps::reproduce::judge_batches;

records good_local()
{
    records all;
    for (std::int64_t seed = 1; seed <= 3; ++seed)
        for (const std::int64_t tau : {1, 5, 10, 25, 50})
            for (const double mu : {0.0, 0.25, 0.5})
                for (const bool last : {false, true})
                    all.push_back(record().set("figure", "local").set("data", "Fashion-MNIST").set("method", "local_sgd").set("workers", std::int64_t{8}).set("steps", std::int64_t{2340}).set("seed", seed)
                            .set("tau", tau).set("mu", mu).set("drawn", std::int64_t{8}).set("last", last).set("accuracy_x", last ? 80 + mu + static_cast<double>(seed) : 10.0));
    return all;
}
auto end_of(double tau, double mu, double seed = 0)
{
    return [=](const record& r) { return r.number("tau") == tau && r.number("mu") == mu && r.number("last") == 1 && (seed == 0 || r.number("seed") == seed); };
}

records good_deaths()
{
    records all;
    for (std::int64_t seed = 1; seed <= 3; ++seed)
        for (const double mu : {0.0, 0.25})
            for (std::int64_t dead = 0; dead <= 3; ++dead)
                all.push_back(record().set("figure", "deaths").set("data", "Fashion-MNIST").set("seed", seed).set("mu", mu).set("dead", dead).set("last", true).set("lost_samples", 7500 * dead)
                        .set("accuracy_x", 80 + static_cast<double>(seed) - (mu == 0 ? 4.0 : 2.0) * static_cast<double>(dead)));
    return all;
}
auto death(double mu, double dead, double seed = 0)
{
    return [=](const record& r) { return r.number("mu") == mu && r.number("dead") == dead && (seed == 0 || r.number("seed") == seed); };
}

records good_residual()
{
    records all;
    for (const std::int64_t tau : {1, 5, 10, 25, 50})
        for (const double mu : {0.0, 0.25, 0.5})
            all.push_back(record().set("figure", "residual").set("tau", tau).set("mu", mu).set("steps", std::int64_t{5000}).set("last", true).set("residual", static_cast<double>(tau) * (1 - mu)));
    return all;
}

records good_batches()
{
    records all;
    for (const bool weighted : {true, false}) all.push_back(record().set("figure", "batches").set("weighted", weighted).set("bias_over_chance", weighted ? 1.0 : 50.0));
    return all;
}

} // namespace

TEST_CASE("RI-SGD: good records pass; a quick run judges the batches, which it measures in full")
{
    judging::check_common(local, good_local(), {});
    judging::check_common(deaths, good_deaths(), {});
    judging::check_common(residual, good_residual(), {});
    judging::check_common(batches, good_batches(), {"batches"});
    judging::check_names_apart({local, deaths, residual, batches});
    CHECK(verdicts(local, good_local()).numbers("redundancy") == "mu 0.25: 82.25 +- 1.00 percent, mu 0: 82.00 +- 1.00, difference seed by seed 0.25 +- 0.00");
    CHECK(verdicts(deaths, good_deaths()).numbers("faults") == "points lost, seed by seed: mu 0.25 4.00 +- 0.00, mu 0 8.00 +- 0.00");
}

TEST_CASE("RI-SGD: redundancy that is not above fails, also where a run ended in NaN; a missing seed leaves it open")
{
    CHECK(verdicts(local, judging::with(good_local(), end_of(50, 0.25), "accuracy_x", 82.01))["redundancy"] == "PASS");
    for (const double right : {82.0, no_number}) CHECK(verdicts(local, judging::with(good_local(), end_of(50, 0.25), "accuracy_x", right))["redundancy"] == "FAIL");
    CHECK(verdicts(local, judging::with(good_local(), end_of(50, 0, 3), "accuracy_x", no_number))["redundancy"] == "FAIL");
    for (const double mu : {0.0, 0.25}) CHECK(verdicts(local, judging::without(good_local(), end_of(50, mu, 2)))["redundancy"] == "NOT JUDGED");
    CHECK(verdicts(local, judging::without(good_local(), end_of(50, 0, 2))).numbers("redundancy").starts_with("missing: tau 50, mu 0, seeds (2 of 3)"));
    CHECK(verdicts(local, judging::without(good_local(), end_of(5, 0.5)))["redundancy"] == "PASS");
}

TEST_CASE("RI-SGD: two dead workers must hurt redundancy at least one point less, over all seeds")
{
    for (const auto& [lost, said] : {std::pair<double, const char*>{6.999, "PASS"}, {7.001, "FAIL"}, {no_number, "FAIL"}}) {
        records all = good_deaths();
        for (record& r : all)
            if (death(0.25, 2)(r)) r.set("accuracy_x", 80 + r.number("seed") - lost);
        CHECK(verdicts(deaths, all)["faults"] == said);
    }
    for (const double dead : {0.0, 2.0})
        for (const double mu : {0.0, 0.25}) CHECK(verdicts(deaths, judging::without(good_deaths(), death(mu, dead, 1)))["faults"] == "NOT JUDGED");
    CHECK(verdicts(deaths, judging::without(good_deaths(), death(0.25, 3)))["faults"] == "PASS"); // no claim is about three
}

TEST_CASE("RI-SGD: the residual must fall with redundancy at every tau above 1")
{
    CHECK(verdicts(residual, judging::with(good_residual(), end_of(1, 0.5), "residual", 9))["residual"] == "PASS");
    CHECK(verdicts(residual, judging::with(good_residual(), end_of(25, 0.25), "residual", 24.9))["residual"] == "PASS");
    for (const double left : {25.0, no_number}) CHECK(verdicts(residual, judging::with(good_residual(), end_of(25, 0.25), "residual", left))["residual"] == "FAIL");
    const verdicts missing(residual, judging::without(good_residual(), end_of(10, 0.5)));
    CHECK(missing["residual"] == "NOT JUDGED");
    CHECK(missing.numbers("residual").starts_with("missing: tau 10, mu 0.5 (0 of 1)"));
}

TEST_CASE("RI-SGD: weighted batches leave what chance leaves, equal ones more")
{
    const auto kind = [](double weighted) { return [=](const record& r) { return r.number("weighted") == weighted; }; };
    CHECK(verdicts(batches, judging::with(good_batches(), kind(1), "bias_over_chance", 2.99))["batches"] == "PASS");
    for (const double bias : {3.0, no_number}) CHECK(verdicts(batches, judging::with(good_batches(), kind(1), "bias_over_chance", bias))["batches"] == "FAIL");
    for (const double bias : {10.0, no_number}) CHECK(verdicts(batches, judging::with(good_batches(), kind(0), "bias_over_chance", bias))["batches"] == "FAIL");
    CHECK(verdicts(batches, judging::without(good_batches(), kind(0)))["batches"] == "NOT JUDGED");
}
