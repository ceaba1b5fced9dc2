/// @file Curves: what is kept along a training, and a training whose gradients leave the numbers.
#include "reproduce/curve.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cmath>

namespace gc = gradcomp;
using apps::record;
using namespace apps::reproduce;

namespace {

/// Two parameters and the gradient x * factor: with a factor below 0 x grows by 1 - rate * factor a step.
struct line_model {
    float factor = 1;
    struct workspace {
        workspace(const line_model&, std::size_t) {}
    };
    std::size_t size() const { return 2; }
    gc::tensor_list tensors() const { return {{"x", {2}}}; }
    void initialise(std::span<float> x, std::uint64_t) const { std::ranges::fill(x, 1.0f); }
    double gradient(std::span<const float> at, std::span<const float>, std::span<const std::uint8_t>, std::span<float> out, workspace&) const
    {
        for (std::size_t i = 0; i < at.size(); ++i) out[i] = at[i] * factor;
        return static_cast<double>(at[0]);
    }
    std::size_t correct(std::span<const float>, std::span<const float>, std::span<const std::uint8_t> labels, workspace&) const { return static_cast<std::size_t>(std::ranges::count(labels, 1)); }
};

/// 40 training and 10 test images of one pixel; every other label is 1.
apps::data::dataset small_set()
{
    apps::data::dataset set;
    set.offset = {0.0f};
    for (auto* of : {&set.train, &set.test}) {
        of->count = of == &set.train ? 40 : 10;
        of->pixels = 1;
        of->values.assign(of->count, 1);
        for (std::size_t i = 0; i < of->count; ++i) of->labels.push_back(i % 2 == 0);
    }
    return set;
}

std::vector<record> curve_of(const line_model& model, double rate)
{
    std::FILE* nowhere = std::tmpfile();
    apps::progress_bar progress("curve", 4, nowhere, false);
    const curve_settings settings{.workers = 2, .batch = 5, .epochs = 3, .learning_rate = rate, .seed = 7, .points = 4, .test_images = 6, .label = "line"};
    const apps::data::dataset set = small_set();
    auto records = train_curve(model, set, settings, record().set("figure", "line"), [](auto communicator) {
        return gc::policy_stack{.compressor = gc::identity{}, .reducer = gc::ring{communicator}, .warn = nullptr};
    }, progress, [](auto&, gc::comm::in_process, record& r) { r.set("looked", true); });
    progress.finish();
    std::fclose(nowhere);
    return records;
}

} // namespace

TEST_CASE("a curve has a record a point, and a training's fields in the last")
{
    const auto records = curve_of({}, 0.1);
    REQUIRE(records.size() == 4); // 3 epochs of 4 steps, one point every 3
    for (std::size_t i = 0; i < records.size(); ++i) {
        CHECK(records[i].number("step") == static_cast<double>(3 * (i + 1)));
        CHECK(records[i].number("last") == (i == 3));
        CHECK(records[i].number("looked") == 1);
        CHECK(records[i].number("seed") == 7);
        CHECK(records[i].number("accuracy_x") == 50);
        CHECK(records[i].number("bits_sent") == doctest::Approx(8 * 2 * records[3].number("wire_bytes") * records[i].number("step")));
    }
    CHECK(records[0].number("train_loss") == doctest::Approx((1 + 0.9 + 0.81) / 3));
    CHECK(records[3].number("diverged") == 0);
    CHECK(records[3].number("accuracy_evaluation") == 50);
    CHECK(std::isnan(records[0].number("diverged")));
}

TEST_CASE("a curve whose gradients become infinite ends there with a record that says so, on all ranks, and throws nothing")
{
    const auto records = curve_of({.factor = -1e9f}, 1); // x grows by 1e9 a step, beyond a float's range in the fifth
    REQUIRE(records.size() == 2);
    CHECK(records[0].number("step") == 3);
    CHECK(records[0].number("last") == 0);
    const record& last = records[1];
    CHECK(last.number("step") == 4); // that were taken
    CHECK(last.number("last") == 1);
    CHECK(last.number("diverged") == 1);
    CHECK(last.number("epoch") == 1);
    CHECK(last.number("accuracy_x") == 50);
    CHECK(last.number("total_bytes") == 2 * last.number("wire_bytes") * 4);
    CHECK(std::isnan(last.number("looked")));
}
