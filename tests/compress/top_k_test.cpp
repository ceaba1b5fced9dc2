/// @file top_k against a full sort, its wire form, its options, and messages that no peer can have sent.
#include "complaint.hpp"
#include "conformance/coding.hpp"
#include "conformance/indices.hpp"
#include "conformance/inputs.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <numeric>

using namespace conformance;

namespace {

/// Values and indices of the k largest |p| of one tensor, in index order, by a full sort.
template <class T> std::vector<std::byte> sorted_message(const std::vector<T>& p, std::size_t k)
{
    std::vector<std::uint32_t> order(p.size());
    std::iota(order.begin(), order.end(), 0u);
    std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
        // NaN has no order of its own, so no two NaN are told apart here: ties go to the lowest index.
        const auto rank = [&](std::uint32_t i) { return std::isnan(p[i]) ? std::numeric_limits<T>::infinity() : std::abs(p[i]); };
        if (std::isnan(p[a]) != std::isnan(p[b])) return std::isnan(p[a]);
        return rank(a) > rank(b);
    });
    order.resize(k);
    std::sort(order.begin(), order.end());
    const auto words = written_indices(gc::index_form_of(p.size(), k), {order.begin(), order.end()});
    std::vector<std::byte> message(k * sizeof(T) + words.size() * 4);
    for (std::size_t j = 0; j < k; ++j) std::memcpy(message.data() + j * sizeof(T), &p[order[j]], sizeof(T));
    std::memcpy(message.data() + k * sizeof(T), words.data(), words.size() * 4);
    return message;
}

using top_k_of_double = coding<double, gc::top_k>;

} // namespace

TEST_CASE_TEMPLATE("top_k sends what a full sort finds: values, then indices, both in index order", T, float, double)
{
    for (const pattern of : all_patterns)
        for (const double ratio : {1.0, 2.0, 10.0, 100.0})
            for (const std::size_t n : {1u, 2u, 63u, 64u, 65u, 255u, 256u, 257u, 1000u, 1023u, 1024u, 1025u, 4096u, 20011u, 70001u})
                for (const bool spoiled : {false, true}) {
                    auto gradient = input<T>(of, n, n);
                    const std::vector<T> owed(n);
                    if (spoiled) spoil(gradient, 97);
                    coding<T, gc::top_k> run(gc::top_k{.ratio = ratio}, one_tensor(n));
                    const auto out = run.encode(gradient, owed, 3);
                    CAPTURE(n);
                    CAPTURE(ratio);
                    REQUIRE(out.message == sorted_message(expected_p<T>(gradient, owed), gc::kept_count(n, ratio)));
                }
}

TEST_CASE("over the whole model, the largest of all tensors win and indices count through them")
{
    const gc::tensor_list list{{"small", {4}}, {"no", {0}}, {"large", {3}}};
    const std::vector<double> gradient{1, -2, 1, 1, 8, 6, -10}, owed(7);
    coding<double, gc::top_k> run(gc::top_k{.k = 4, .scope = gc::scope::whole_model}, list);
    const auto out = run.encode(gradient, owed, 0);
    REQUIRE(out.message.size() == 40);
    double value[4];
    std::uint16_t index[4];
    std::memcpy(value, out.message.data(), sizeof value);
    std::memcpy(index, out.message.data() + sizeof value, sizeof index);
    const double values[] = {-1, 4, 3, -5};
    const std::uint16_t indices[] = {1, 4, 5, 6};
    for (std::size_t j = 0; j < 4; ++j) {
        CHECK(value[j] == values[j]);
        CHECK(index[j] == indices[j]);
    }
}

TEST_CASE("a ratio must be finite and at least 1")
{
    const auto check = [](double ratio) { return complaint([ratio] { gc::top_k{.ratio = ratio}.check(); }); };
    CHECK(check(1) == "accepted");
    CHECK(check(0.5) == "invalid_option ratio 0.5");
    CHECK(check(-1) == "invalid_option ratio -1");
    CHECK(check(std::numeric_limits<double>::infinity()) == "invalid_option ratio inf");
    CHECK(check(std::numeric_limits<double>::quiet_NaN()) == "invalid_option ratio nan");
}

TEST_CASE("k outside of a tensor names the field, the value and the tensor")
{
    const gc::tensor_list list{{"w", {4, 4}}, {"no", {0}}, {"b", {4}}};
    const auto start = [&](gc::top_k options) { return complaint([&] { top_k_of_double run(options, list); }); };
    CHECK(start({.k = 4}) == "accepted");
    CHECK(start({.k = 5}) == "invalid_option k 5 b");
    CHECK(start({.k = 17}) == "invalid_option k 17 w");
    CHECK(start({.k = 0}) == "invalid_option k 0 w");
    CHECK(start({.k = 20, .scope = gc::scope::whole_model}) == "accepted");
    CHECK(start({.k = 21, .scope = gc::scope::whole_model}) == "invalid_option k 21");
}

TEST_CASE("of several tensors each counts its own indices, in the form that is shortest for it")
{
    const gc::tensor_list list{{"a", {10}}, {"none", {0}}, {"large", {65537}}, {"larger", {200'000}}};
    coding<float, gc::top_k> run(gc::top_k{.k = 3}, gc::tensor_list{{"a", {10}}, {"b", {65537}}}), tenth(gc::top_k{.ratio = 10}, list);
    CHECK(run.bytes() == 6 * 4 + 8 + 12); // three of 16 bits, padded, and three of 32
    const std::size_t kept = 1 + 6553 + 20'000;
    CHECK(tenth.bytes() == kept * 4 + 4 + (8 + 2 * 6553 + 2) + (16 + 2 * 20'000));
    const auto gradient = input<float>(pattern::heavy, 65547, 1);
    const auto message = run.encode(gradient, std::vector<float>(gradient.size()), 0).message;
    std::uint32_t last[3];
    std::memcpy(last, message.data() + 6 * 4 + 8, sizeof last);
    CHECK((last[0] < last[1] && last[1] < last[2] && last[2] < 65537));
    const auto c = run.decode(message);
    for (const std::uint32_t i : last) CHECK(c.touched[10 + i] == 1);
}

TEST_CASE("a tensor that no choice can count is refused by name, before anything is allocated")
{
    const gc::tensor_list list{{"w", {4}}, {"huge", {std::size_t{1} << 33}}};
    CHECK(complaint([&] { coding<float, gc::top_k> run(gc::top_k{.ratio = 100}, gc::tensor_list{{"w", {std::size_t{1} << 33}}}); }) == "size_overflow size 8589934592 w");
    const std::vector<std::size_t> tensors{0, 1};
    const gc::exec::cpu_team team;
    CHECK(complaint([&] { gc::adaptive_random{.ratio = 100}.start<float>(team, gc::coder_start{&list, &tensors, 1, 0}); }) == "size_overflow size 8589934592 huge");
    CHECK(complaint([&] { gc::threshold<>{.ratio = 1.5}.start<float>(team, gc::coder_start{&list, &tensors, 1, 0}); }) == "size_overflow k 5726623061");
}

TEST_CASE("a message with impossible indices is refused by name, and a good one is not")
{
    const gc::tensor_list list{{"w", {10}}, {"b", {6}}};
    coding<float, gc::top_k> run(gc::top_k{.k = 2}, list);
    const std::vector<float> gradient(16, 1.0f), owed(16);
    const auto good = run.encode(gradient, owed, 0).message;
    REQUIRE(good.size() == 16 + 8);
    const auto with = [&](std::initializer_list<std::uint16_t> indices) {
        auto message = good;
        std::memcpy(message.data() + 4 * sizeof(float), indices.begin(), 8);
        return complaint([&] { run.check(message); });
    };
    CHECK(with({0, 9, 0, 5}) == "accepted");
    CHECK(with({0, 10, 0, 5}) == "bad_message index[1] 10");
    CHECK(with({5, 5, 0, 5}) == "bad_message index[1] 5");
    CHECK(with({0, 9, 0, 6}) == "bad_message index[3] 6");
    CHECK(with({0, 9, 5, 0}) == "bad_message index[3] 0");
    CHECK(with({0, 9, 0, 0xffffu}) == "bad_message index[3] 65535");
}
