/// @file random_block: what it sends, where a block may lie, how likely each element is, and its options.
#include "complaint.hpp"
#include "conformance/coding.hpp"
#include "conformance/inputs.hpp"

#include <doctest/doctest.h>

#include <limits>

using namespace conformance;
using block_run = coding<float, gc::random_block>;

namespace {

/// p = 1 everywhere, so that the message shows which places were filled.
decoded<float> choice_at(block_run& run, std::size_t n, std::uint32_t step)
{
    const std::vector<float> gradient(n, 2.0f), owed(n);
    return run.decode(run.encode(gradient, owed, step).message);
}

} // namespace

TEST_CASE("the message holds k elements, or whole blocks, and nothing else")
{
    const auto bytes = [](gc::random_block options, std::size_t n) { return block_run(options, one_tensor(n)).bytes(); };
    CHECK(bytes({.ratio = 64}, 200704) == 3136 * 4);
    CHECK(bytes({.ratio = 10, .block = 16}, 1000) == 96 * 4);
    CHECK(bytes({.ratio = 100, .block = 16}, 1000) == 10 * 4); // less than a block: one run of k
    CHECK(bytes({.k = 16, .block = 16}, 1000) == 64);
    CHECK(bytes({.k = 31, .block = 16}, 1000) == 64);
    CHECK(bytes({.ratio = 64, .block = 16}, 3) == 4);
    CHECK(bytes({.ratio = 2, .block = 16}, 0) == 0);
}

TEST_CASE("one run is contiguous modulo the size, and wraps")
{
    block_run run({.ratio = 4}, one_tensor(50));
    std::size_t wrapped = 0;
    for (std::uint32_t step = 0; step < 300; ++step) {
        const auto c = choice_at(run, 50, step);
        std::size_t starts = 0, inside = 0;
        for (std::size_t i = 0; i < 50; ++i) {
            inside += c.touched[i];
            starts += c.touched[i] && !c.touched[(i + 49) % 50];
        }
        REQUIRE(inside == 12);
        REQUIRE(starts == 1);
        wrapped += c.touched[0] && c.touched[49];
    }
    CHECK(wrapped > 30); // 11 of 50 starts wrap
    CHECK(wrapped < 110);
}

TEST_CASE("a block longer than k falls back to one run of k")
{
    block_run blocks({.ratio = 10, .block = 64}, one_tensor(200)), run({.ratio = 10}, one_tensor(200));
    for (std::uint32_t step = 0; step < 20; ++step) CHECK(choice_at(blocks, 200, step).touched == choice_at(run, 200, step).touched);
}

TEST_CASE("blocks are whole, aligned, and as many as stated")
{
    block_run run({.ratio = 4, .block = 16}, one_tensor(250)); // 16 blocks, the last of 10 elements; 3 are sent
    for (std::uint32_t step = 0; step < 200; ++step) {
        const auto c = choice_at(run, 250, step);
        std::size_t chosen = 0;
        for (std::size_t b = 0; b < 16; ++b) {
            const std::size_t end = std::min<std::size_t>(250, 16 * b + 16);
            const auto inside = static_cast<std::size_t>(std::count(c.touched.begin() + static_cast<std::ptrdiff_t>(16 * b), c.touched.begin() + static_cast<std::ptrdiff_t>(end), 1));
            REQUIRE((inside == 0 || inside == end - 16 * b));
            chosen += inside > 0;
        }
        REQUIRE(chosen == 3);
    }
}

TEST_CASE("a partial last block ends in zeros")
{
    block_run run({.ratio = 4, .block = 16}, one_tensor(250));
    const std::vector<float> gradient(250, 2.0f), owed(250);
    bool met = false;
    for (std::uint32_t step = 0; step < 60; ++step) {
        const auto out = run.encode(gradient, owed, step, 0xff);
        std::vector<float> value(out.message.size() / 4);
        std::memcpy(value.data(), out.message.data(), out.message.size());
        const auto ones = std::count(value.begin(), value.end(), 1.0f), zeros = std::count(value.begin(), value.end(), 0.0f);
        const bool last = run.decode(out.message).touched[249] != 0;
        met |= last;
        REQUIRE(ones == (last ? 42 : 48));
        REQUIRE(zeros == (last ? 6 : 0));
    }
    CHECK(met);
}

TEST_CASE("each element is sent with the probability that the stated class uses")
{
    struct one {
        std::size_t n;
        gc::random_block options;
    };
    std::vector<one> all{{40, {.ratio = 8}}, {7, {.k = 6}}, {100, {.ratio = 3, .block = 16}}, {48, {.ratio = 4, .block = 4}}};
    for (std::size_t blocks = 2; blocks <= 9; ++blocks) all.push_back({8 * blocks - 3, {.k = 8, .block = 8}});
    for (const one& of : all) {
        constexpr std::uint32_t draws = 12000;
        const double q = 1 / of.options.classes(of.n).b3->delta;
        block_run run(of.options, one_tensor(of.n));
        std::vector<double> count(of.n);
        for (std::uint32_t step = 0; step < draws; ++step) {
            const auto c = choice_at(run, of.n, step);
            for (std::size_t i = 0; i < of.n; ++i) count[i] += c.touched[i];
        }
        CAPTURE(of.n);
        double worst = 0;
        for (const double c : count) worst = std::max(worst, std::abs(c - draws * q) / std::sqrt(draws * q * (1 - q)));
        CHECK(worst < 6);
    }
}

TEST_CASE("over the whole model a run spans tensors, past empty ones")
{
    const gc::tensor_list list{{"a", {10}}, {"no", {0}}, {"b", {3, 5}}, {"c", {15}}};
    block_run run({.ratio = 2, .scope = gc::scope::whole_model}, list);
    std::size_t spans = 0;
    for (std::uint32_t step = 0; step < 100; ++step) {
        const auto c = choice_at(run, 40, step);
        REQUIRE(std::count(c.touched.begin(), c.touched.end(), 1) == 20);
        spans += c.touched[9] && c.touched[10] && c.touched[24] && c.touched[25];
    }
    CHECK(spans > 0);
}

TEST_CASE("tensors of one size draw different blocks, ranks do not")
{
    const gc::tensor_list list{{"a", {200}}, {"b", {200}}};
    block_run first({.ratio = 8}, list, {.rank = 0}), second({.ratio = 8}, list, {.rank = 5});
    std::size_t alike = 0;
    for (std::uint32_t step = 0; step < 50; ++step) {
        const auto c = choice_at(first, 400, step);
        CHECK(c.touched == choice_at(second, 400, step).touched);
        alike += std::equal(c.touched.begin(), c.touched.begin() + 200, c.touched.begin() + 200);
    }
    CHECK(alike < 5);
}

TEST_CASE("wrong options are refused by field, value and tensor")
{
    const auto check = [](double ratio) { return complaint([ratio] { gc::random_block{.ratio = ratio}.check(); }); };
    CHECK(check(0) == "invalid_option ratio 0");
    CHECK(check(std::numeric_limits<double>::quiet_NaN()) == "invalid_option ratio nan");
    CHECK(check(std::numeric_limits<double>::infinity()) == "invalid_option ratio inf");
    const gc::tensor_list list{{"w", {4, 4}}, {"b", {4}}};
    const auto start = [&](gc::random_block options) { return complaint([&] { block_run run(options, list); }); };
    CHECK(start({.k = 4}) == "accepted");
    CHECK(start({.k = 5}) == "invalid_option k 5 b");
    CHECK(start({.k = 0}) == "invalid_option k 0 w");
    CHECK(start({.k = 21, .scope = gc::scope::whole_model}) == "invalid_option k 21");
    CHECK(start({.ratio = 0.5}) == "invalid_option ratio 0.5 w");
}
