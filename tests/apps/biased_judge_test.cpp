/// @file The judges of biased compression: at their thresholds, with parts missing, with NaN, and in quick runs.
#include "judging.hpp"
#include "reproduce/biased.hpp"

#include <algorithm>

using judging::no_number;
using judging::record;
using judging::records;
using judging::verdicts;

namespace {

const judging::judge divergence = apps::reproduce::judge_divergence, variance = apps::reproduce::judge_variance, descent = apps::reproduce::judge_descent,
                     operators = apps::reproduce::judge_operators, training = apps::reproduce::judge_training;

records good_divergence()
{
    records all;
    const auto add = [&](const char* what, int runs) {
        for (int i = 0; i < runs; ++i) all.push_back(record().set("figure", "divergence").set("what", what).set("learning_rate", 0.1).set("off", 1e-15).set("norm", 1e-20));
    };
    add("growth", 5), add("feedback", 4), add("poster", 3), add("no memory", 2);
    return all;
}

records good_variance()
{
    records all;
    for (const char* model : {"MLP 784-256-10", "CNN"})
        for (std::int64_t step = 0; step < 3; ++step) {
            const record base = record().set("figure", "variance").set("data", "Fashion-MNIST").set("model", model).set("step", step).set("learning_rate", 0.02).set("half_width", 0.001);
            const auto add = [&](const char* name, double value) { all.push_back(record(base).set("operator", name).set("variance", value)); };
            add("nearest power of two", 0.04), add("natural", 0.08), add("natural, drawn", 0.0812), add("nearest power of two, sent", 0.04);
            add("top_k", 0.1), add("rand_k unscaled", 0.79), add("rand_k unbiased", 4.0);
        }
    return all;
}

records good_descent()
{
    records all;
    for (const char* problem : {"quadratic, condition 100", "quadratic, condition 10000", "California housing", "diabetes"})
        for (const std::string method : {"no compression", "Top-5", "Rand-5"})
            all.push_back(record().set("figure", "descent").set("what", "run").set("problem", problem).set("method", method).set("class", "B3").set("smoothness", 1.0).set("strong_convexity", 0.1)
                    .set("largest_over_theory", 1.0).set("steps_to_epsilon", method == "Rand-5" ? 200.0 : 100.0));
    return all;
}

records good_operators()
{
    records all;
    for (int i = 0; i < 32; ++i)
        all.push_back(record().set("figure", "operators").set("operator", "operator " + std::to_string(i)).set("tight", i % 2 == 0).set("compatible", true).set("least_reach", i % 2 == 0 ? 0.96 : 0.2)
                .set("bits_paper", 4.0).set("bits_claimed", 4.0).set("bits_counted", 4.0));
    return all;
}

/// A message that is this many bytes longer than claimed, for 100000 floats.
records longer(double bytes)
{
    return judging::with(good_operators(), [](const record& r) { return r.text("operator") == "operator 3"; }, "bits_counted", 4 + bytes * 8 / 100000);
}

records good_training()
{
    records all;
    for (const std::string name : {"no compression", "Top-k, k = d/5", "natural dithering, 7 levels", "Top-k, then natural dithering"})
        for (std::int64_t seed = 1; seed <= 2; ++seed) {
            const bool dense = name == "no compression";
            all.push_back(record().set("figure", "training").set("data", "Fashion-MNIST").set("name", name).set("seed", seed).set("last", false).set("accuracy_x", 10.0).set("bits_sent", 1.0));
            all.push_back(record(all.back()).set("last", true).set("accuracy_x", (dense ? 89 : 88.5) + 0.25 * static_cast<double>(seed)).set("train_loss", 0.3).set("bits_sent", dense ? 1e9 : 3e8));
        }
    return all;
}

auto is(const std::string& field, const std::string& value)
{
    return [=](const record& r) { return r.text(field) == value; };
}

} // namespace

TEST_CASE("biased: good records pass; in a quick run only what it measures in full is judged")
{
    judging::check_common(divergence, good_divergence(), {"divergence", "feedback", "poster"});
    judging::check_common(variance, good_variance(), {});
    judging::check_common(descent, good_descent(), {});
    judging::check_common(operators, good_operators(), {"message lengths"});
    judging::check_common(training, good_training(), {"bits"});
    judging::check_names_apart({divergence, variance, descent, operators, training});
}

TEST_CASE("divergence: a run beyond its threshold or NaN fails its own claim, a missing run leaves it open")
{
    struct edge {
        const char *claim, *what, *field;
        double limit;
    };
    for (const edge& at : {edge{"divergence", "growth", "off", 1e-12}, {"feedback", "feedback", "norm", 1e-9}, {"poster", "poster", "off", 1e-9}}) {
        const auto last = [&, seen = 0, runs = at.what[0] == 'g' ? 5 : at.what[0] == 'f' ? 4 : 3](const record& r) mutable { return r.text("what") == at.what && ++seen == runs; };
        const auto first = [&, seen = 0](const record& r) mutable { return r.text("what") == at.what && ++seen == 1; };
        const auto change = [&](auto match, double value) {
            records all = good_divergence();
            for (record& r : all)
                if (match(r)) r.set(at.field, value);
            return verdicts(divergence, all);
        };
        CHECK(change(last, 0.99 * at.limit).all("FAIL").empty());
        CHECK(change(last, at.limit).all("FAIL") == std::set<std::string>{at.claim});
        CHECK(change(first, no_number).all("FAIL") == std::set<std::string>{at.claim});
        CHECK(change(last, no_number).all("FAIL") == std::set<std::string>{at.claim});
        records some = good_divergence();
        some.erase(std::ranges::find_if(some, is("what", at.what)));
        CHECK(verdicts(divergence, some).all("NOT JUDGED") == std::set<std::string>{at.claim});
    }
    CHECK(verdicts(divergence, judging::with(good_divergence(), is("what", "poster"), "norm", no_number)).all("FAIL") == std::set<std::string>{"poster"}); // it ended in NaN before anything was compared
}

TEST_CASE("variance: one gradient on which a claim does not hold, or NaN, fails it")
{
    struct edge {
        const char *claim, *name;
        double passes, fails;
    };
    for (const edge& at : {edge{"rounding, measured", "natural, drawn", 0.0814, 0.0816}, {"sparsifying", "top_k", 0.789, 0.791}, {"sparsifying", "top_k", 0.1, no_number},
             {"rounding, measured", "nearest power of two, sent", 0.04, 0.0401}}) {
        const auto one = [&](const record& r) { return r.text("operator") == at.name && r.text("model") == "CNN" && r.number("step") == 1; };
        CHECK(verdicts(variance, judging::with(good_variance(), one, "variance", at.passes)).all("FAIL").empty());
        CHECK(verdicts(variance, judging::with(good_variance(), one, "variance", at.fails)).all("FAIL") == std::set<std::string>{at.claim});
    }
    const auto natural = [](const record& r) { return r.text("operator").starts_with("natural") && r.number("step") == 2; };
    CHECK(verdicts(variance, judging::with(good_variance(), natural, "variance", 0.1251)).all("FAIL") == std::set<std::string>{"rounding bounds"});
    CHECK(verdicts(variance, judging::with(good_variance(), natural, "variance", 0.0399)).all("FAIL") == std::set<std::string>{"rounding"});
    CHECK(verdicts(variance, judging::with(good_variance(), natural, "variance", no_number)).all("FAIL") == std::set<std::string>{"rounding", "rounding, measured", "rounding bounds"});
    for (const char* model : {"MLP 784-256-10", "CNN"}) CHECK(verdicts(variance, judging::without(good_variance(), is("model", model))).all("NOT JUDGED").size() == 4);
    CHECK(verdicts(variance, judging::without(good_variance(), is("operator", "natural, drawn"))).all("NOT JUDGED").size() == 4);
}

TEST_CASE("descent: a run above its line, or one that Top-5 loses, fails; a missing problem leaves both open")
{
    const auto top = [](const record& r) { return r.text("problem") == "diabetes" && r.text("method") == "Top-5"; };
    const auto random = [](const record& r) { return r.text("problem") == "diabetes" && r.text("method") == "Rand-5"; };
    for (const double above : {1 + 1e-8, no_number}) CHECK(verdicts(descent, judging::with(good_descent(), top, "largest_over_theory", above)).all("FAIL") == std::set<std::string>{"theory line"});
    CHECK(verdicts(descent, judging::with(good_descent(), top, "largest_over_theory", 1 + 1e-10)).all("FAIL").empty());
    CHECK(verdicts(descent, judging::with(good_descent(), top, "steps_to_epsilon", 199)).all("FAIL").empty());
    for (const double steps : {200.0, -1.0, no_number}) CHECK(verdicts(descent, judging::with(good_descent(), top, "steps_to_epsilon", steps)).all("FAIL") == std::set<std::string>{"top against rand"});
    CHECK(verdicts(descent, judging::with(good_descent(), random, "steps_to_epsilon", -1)).all("FAIL").empty()); // Rand-5 not in the steps taken, Top-5 in 100
    CHECK(verdicts(descent, judging::without(good_descent(), random)).all("NOT JUDGED").size() == 2);
}

TEST_CASE("operators: a broken class, a slack bound, a long message")
{
    const auto tight = is("operator", "operator 2"), loose = is("operator", "operator 3");
    for (const double held : {0.0, no_number}) CHECK(verdicts(operators, judging::with(good_operators(), loose, "compatible", held)).all("FAIL") == std::set<std::string>{"bounds hold"});
    CHECK(verdicts(operators, judging::with(good_operators(), tight, "least_reach", 0.9501)).all("FAIL").empty());
    for (const double reach : {0.9499, no_number}) CHECK(verdicts(operators, judging::with(good_operators(), tight, "least_reach", reach)).all("FAIL") == std::set<std::string>{"bounds are tight"});
    CHECK(verdicts(operators, judging::with(good_operators(), loose, "least_reach", no_number)).all("FAIL").empty()); // not called tight
    CHECK(verdicts(operators, longer(31.9)).all("FAIL").empty());
    for (const double bytes : {32.1, -1.1, no_number}) CHECK(verdicts(operators, longer(bytes)).all("FAIL") == std::set<std::string>{"message lengths"});
    CHECK(verdicts(operators, judging::without(good_operators(), tight)).all("NOT JUDGED").size() == 3);
}

TEST_CASE("training: a point lost or a bit too many fails, and so does a run that ended in NaN; one seed is not enough")
{
    const auto end_of = [](const std::string& name) { return [=](const record& r) { return r.text("name") == name && r.number("last") == 1; }; };
    const auto both = end_of("natural dithering, 7 levels");
    CHECK(verdicts(training, judging::with(good_training(), both, "accuracy_x", 88.38)).all("FAIL").empty()); // dense: 89.375
    for (const double right : {88.37, no_number}) CHECK(verdicts(training, judging::with(good_training(), both, "accuracy_x", right)).all("FAIL") == std::set<std::string>{"accuracy"});
    CHECK(verdicts(training, judging::with(good_training(), end_of("no compression"), "accuracy_x", no_number))["accuracy"] == "FAIL");
    for (const double bits : {1e9, no_number}) CHECK(verdicts(training, judging::with(good_training(), both, "bits_sent", bits)).all("FAIL") == std::set<std::string>{"bits"});
    const verdicts one(training, judging::without(good_training(), [&](const record& r) { return both(r) && r.number("seed") == 2; }));
    CHECK(one.all("NOT JUDGED").size() == 2);
    CHECK(one.numbers("accuracy").find("natural dithering, 7 levels, seeds (1 of 2)") != std::string::npos);
}
