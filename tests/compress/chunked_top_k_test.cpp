/// @file chunked_top_k against a full sort of each chunk, its wire form, its options, its threads, and messages that no peer can have sent.
#include "complaint.hpp"
#include "conformance/coding.hpp"
#include "conformance/inputs.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <numeric>

using namespace conformance;

namespace {

/// Values of the k largest |p| of each chunk in order, then their places in 16 bits, by a full sort of each.
template <class T> std::vector<std::byte> sorted_message(const std::vector<T>& p, const gc::chunked_top_k& how)
{
    std::vector<T> values;
    std::vector<std::uint16_t> places;
    for (std::size_t first = 0; first < p.size(); first += how.chunk) {
        const std::size_t n = std::min(how.chunk, p.size() - first), k = how.k ? std::min(n, *how.k) : gc::kept_count(n, how.ratio);
        std::vector<std::uint16_t> order(n);
        std::iota(order.begin(), order.end(), std::uint16_t{0});
        std::stable_sort(order.begin(), order.end(), [&](std::uint16_t a, std::uint16_t b) { return gc::rank_key(p[first + a]) > gc::rank_key(p[first + b]); });
        order.resize(k);
        std::sort(order.begin(), order.end());
        for (const std::uint16_t i : order) values.push_back(p[first + i]), places.push_back(i);
    }
    if (places.size() % 2 == 1) places.push_back(0);
    std::vector<std::byte> message(values.size() * sizeof(T) + places.size() * 2);
    if (!values.empty()) std::memcpy(message.data(), values.data(), values.size() * sizeof(T));
    if (!places.empty()) std::memcpy(message.data() + values.size() * sizeof(T), places.data(), places.size() * 2);
    return message;
}

template <class T> void is_sorted_message(const gc::chunked_top_k& how, pattern of, std::size_t n, bool spoiled)
{
    CAPTURE(n);
    CAPTURE(how.chunk);
    auto gradient = input<T>(of, n, n);
    const std::vector<T> owed(n);
    if (spoiled) spoil(gradient, 97);
    coding<T, gc::chunked_top_k> run(how, one_tensor(n));
    const auto out = run.encode(gradient, owed, 3);
    REQUIRE(out.message == sorted_message(expected_p<T>(gradient, owed), how));
    REQUIRE(run.bytes() == out.message.size());
}

} // namespace

TEST_CASE_TEMPLATE("chunked_top_k sends what a full sort of each chunk finds: values, then places, both in order", T, float, double)
{
    for (const pattern of : all_patterns)
        for (const std::size_t n : {1u, 2u, 63u, 64u, 65u, 255u, 257u, 1000u, 1025u, 4095u, 4096u, 4097u, 20011u})
            for (const bool spoiled : {false, true}) {
                for (const double ratio : {1.0, 2.0, 10.0, 64.0}) is_sorted_message<T>({.ratio = ratio}, of, n, spoiled);
                for (const std::size_t chunk : {1u, 7u, 64u, 300u}) is_sorted_message<T>({.ratio = 5, .chunk = chunk}, of, n, spoiled);
                is_sorted_message<T>({.k = 32, .chunk = 256}, of, n, spoiled);
            }
    is_sorted_message<T>({.ratio = 64, .chunk = 65536}, pattern::heavy, 150'001, false);
    is_sorted_message<T>({.ratio = 2, .chunk = 65536}, pattern::heavy, 70'001, true);
}

TEST_CASE("every part of a tensor gets its share, however large another one is")
{
    std::vector<double> gradient(32, 1), owed(32);
    for (std::size_t i = 0; i < 8; ++i) gradient[i] = 1000;
    coding<double, gc::chunked_top_k> run({.k = 2, .chunk = 8}, one_tensor(32));
    const auto sent = run.decode(run.encode(gradient, owed, 0).message).touched;
    for (std::size_t c = 0; c < 4; ++c) CHECK(std::count(sent.begin() + static_cast<int>(c) * 8, sent.begin() + static_cast<int>(c) * 8 + 8, 1) == 2);
}

TEST_CASE_TEMPLATE("threads share the chunks and send the same bytes", T, float, double)
{
    constexpr std::size_t n = 300'001;
    const auto gradient = input<T>(pattern::heavy, n, 5), owed = input<T>(pattern::uniform, n, 6);
    for (const std::size_t chunk : {std::size_t{1000}, std::size_t{4096}, std::size_t{65536}}) {
        const gc::chunked_top_k how{.ratio = 50, .chunk = chunk};
        coding<T, gc::chunked_top_k> one(how, one_tensor(n)), many(how, one_tensor(n), {.threads = 7});
        const auto alone = one.encode(gradient, owed, 1), together = many.encode(gradient, owed, 1);
        CHECK(alone.message == together.message);
        CHECK(first_difference(alone.left, together.left) == nowhere);
        CHECK(one.decode(alone.message) == many.decode(alone.message));
        CHECK(first_difference(one.decode_dense(alone.message), many.decode_dense(alone.message)) == nowhere);
    }
}

TEST_CASE("the class is that of the worse of a whole chunk and the last one")
{
    CHECK(gc::chunked_top_k{.ratio = 64}.classes(1 << 20).b3->delta == 64);
    CHECK(gc::chunked_top_k{.ratio = 64}.classes(100).b3->delta == 100);
    CHECK(gc::chunked_top_k{.ratio = 64}.classes(4096 + 100).b3->delta == 100);
    CHECK(gc::chunked_top_k{.ratio = 64}.classes(4096 + 10).b3->delta == 64);
    CHECK(gc::chunked_top_k{.k = 32, .chunk = 64}.classes(64 * 7).b3->delta == 2);
    CHECK(gc::chunked_top_k{.k = 32, .chunk = 64}.classes(20).b3->delta == 1);
    CHECK(gc::chunked_top_k{.k = 32, .chunk = 64}.kept(64 * 7 + 20) == 32 * 7 + 20);
    CHECK(gc::chunked_top_k{}.kept(0) == 0);
}

TEST_CASE("hostile places are refused before anything is applied")
{
    const auto x = input<double>(pattern::heavy, 27, 3);
    const std::vector<double> owed(27);
    coding<double, gc::chunked_top_k> run({.k = 3, .chunk = 12}, one_tensor(27)); // chunks of 12, 12 and 3
    const auto message = run.encode(x, owed, 0).message;
    REQUIRE(message.size() == 9 * 8 + 10 * 2);
    const auto said = [&](std::size_t place, std::uint16_t value) {
        auto bad = message;
        std::memcpy(bad.data() + 72 + 2 * place, &value, 2);
        return complaint([&] { run.check(bad); });
    };
    std::uint16_t place[10];
    std::memcpy(place, message.data() + 72, sizeof place);
    CHECK(said(0, place[0]) == "accepted");
    CHECK(said(2, 12) == "bad_message index[2] 12");
    CHECK(said(8, 3) == "bad_message index[8] 3");
    CHECK(said(6, 1) == "bad_message index[7] 1");
    CHECK(said(1, place[0]) == "bad_message index[1] " + std::to_string(place[0]));
    CHECK(said(9, 1) == "bad_message index[9] 1");
    CHECK(said(3, 0) == "accepted"); // places begin anew with each chunk
}

TEST_CASE("options out of range are refused by name")
{
    CHECK(complaint([] { gc::chunked_top_k{.ratio = 0.5}.check(); }) == "invalid_option ratio 0.5");
    CHECK(complaint([] { gc::chunked_top_k{.chunk = 0}.check(); }) == "invalid_option chunk 0");
    CHECK(complaint([] { gc::chunked_top_k{.chunk = 65537}.check(); }) == "invalid_option chunk 65537");
    CHECK(complaint([] { gc::chunked_top_k{.k = 0}.check(); }) == "invalid_option k 0");
    CHECK(complaint([] { gc::chunked_top_k{.k = 65, .chunk = 64}.check(); }) == "invalid_option k 65");
    CHECK(complaint([] { gc::chunked_top_k{.k = 64, .chunk = 64}.check(); }) == "accepted");
}
