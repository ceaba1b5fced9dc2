/// @file The cosine transform's matrix against the library function and against itself, and how tensors are cut for it.
#include <gradcomp/core/dct.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <numbers>

namespace gc = gradcomp;

TEST_CASE("cosines agree with the library's, in every eighth of the circle and beyond it")
{
    double off = 0;
    for (std::size_t b = 1; b <= 130; ++b)
        for (std::size_t a = 0; a <= 5 * b; ++a) off = std::max(off, std::abs(gc::cosine(a, b) - std::cos(std::numbers::pi * static_cast<double>(a) / static_cast<double>(b))));
    CHECK(off < 3e-15); // most of it is the library's, of angles far from 0
    CHECK(gc::cosine(0, 7) == 1);
    CHECK(gc::cosine(7, 7) == -1);
    CHECK(gc::cosine(64, 128) == 0);
    CHECK(gc::cosine(1, 4) == doctest::Approx(std::sqrt(0.5)).epsilon(1e-15));
}

TEST_CASE_TEMPLATE("rows of the transform are orthonormal", T, float, double)
{
    for (const std::size_t n : {1u, 2u, 3u, 7u, 31u, 64u}) {
        const std::vector<T> d = gc::dct_matrix<T>(n);
        double off = 0;
        for (std::size_t u = 0; u < n; ++u)
            for (std::size_t v = 0; v < n; ++v) {
                double sum = u == v ? -1 : 0;
                for (std::size_t j = 0; j < n; ++j) sum += static_cast<double>(d[u * n + j]) * static_cast<double>(d[v * n + j]);
                off = std::max(off, std::abs(sum));
            }
        CHECK(off < 4 * static_cast<double>(std::numeric_limits<T>::epsilon()));
    }
}

TEST_CASE("chunks are the largest whose sides divide those of the matrix")
{
    CHECK(gc::largest_divisor(1, 64) == 1);
    CHECK(gc::largest_divisor(50, 64) == 50);
    CHECK(gc::largest_divisor(128, 64) == 64);
    CHECK(gc::largest_divisor(784, 64) == 56);
    CHECK(gc::largest_divisor(67, 64) == 1);
    const gc::dct_form matrix = gc::make_dct_form({"w", {128, 10, 5}}, 64, 32);
    CHECK(matrix.rows == 128);
    CHECK(matrix.columns == 50);
    CHECK(matrix.height == 64);
    CHECK(matrix.width == 50);
    CHECK(matrix.kept == 32);
    CHECK(matrix.chunks().chunks() == 2);
    CHECK(matrix.chunks().total() == 64);
    const gc::dct_form vector = gc::make_dct_form({"b", {30}}, 8, 32);
    CHECK(vector.rows == 5);
    CHECK(vector.columns == 6);
    CHECK(vector.area() == 6);
    CHECK(vector.kept == 6);
    CHECK(gc::make_dct_form({"s", {}}, 8, 32).area() == 1);
    CHECK(gc::make_dct_form({"no", {0, 3}}, 8, 32).chunks().total() == 0);
}

TEST_CASE("every element of a matrix is in one chunk, left to right and downwards")
{
    const gc::dct_form form = gc::make_dct_form({"w", {6, 8}}, 4, 1); // chunks of 3 x 4
    std::vector<int> times(48);
    for (std::size_t c = 0; c < form.chunks().chunks(); ++c)
        for (std::size_t i = 0; i < form.area(); ++i) ++times[form.first(c) + form.element(i)];
    CHECK(times == std::vector<int>(48, 1));
    CHECK(form.first(1) == 4);
    CHECK(form.first(2) == 24);
    CHECK(form.element(5) == 9);
}

TEST_CASE_TEMPLATE("scales bring any finite chunk into range, and take nothing but what is too large or too small", T, float, double)
{
    using limits = gc::scale_limits<T>;
    CHECK(gc::dct_scale<T>::of(limits::least / 2).down == 0);
    for (const T largest : {limits::least, T(1), T(3), limits::most, std::numeric_limits<T>::max()}) {
        const auto scale = gc::dct_scale<T>::of(largest);
        CAPTURE(largest);
        CHECK(scale.up * scale.down == 1);
        CHECK(largest * scale.down <= 4);
        CHECK(gc::is_finite(scale.coefficient(T(256))));
        CHECK(std::abs(scale.coefficient(T(-256))) <= gc::power_of_two<T>(gc::dct_scale<T>::highest));
        if (largest <= T(3)) CHECK(scale.coefficient(T(64)) == T(64) * scale.up);
    }
}
