/// @file The four kinds of rand_k: who chooses, what is sent, the options, and hostile messages.
#include "complaint.hpp"
#include "conformance/coding.hpp"
#include "conformance/inputs.hpp"

#include <doctest/doctest.h>

#include <limits>

using namespace conformance;
using gc::indices, gc::scaling;

namespace {

template <indices I, scaling S> using run_of = coding<float, gc::rand_k<I, S>>;
using own_run = run_of<indices::own, scaling::none>;
using shared_run = run_of<indices::shared_seed, scaling::none>;

} // namespace

TEST_CASE("a shared seed sends values alone, own indices send 2 bytes more for each of one tile")
{
    const auto list = one_tensor(1000);
    CHECK((run_of<indices::shared_seed, scaling::none>({.ratio = 10}, list).bytes() == 400));
    CHECK((run_of<indices::own, scaling::none>({.ratio = 10}, list).bytes() == 600));
    CHECK((coding<double, gc::rand_k<indices::own, scaling::unbiased>>({.k = 7}, list).bytes() == 56 + 16));
    CHECK((coding<double, gc::rand_k<>>({.ratio = 1}, list).bytes() == 8000));
}

TEST_CASE("own indices differ from rank to rank, shared ones do not; both change from step to step and with the seed")
{
    const std::vector<float> gradient(1000, 1.0f), owed(1000);
    const auto chosen = [&](auto& run, std::uint32_t step) { return run.decode(run.encode(gradient, owed, step).message).touched; };
    own_run own0({.ratio = 10}, one_tensor(1000), {.rank = 0}), own1({.ratio = 10}, one_tensor(1000), {.rank = 1});
    shared_run shared0({.ratio = 10}, one_tensor(1000), {.rank = 0}), shared1({.ratio = 10}, one_tensor(1000), {.rank = 1}),
        reseeded({.ratio = 10}, one_tensor(1000), {.rank = 0, .seed = 2});
    for (std::uint32_t step = 0; step < 5; ++step) {
        CHECK(chosen(own0, step) != chosen(own1, step));
        CHECK(chosen(shared0, step) == chosen(shared1, step));
        CHECK(chosen(shared0, step) != chosen(reseeded, step));
        CHECK(chosen(shared0, step) != chosen(shared0, step + 1));
        CHECK(chosen(own0, step) != chosen(own0, step + 1));
    }
}

TEST_CASE("two tensors of one size choose different coordinates")
{
    const gc::tensor_list list{{"a", {500}}, {"b", {500}}};
    const std::vector<float> gradient(1000, 1.0f), owed(1000);
    shared_run run({.ratio = 10}, list);
    const auto touched = run.decode(run.encode(gradient, owed, 0).message).touched;
    CHECK(!std::equal(touched.begin(), touched.begin() + 500, touched.begin() + 500));
    CHECK(std::count(touched.begin(), touched.begin() + 500, 1) == 50);
    CHECK(std::count(touched.begin() + 500, touched.end(), 1) == 50);
}

TEST_CASE("over the whole model one choice spans the tensors")
{
    const gc::tensor_list list{{"a", {40}}, {"no", {0}}, {"b", {2, 30}}};
    const std::vector<float> gradient(100, 1.0f), owed(100);
    std::size_t in_a = 0, in_all = 0;
    shared_run run({.k = 10, .scope = gc::scope::whole_model}, list);
    for (std::uint32_t step = 0; step < 2000; ++step) {
        const auto touched = run.decode(run.encode(gradient, owed, step).message).touched;
        in_a += static_cast<std::size_t>(std::count(touched.begin(), touched.begin() + 40, 1));
        in_all += static_cast<std::size_t>(std::count(touched.begin(), touched.end(), 1));
    }
    CHECK(in_all == 20000);
    CHECK(std::abs(double(in_a) - 8000) < 6 * std::sqrt(20000 * 0.4 * 0.6));
}

TEST_CASE("the unbiased kind multiplies by d / k, the other sends p as it is")
{
    const std::vector<float> gradient(96, 6.0f), owed(96);
    run_of<indices::own, scaling::unbiased> scaled({.k = 24}, one_tensor(96));
    own_run unscaled({.k = 24}, one_tensor(96));
    const auto a = scaled.decode(scaled.encode(gradient, owed, 1).message), b = unscaled.decode(unscaled.encode(gradient, owed, 1).message);
    CHECK(a.touched == b.touched);
    for (std::size_t i = 0; i < 96; ++i) {
        CHECK(a.value[i] == (a.touched[i] ? 12.0f : 0.0f));
        CHECK(b.value[i] == (b.touched[i] ? 3.0f : 0.0f));
    }
}

TEST_CASE("wrong options are refused by field, value and tensor")
{
    const gc::tensor_list list{{"w", {4, 4}}, {"b", {4}}};
    const auto check = [](double ratio) { return complaint([ratio] { gc::rand_k<>{.ratio = ratio}.check(); }); };
    CHECK(check(0.99) == "invalid_option ratio 0.99");
    CHECK(check(std::numeric_limits<double>::quiet_NaN()) == "invalid_option ratio nan");
    CHECK(check(std::numeric_limits<double>::infinity()) == "invalid_option ratio inf");
    const auto start = [&](gc::rand_k<indices::own, scaling::none> options) { return complaint([&] { own_run run(options, list); }); };
    CHECK(start({.k = 4}) == "accepted");
    CHECK(start({.k = 5}) == "invalid_option k 5 b");
    CHECK(start({.k = 0}) == "invalid_option k 0 w");
    CHECK(start({.k = 20, .scope = gc::scope::whole_model}) == "accepted");
    CHECK(start({.k = 21, .scope = gc::scope::whole_model}) == "invalid_option k 21");
}

TEST_CASE("own indices that cannot be are refused")
{
    own_run run({.k = 3}, one_tensor(50));
    const std::vector<float> gradient(50, 1.0f), owed(50);
    const auto good = run.encode(gradient, owed, 0).message;
    const auto with = [&](std::initializer_list<std::uint16_t> index) {
        auto message = good;
        std::memcpy(message.data() + 3 * sizeof(float), index.begin(), 6);
        return complaint([&] { run.check(message); });
    };
    CHECK(complaint([&] { run.check(good); }) == "accepted");
    CHECK(with({0, 1, 49}) == "accepted");
    CHECK(with({0, 1, 50}) == "bad_message index[2] 50");
    CHECK(with({1, 1, 49}) == "bad_message index[1] 1");
    CHECK(with({0, 20, 10}) == "bad_message index[2] 10");
}
