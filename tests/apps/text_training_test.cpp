/// @file Training on text: what is kept, the same numbers again, and trainings that diverge or cannot begin.
#include "reproduce/text_training.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdio>
#include <stdexcept>
#include <string>

using apps::record;
using namespace apps::reproduce;

namespace {

const apps::models::character_mlp small_model{.symbols = 5, .context = 3, .width = 4, .hidden = 12};

/// A text that repeats after seven characters, so that three of them say what comes next.
apps::data::character_text small_text()
{
    apps::data::character_text text{.name = "seven", .symbols = "abcde", .train = {}, .validation = {}};
    const std::uint8_t again[] = {0, 1, 0, 2, 3, 4, 4};
    for (std::size_t i = 0; i < 400; ++i) (i < 360 ? text.train : text.validation).push_back(again[i % 7]);
    return text;
}

text_settings settings_of(const std::string& method, double ratio, double rate = 0.1)
{
    return {.method = method, .ratio = ratio, .learning_rate = rate, .workers = 3, .batch = 6, .steps = 200, .points = 4, .thinning = 2, .seed = 7, .label = "text"};
}

std::vector<record> train(const text_settings& settings)
{
    std::FILE* nowhere = std::tmpfile();
    apps::progress_bar progress("text", settings.points, nowhere, false);
    auto records = train_on_text(small_model, small_text(), settings, record().set("figure", "text"), progress);
    progress.finish();
    std::fclose(nowhere);
    return records;
}

} // namespace

TEST_CASE("training on text: dense SGD, DEF and Top-k with error feedback learn; a record a point, all facts in each, a training's fields in the last")
{
    for (const auto& [method, ratio] : {std::pair{"sgd", 1.0}, {"def", 4.0}, {"top_k_ef", 10.0}}) {
        CAPTURE(method);
        const auto records = train(settings_of(method, ratio));
        REQUIRE(records.size() == 4); // after 64, 93, 136 and 200 steps
        double before = 0;
        for (const record& r : records) {
            CHECK(r.text("figure") == "text");
            CHECK(r.text("method") == method);
            CHECK(r.number("ratio") == ratio);
            CHECK(r.number("seed") == 7);
            CHECK(r.number("step") > before);
            before = r.number("step");
            CHECK(r.number("characters") == 18 * before);
            CHECK(r.number("bits_sent") == 8 * 3 * records.back().number("wire_bytes") * before);
            CHECK(r.number("last") == (&r == &records.back()));
        }
        const record& last = records.back();
        CHECK(last.number("step") == 200);
        CHECK(last.number("diverged") == 0);
        CHECK(last.number("total_bytes") == 3 * last.number("wire_bytes") * 200);
        CHECK(last.number("validation_loss") < 0.5); // guessing at random: 1.6
        CHECK(std::abs(last.number("validation_loss_x") - last.number("validation_loss")) < 0.5);
        CHECK((last.number("validation_loss_x") == last.number("validation_loss")) == (std::string(method) != "def"));
        CHECK(std::isnan(records.front().number("diverged")));
    }
}

TEST_CASE("training on text: the same settings give the same numbers, another seed others")
{
    text_settings settings = settings_of("def", 4);
    const auto one = train(settings), again = train(settings);
    settings.seed = 8;
    const auto other = train(settings);
    REQUIRE(one.size() == again.size());
    for (std::size_t i = 0; i < one.size(); ++i)
        for (const char* field : {"train_loss", "validation_loss"}) {
            CHECK(one[i].number(field) == again[i].number(field));
            CHECK(one[i].number(field) != other[i].number(field));
        }
}

TEST_CASE("training on text: a run whose gradients leave the numbers ends there with a record that says so")
{
    const auto records = train(settings_of("sgd", 1, 1e30));
    const record& last = records.back();
    CHECK(last.number("diverged") == 1);
    CHECK(last.number("step") < 64);
    CHECK(last.number("last") == 1);
    CHECK_FALSE(last.number("validation_loss") < 10);
}

TEST_CASE("training on text: an unknown method and a text that is no longer than the context are refused")
{
    CHECK_THROWS_WITH_AS(train(settings_of("ef", 4)), "method must be sgd, def or top_k_ef, not ef", std::invalid_argument);
    std::FILE* nowhere = std::tmpfile();
    apps::progress_bar progress("text", 4, nowhere, false);
    apps::data::character_text text = small_text();
    text.validation.resize(3);
    CHECK_THROWS_WITH_AS(train_on_text(small_model, text, settings_of("sgd", 1), {}, progress), doctest::Contains("the 3 characters of seven"), std::invalid_argument);
    std::fclose(nowhere);
}
