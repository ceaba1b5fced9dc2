/// @file adaptive_random, threshold and block_top_k: what they send, how often, and what they refuse to read.
#include "complaint.hpp"
#include "conformance/coding.hpp"
#include "conformance/inputs.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

using namespace conformance;
using gc::limit_unit;

namespace {

/// The elements that a fresh run sends of x (the memory is empty, so p = x).
template <class C> std::vector<double> sent(coding<double, C>& run, std::vector<double> x, std::uint32_t step = 0)
{
    const std::vector<double> owed(x.size());
    for (double& v : x) v /= sweep_scale;
    return run.decode(run.encode(x, owed, step).message).value;
}

} // namespace

TEST_CASE("adaptive_random of one element draws each with probability |x_i| / ||x||_1")
{
    const std::vector<double> x = {1, -2, 0, 3, 0.5};
    coding<double, gc::adaptive_random> run({.k = 1}, gc::tensor_list{{"x", {5}}});
    std::vector<int> count(5);
    constexpr int draws = 20000;
    for (std::uint32_t step = 0; step < draws; ++step) {
        const auto c = sent(run, x, step);
        for (std::size_t i = 0; i < 5; ++i) {
            count[i] += c[i] != 0;
            if (c[i] != 0) REQUIRE(c[i] == x[i]);
        }
    }
    CHECK(count[2] == 0);
    for (std::size_t i = 0; i < 5; ++i) {
        const double q = std::abs(x[i]) / 6.5;
        CAPTURE(i);
        CHECK(std::abs(count[i] - q * draws) <= 6 * std::sqrt(q * (1 - q) * draws));
    }
}

TEST_CASE("adaptive_random of two elements draws without replacement: the second in proportion to what is left")
{
    const std::vector<double> x = {1, 2, 3};
    coding<double, gc::adaptive_random> run({.k = 2}, gc::tensor_list{{"x", {3}}});
    constexpr int draws = 20000;
    int without_first = 0;
    for (std::uint32_t step = 0; step < draws; ++step) without_first += sent(run, x, step)[0] == 0;
    const double q = 2.0 / 6 * 3 / 4 + 3.0 / 6 * 2 / 3; // 2 then 3, or 3 then 2
    CHECK(std::abs(without_first - q * draws) <= 6 * std::sqrt(q * (1 - q) * draws));
}

TEST_CASE("adaptive_random draws the largest numbers in proportion, too")
{
    std::vector<float> x = {0x1p126f, 0x1.8p127f}; // 1 and 3; swept at half of them
    coding<float, gc::adaptive_random> run({.k = 1}, gc::tensor_list{{"x", {2}}});
    constexpr int draws = 20000;
    int second = 0;
    for (std::uint32_t step = 0; step < draws; ++step) second += run.decode(run.encode(x, std::vector<float>(2), step).message).touched[1];
    CHECK(std::abs(second - 0.75 * draws) <= 6 * std::sqrt(0.75 * 0.25 * draws));
}

TEST_CASE("adaptive_random of ranks differs, of one rank does not")
{
    const auto x = input<double>(pattern::heavy, 500, 3);
    const gc::tensor_list list{{"x", {500}}};
    coding<double, gc::adaptive_random> one({.k = 9}, list), same({.k = 9}, list), other({.k = 9}, list, {.rank = 1});
    CHECK(sent(one, x, 4) == sent(same, x, 4));
    CHECK(sent(one, x, 4) != sent(other, x, 4));
}

TEST_CASE("threshold sends what reaches its limit, and the largest where there is no room for all")
{
    const std::vector<double> x = {0.1, -4, 2, 0, -1, 3, 0.9, -2};
    const gc::tensor_list list{{"x", {8}}};
    coding<double, gc::threshold<>> half({.limit = 0.5}, list);
    CHECK(sent(half, x) == std::vector<double>{0, -4, 2, 0, 0, 3, 0, -2});
    coding<double, gc::threshold<limit_unit::absolute>> fixed({.limit = 1}, list);
    CHECK(sent(fixed, x) == std::vector<double>{0, -4, 2, 0, -1, 3, 0, -2});
    coding<double, gc::threshold<limit_unit::norm>> mean({.limit = 1}, list); // ||x||/sqrt(8) = 2.07
    CHECK(sent(mean, x) == std::vector<double>{0, -4, 0, 0, 0, 3, 0, 0});
    coding<double, gc::threshold<>> crowded({.limit = 0.5, .k = 3}, list); // 2 before -2: ties go to the lowest index
    CHECK(sent(crowded, x) == std::vector<double>{0, -4, 2, 0, 0, 3, 0, 0});
    CHECK(sent(crowded, std::vector<double>(8)) == std::vector<double>(8));
    CHECK(sent(mean, std::vector<double>(8, 0.3)) == std::vector<double>(8, 0.3));
}

TEST_CASE("what has no room stays in the memory and is counted")
{
    gc::comm::in_process_group group(1);
    std::vector<double> x(8);
    gc::policy_stack stack{.compressor = gc::threshold<>{.limit = 0.5, .k = 3}, .memory = gc::ef{}, .reducer = gc::all_gather{gc::comm::in_process(group, 0)}};
    auto exchange = stack.attach(gc::tensor_list{{"x", {8}}}, x);
    const std::vector<double> gradient = {0.1, -4, 2, 0, -1, 3, 0.9, -2};
    exchange.step(std::span<const double>(gradient), 1.0);
    CHECK(exchange.coder().unsent() == 1);
    CHECK(x == std::vector<double>{0, 4, -2, 0, 0, -3, 0, 0});
    const auto left = exchange.error();
    CHECK(std::vector<double>(left.begin(), left.end()) == std::vector<double>{0.1, 0, 0, 0, -1, 0, 0.9, -2});
}

TEST_CASE("block_top_k sends the blocks of the largest norm, also a partial last one and across tensors")
{
    const std::vector<double> x = {1, 1, 1, 5, 0, 0, 3, 3, 0, 4.5};
    coding<double, gc::block_top_k> one({.ratio = 4, .block = 3}, gc::tensor_list{{"x", {10}}}); // norms^2 27... 3, 25, 18, 20.25
    CHECK(sent(one, x) == std::vector<double>{0, 0, 0, 5, 0, 0, 0, 0, 0, 0});
    coding<double, gc::block_top_k> two({.ratio = 2, .block = 3, .scope = gc::scope::whole_model}, gc::tensor_list{{"a", {4}}, {"no", {0}}, {"b", {6}}});
    CHECK(sent(two, x) == std::vector<double>{0, 0, 0, 5, 0, 0, 0, 0, 0, 4.5});
}

TEST_CASE("hostile messages are refused before anything is applied")
{
    const auto x = input<double>(pattern::heavy, 100, 3);
    const std::vector<double> owed(100);
    const gc::tensor_list list{{"x", {100}}};
    const auto refused = [&](auto& run, std::vector<std::byte> message, std::size_t at, auto value) {
        std::memcpy(message.data() + at, &value, sizeof value);
        CHECK_THROWS_AS(run.check(message), gc::error);
    };
    coding<double, gc::threshold<>> limited({.limit = 0.01, .k = 10}, list);
    const auto message = limited.encode(x, owed, 0).message;
    constexpr std::size_t indices = 80, counts = indices + 20;
    REQUIRE(message.size() == counts + 4);
    limited.check(message);
    refused(limited, message, counts, std::uint32_t{11});
    refused(limited, message, counts, std::uint32_t{0}); // then values stand where zeros must
    refused(limited, message, indices, std::uint16_t{100});
    // An index more than there is room for would be the count itself: in range and ascending, and no index all the same.
    auto crafted = message;
    for (std::uint16_t j = 0; j < 10; ++j) std::memcpy(crafted.data() + indices + 2 * j, &j, 2);
    std::uint32_t count = 11;
    std::memcpy(crafted.data() + counts, &count, 4);
    CHECK(complaint([&] { limited.check(crafted); }) == "bad_message count[0] 11");
    count = 9; // then the tenth has to be zero, index and value
    std::memcpy(crafted.data() + counts, &count, 4);
    CHECK(complaint([&] { limited.check(crafted); }) == "bad_message index[9] 9");
    std::memset(crafted.data() + indices + 2 * 9, 0, 2);
    const double something = 1;
    std::memcpy(crafted.data() + 8 * 9, &something, 8);
    CHECK(complaint([&] { limited.check(crafted); }) == "bad_message value[9] 1");
    std::memset(crafted.data() + 8 * 9, 0, 8);
    CHECK(complaint([&] { limited.check(crafted); }) == "accepted");
    coding<double, gc::adaptive_random> drawn({.k = 10}, list);
    const auto other = drawn.encode(x, owed, 0).message;
    drawn.check(other);
    refused(drawn, other, 82, std::uint16_t{0});
    coding<double, gc::block_top_k> blocks({.ratio = 5, .block = 10}, list);
    const auto third = blocks.encode(x, owed, 0).message;
    REQUIRE(third.size() == 2 * 80 + 4);
    blocks.check(third);
    refused(blocks, third, 160, std::uint16_t{10});
    refused(blocks, third, 162, std::uint16_t{0});
}

TEST_CASE("options out of range are refused by name")
{
    CHECK_THROWS_AS(gc::threshold<>{.limit = 1.5}.check(), gc::error);
    CHECK_THROWS_AS(gc::threshold<limit_unit::absolute>{.limit = 0}.check(), gc::error);
    CHECK_THROWS_AS((gc::block_top_k{.block = 0}.check()), gc::error);
    CHECK_THROWS_AS((gc::adaptive_random{.ratio = 0.5}.check()), gc::error);
    CHECK_NOTHROW(gc::threshold<limit_unit::norm>{.limit = 2.5}.check());
    CHECK(gc::theory::has_no_guarantee(gc::threshold<limit_unit::norm>{.limit = 2.5}.classes(10)));
}

TEST_CASE_TEMPLATE("magnitudes whose squares a double cannot hold are chosen like any others", T, float, double)
{
    std::vector<double> factors = {1, 0x1p-130, 0x1p120};
    if (sizeof(T) == sizeof(double)) factors.insert(factors.end(), {1e154, 1e200, 1e300, 1e-154, 1e-170, 1e-300, 0x1p-1060});
    const gc::tensor_list list{{"x", {4}}, {"y", {3}}};
    const std::vector<T> zeros(7);
    for (const double factor : factors) {
        CAPTURE(factor);
        std::vector<T> x;
        for (const double v : {1.0, -2.0, 5.0, 4.0, 3.0, 3.0, 1.0}) x.push_back(static_cast<T>(2 * v * factor)); // swept at half of it
        coding<T, gc::block_top_k> blocks({.ratio = 2, .block = 2}, list);
        const auto of_blocks = blocks.decode(blocks.encode(x, zeros, 0).message).touched;
        CHECK(of_blocks == std::vector<std::uint8_t>{0, 0, 1, 1, 1, 1, 0});
        coding<T, gc::threshold<limit_unit::norm>> mean({.limit = 1}, list); // 3.39 and 2.52
        CHECK(mean.decode(mean.encode(x, zeros, 0).message).touched == std::vector<std::uint8_t>{0, 0, 1, 1, 1, 1, 0});
    }
}
