/// @file dct_top_k against the transform's definition and a full sort, its wire form, several ranks' coefficients, its options, and messages that no peer can have sent.
#include "complaint.hpp"
#include "conformance/coding.hpp"
#include "conformance/inputs.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

using namespace conformance;

namespace {

/// Coefficient u of n numbers, by its definition.
double weight(std::size_t u, std::size_t j, std::size_t n)
{
    const double size = static_cast<double>(n);
    return std::sqrt((u == 0 ? 1 : 2) / size) * std::cos(std::numbers::pi * (2 * static_cast<double>(j) + 1) * static_cast<double>(u) / (2 * size));
}

/// The k largest coefficients of a chunk of height x width, and what they say.
std::vector<double> plain_chunk(const std::vector<double>& x, std::size_t height, std::size_t width, std::size_t k)
{
    const std::size_t n = height * width;
    std::vector<double> z(n), back(n);
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < n; ++j) z[i] += weight(i / width, j / width, height) * weight(i % width, j % width, width) * x[j];
    std::vector<std::size_t> order(n);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return std::abs(z[a]) > std::abs(z[b]); });
    for (std::size_t at = 0; at < std::min(k, n); ++at)
        for (std::size_t j = 0; j < n; ++j) back[j] += weight(order[at] / width, j / width, height) * weight(order[at] % width, j % width, width) * z[order[at]];
    return back;
}

/// The same of every chunk of a matrix.
std::vector<double> plain(const std::vector<double>& x, std::size_t columns, std::size_t height, std::size_t width, std::size_t k)
{
    std::vector<double> out(x.size()), chunk(height * width);
    const auto at = [&](std::size_t row, std::size_t column, std::size_t i) { return (row + i / width) * columns + column + i % width; };
    for (std::size_t row = 0; row * columns < x.size(); row += height)
        for (std::size_t column = 0; column < columns; column += width) {
            for (std::size_t i = 0; i < chunk.size(); ++i) chunk[i] = x[at(row, column, i)];
            const auto back = plain_chunk(chunk, height, width, k);
            for (std::size_t i = 0; i < chunk.size(); ++i) out[at(row, column, i)] = back[i];
        }
    return out;
}

/// What a fresh run says of x (the memory is empty, so p = x / 2).
template <class T> std::vector<T> said(const gc::dct_top_k<>& how, const gc::tensor_list& list, const std::vector<T>& x)
{
    coding<T, gc::dct_top_k<>> run(how, list);
    const auto out = run.encode(x, std::vector<T>(x.size()), 0);
    REQUIRE(run.bytes() == out.message.size());
    return run.decode(out.message).value;
}

template <class T> double apart(const std::vector<T>& a, const std::vector<double>& b)
{
    double off = 0, size = 0;
    for (std::size_t i = 0; i < a.size(); ++i) off = std::max(off, std::abs(2 * static_cast<double>(a[i]) - b[i])), size = std::max(size, std::abs(b[i]));
    return off / size;
}

} // namespace

TEST_CASE_TEMPLATE("dct_top_k sends what the definition and a full sort find, of matrices and of vectors", T, float, double)
{
    const double close = 64 * static_cast<double>(std::numeric_limits<T>::epsilon());
    for (const pattern of : {pattern::uniform, pattern::heavy})
        for (const std::size_t k : {1u, 3u, 20u}) {
            CAPTURE(k);
            const auto x = input<T>(of, 12 * 21, 3);
            const std::vector<double> wide(x.begin(), x.end());
            CHECK(apart(said<T>({.k = k, .chunk = 8}, gc::tensor_list{{"w", {12, 21}}}, x), plain(wide, 21, 6, 7, k)) < close);
            CHECK(apart(said<T>({.k = k, .chunk = 64}, gc::tensor_list{{"w", {12, 7, 3}}}, x), plain(wide, 21, 12, 21, k)) < close);
            CHECK(apart(said<T>({.k = k, .chunk = 40}, gc::tensor_list{{"v", {252}}}, x), plain(wide, 36, 1, 36, k)) < close);
        }
}

TEST_CASE("a wave is one coefficient, a matrix of chunks of 64 is what it was when all are sent, and a prime side is cut to 1")
{
    std::vector<double> wave(64);
    for (std::size_t j = 0; j < 64; ++j) wave[j] = 2 * std::cos(std::numbers::pi * (2 * static_cast<double>(j) + 1) * 5 / 128);
    CHECK(apart(said<double>({.k = 1}, one_tensor(64), wave), wave) < 1e-14);
    const auto x = input<double>(pattern::heavy, 128 * 64, 9);
    CHECK(apart(said<double>({.k = 4096}, gc::tensor_list{{"w", {128, 64}}}, x), x) < 1e-13);
    CHECK(coding<float, gc::dct_top_k<>>({.k = 3}, gc::tensor_list{{"w", {128, 64}}}).bytes() == 2 * (3 * 4 + 3 * 2));
    CHECK(coding<float, gc::dct_top_k<>>({.k = 3}, one_tensor(67)).bytes() == 67 * (4 + 2) + 2);
}

TEST_CASE_TEMPLATE("numbers near the largest and the least are transformed as any others; below 2^-100 they stay", T, float, double)
{
    const gc::tensor_list list{{"w", {8, 8}}};
    const auto x = input<T>(pattern::uniform, 64, 3);
    const auto expected = said<T>({.k = 5, .chunk = 8}, list, x);
    for (const int exponent : {gc::dct_scale<T>::highest - 8, sizeof(T) == 4 ? -90 : -960}) {
        CAPTURE(exponent);
        const T factor = gc::power_of_two<T>(exponent);
        std::vector<T> scaled(x);
        for (T& v : scaled) v *= factor;
        const auto seen = said<T>({.k = 5, .chunk = 8}, list, scaled);
        std::size_t wrong = 0;
        for (std::size_t i = 0; i < 64; ++i) wrong += !(seen[i] == expected[i] * factor);
        CHECK(wrong == 0);
    }
    CHECK(said<T>({.k = 5, .chunk = 8}, list, std::vector<T>(64, std::numeric_limits<T>::denorm_min())) == std::vector<T>(64));
    for (const T v : said<T>({.k = 64, .chunk = 8}, list, std::vector<T>(64, std::numeric_limits<T>::max()))) REQUIRE(gc::is_finite(v));
}

TEST_CASE("coefficients of several ranks are added up and transformed back once, or averaged over those that sent them")
{
    const gc::tensor_list list{{"w", {8, 16}}, {"no", {0}}, {"v", {24}}};
    const auto check = [&]<class C>(const C& how, bool by_contributors) {
        std::vector<std::vector<double>> said_by;
        coding<double, C> one(how, list);
        const std::size_t stride = one.bytes() + 8;
        gc::exec::host_buffer<std::byte> all(3 * stride);
        for (std::uint64_t rank = 0; rank < 3; ++rank) {
            const auto message = one.encode(input<double>(pattern::heavy, 152, rank), std::vector<double>(152), 0).message;
            std::memcpy(all.data() + rank * stride, message.data(), message.size());
            said_by.push_back(one.decode(message).value);
        }
        std::vector<double> together(152), sum(152);
        const gc::exec::cpu_team team;
        double* const to = together.data();
        one.coder().decode_all(team, {all.data(), stride, 3}, [to](std::size_t i, double v) __attribute__((always_inline)) { to[i] += v; });
        for (const auto& v : said_by)
            for (std::size_t i = 0; i < 152; ++i) sum[i] += v[i];
        double off = 0;
        for (std::size_t i = 0; i < 152; ++i) off = std::max(off, std::abs(sum[i] - together[i]));
        if (by_contributors) CHECK(off > 0.01);
        else CHECK(off < 1e-10);
    };
    check(gc::dct_top_k<>{.k = 4, .chunk = 8}, false);
    check(gc::dct_top_k<gc::coefficient_mean::contributors>{.k = 4, .chunk = 8}, true);
    // one coefficient each, the same one: the mean; different ones: both whole
    coding<double, gc::dct_top_k<gc::coefficient_mean::contributors>> run({.k = 1, .chunk = 2}, one_tensor(2));
    gc::exec::host_buffer<std::byte> two(2 * 16);
    const auto said_of = [&](std::vector<double> a, std::vector<double> b) {
        std::memcpy(two.data(), run.encode(a, std::vector<double>(2), 0).message.data(), 12);
        std::memcpy(two.data() + 16, run.encode(b, std::vector<double>(2), 0).message.data(), 12);
        std::vector<double> out(2);
        double* const to = out.data();
        run.coder().decode_all(gc::exec::cpu_team{}, {two.data(), 16, 2}, [to](std::size_t i, double v) __attribute__((always_inline)) { to[i] = v; });
        return out;
    };
    CHECK(said_of({4, 4}, {8, 8})[0] == doctest::Approx(3));
    CHECK(said_of({4, 4}, {8, -8})[0] == doctest::Approx(6));
    CHECK(said_of({4, 4}, {8, -8})[1] == doctest::Approx(-2));
}

TEST_CASE("the class is top-k's for the coefficients of the worst chunk")
{
    const gc::dct_top_k<> how{};
    CHECK(how.classes_over(gc::tensor_list{{"w", {1024, 1024}}}).b3->delta == 128);
    CHECK(how.classes_over(gc::tensor_list{{"w", {64, 32}}, {"b", {64}}}).b3->delta == 64);
    CHECK(how.classes_over(gc::tensor_list{{"b", {32}}, {"no", {0}}}).b3->delta == 1);
}

TEST_CASE("hostile places are refused before anything is applied, and options out of range by name")
{
    coding<float, gc::dct_top_k<>> run({.k = 3, .chunk = 4}, gc::tensor_list{{"w", {4, 4}}, {"v", {8}}});
    const auto message = run.encode(input<float>(pattern::heavy, 24, 3), std::vector<float>(24), 0).message;
    REQUIRE(message.size() == 9 * 4 + 4 * 2 + 6 * 2);
    const auto complaint_of = [&](std::size_t at, std::uint16_t value) {
        auto bad = message;
        std::memcpy(bad.data() + 36 + 2 * at, &value, 2);
        return complaint([&] { run.check(bad); });
    };
    CHECK(complaint_of(2, 16) == "bad_message index[2] 16");
    CHECK(complaint_of(3, 1) == "bad_message index[3] 1"); // behind the three of the matrix: zero
    CHECK(complaint_of(6, 4) == "bad_message index[5] 4");
    CHECK(complaint([&] { run.check(message); }) == "accepted");
    CHECK(complaint([] { gc::dct_top_k<>{.k = 0}.check(); }) == "invalid_option k 0");
    CHECK(complaint([] { gc::dct_top_k<>{.chunk = 0}.check(); }) == "invalid_option chunk 0");
    CHECK(complaint([] { gc::dct_top_k<>{.chunk = 65}.check(); }) == "invalid_option chunk 65");
}
