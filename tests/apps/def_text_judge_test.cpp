/// @file The judge of the character model: at its thresholds, with runs missing, diverged or NaN, and in quick runs.
#include "judging.hpp"
#include "reproduce/def_text.hpp"

using judging::no_number;
using judging::record;
using judging::records;
using judging::verdicts;

namespace {

const judging::judge text = apps::reproduce::judge_def_text;

/// Nats above dense training that pass.
double above(const std::string& name)
{
    return name == "dense SGD" ? 0 : name == "Top-k 1 percent, EF" ? 0.02 : name == "Top-k 0.1 percent, EF" ? 0.05 : name == "DEF, ratio 256" ? 0.2 : 0.1;
}

/// Two points a run; the losses scatter over the seeds alike.
records good()
{
    records all;
    for (std::int64_t seed = 1; seed <= 3; ++seed)
        for (const auto& row : apps::reproduce::text_rows)
            for (const bool last : {false, true}) {
                const double loss = 1.8 + 0.01 * static_cast<double>(seed) + above(row.name), bytes = 2.56e9 / row.ratio;
                record r = record().set("figure", "text").set("data", "tiny-shakespeare").set("name", row.name).set("method", row.method).set("ratio", row.ratio).set("seed", seed);
                r.set("batch", std::int64_t{32}).set("steps", std::int64_t{8000}).set("pair_loss", 2.482).set("bits_sent", 8 * bytes * (last ? 1 : 0.5)).set("last", last);
                r.set("validation_loss", last ? loss : 3.0).set("train_loss", loss - 0.1);
                if (last) r.set("validation_loss_x", loss + 0.001).set("total_bytes", bytes).set("diverged", false);
                all.push_back(r);
            }
    return all;
}

auto end_of(const std::string& name, double seed = 0)
{
    return [=](const record& r) { return r.text("name") == name && r.number("last") == 1 && (seed == 0 || r.number("seed") == seed); };
}

/// The good records with a row's mean distance to dense training changed to `nats`.
records ending(const std::string& name, double nats)
{
    records all = good();
    for (record& r : all)
        if (end_of(name)(r)) r.set("validation_loss", r.number("validation_loss") - above(name) + nats);
    return all;
}

} // namespace

TEST_CASE("character model: good records pass, nothing is judged without records or in a quick run") { judging::check_common(text, good(), {}); }

TEST_CASE("character model: each claim fails just beyond its threshold and passes just within it")
{
    struct edge {
        const char *claim, *name;
        double passes, fails;
    };
    for (const edge& at : {edge{"text-near", "DEF, ratio 64", 0.149, 0.151}, {"text-near", "Top-k 1 percent, EF", 0.049, 0.051}, {"text-far", "DEF, ratio 256", 0.249, 0.251},
             {"text-far", "Top-k 0.1 percent, EF", 0.099, 0.101}, {"text-learned", "DEF, ratio 16", 0.361, 0.363}, {"text-learned", "dense SGD", 0.361, 0.363}}) {
        CAPTURE(at.claim);
        CAPTURE(at.name);
        CHECK(verdicts(text, ending(at.name, at.passes))[at.claim] == "PASS");
        CHECK(verdicts(text, ending(at.name, at.fails))[at.claim] == "FAIL");
    }
    const double dense = 2.56e9;
    CHECK(verdicts(text, judging::with(good(), end_of("DEF, ratio 64"), "total_bytes", dense / 49.9)).all("FAIL") == std::set<std::string>{"text-near"});
    CHECK(verdicts(text, judging::with(good(), end_of("Top-k 1 percent, EF"), "total_bytes", dense / 50.1)).all("FAIL").empty());
    CHECK(verdicts(text, judging::with(good(), end_of("Top-k 0.1 percent, EF"), "total_bytes", dense / 199)).all("FAIL") == std::set<std::string>{"text-far"});
}

TEST_CASE("character model: a run that diverged or ended in no number fails what it is about, whatever its loss")
{
    for (const char* field : {"validation_loss", "diverged"}) {
        const double value = field[0] == 'd' ? 1 : no_number;
        CHECK(verdicts(text, judging::with(good(), end_of("DEF, ratio 256", 2), field, value)).all("FAIL") == std::set<std::string>{"text-far", "text-learned"});
        CHECK(verdicts(text, judging::with(good(), end_of("dense SGD", 1), field, value)).all("FAIL") == verdicts(text, good()).names());
    }
    CHECK(verdicts(text, judging::with(good(), end_of("DEF, ratio 64"), "total_bytes", no_number))["text-near"] == "FAIL");
}

TEST_CASE("character model: without one of its seeds a claim is not judged and says what is missing")
{
    const verdicts some(text, judging::without(good(), end_of("Top-k 1 percent, EF", 3)));
    CHECK(some.all("PASS") == std::set<std::string>{"text-far"});
    CHECK(some.numbers("text-near").find("Top-k 1 percent, EF, seeds (2 of 3)") != std::string::npos);
}

TEST_CASE("character model: table and chart have mean and deviation over seeds, distances to dense training seed by seed")
{
    apps::reproduce::findings found;
    text(good(), {}, found);
    REQUIRE(found.pieces.size() == 4);
    const auto& chart = found.pieces[2].picture;
    REQUIRE(chart.series.size() == 6);
    CHECK(chart.series[2].name == "DEF, ratio 64");
    CHECK(chart.series[2].x == std::vector<double>{2e7, 4e7});
    CHECK(chart.series[2].y[1] == doctest::Approx(1.92));
    CHECK(chart.series[2].spread[1] == doctest::Approx(0.01));
    const auto& rows = found.pieces[3].rows;
    REQUIRE(rows.size() == 7);
    CHECK(rows[3][3] == "1.920 +- 0.010");
    CHECK(rows[3][4] == "0.100 +- 0.000");
    CHECK(rows[3][5] == "1.921 +- 0.010");
    CHECK(rows[3].back() == "64.0");
    judging::check_names_apart({text, apps::reproduce::judge_def_table, apps::reproduce::judge_def_excess, apps::reproduce::judge_def_logistic});
}
