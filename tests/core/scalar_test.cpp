/// @file The scalar functions that every executor computes with the same bits.
#include <gradcomp/core/scalar.hpp>

#include <doctest/doctest.h>

#include <initializer_list>
#include <iterator>
#include <limits>

namespace gc = gradcomp;

static_assert(gc::bits_of(1.0f) == 0x3f800000u && gc::bits_of(-0.0) == 0x8000000000000000u);
static_assert(gc::magnitude(-2.5f) == gc::bits_of(2.5f) && gc::magnitude(-0.0) == 0);

TEST_CASE("multiply_add rounds once")
{
    // (1 + e)^2 - (1 + 2e) = e^2, which two roundings lose.
    const float e = 0x1p-12f, a = 1 + e;
    CHECK(gc::multiply_add(a, a, -(1 + 2 * e)) == 0x1p-24f);
    const double f = 0x1p-27, b = 1 + f;
    CHECK(gc::multiply_add(b, b, -(1 + 2 * f)) == 0x1p-54);
    CHECK(gc::multiply_add(0x1p100f, 0x1p100f, -std::numeric_limits<float>::max()) == std::numeric_limits<float>::infinity());
    CHECK(gc::multiply_add(0x1p64f, 0x1.fp63f, -0x1p127f) == 0x1.ep126f);
}

TEST_CASE_TEMPLATE("magnitude orders NaN above Inf above finite numbers, whatever the sign", T, float, double)
{
    using limits = std::numeric_limits<T>;
    const T ascending[] = {T(0), limits::denorm_min(), limits::min(), T(1), T(2), limits::max(), limits::infinity(), limits::quiet_NaN()};
    for (std::size_t i = 0; i + 1 < std::size(ascending); ++i) {
        CHECK(gc::magnitude(ascending[i]) < gc::magnitude(ascending[i + 1]));
        CHECK(gc::magnitude(ascending[i]) < gc::magnitude(-ascending[i + 1]));
        CHECK(gc::magnitude(-ascending[i]) == gc::magnitude(ascending[i]));
    }
}

TEST_CASE_TEMPLATE("is_finite knows NaN and Inf", T, float, double)
{
    using limits = std::numeric_limits<T>;
    for (const T x : {T(0), -T(0), limits::denorm_min(), limits::max(), limits::lowest()}) CHECK(gc::is_finite(x));
    for (const T x : {limits::infinity(), -limits::infinity(), limits::quiet_NaN(), -limits::quiet_NaN(), limits::signaling_NaN()}) CHECK(!gc::is_finite(x));
    CHECK(gc::magnitude(limits::infinity()) == gc::key_of<T>::infinity);
    CHECK(std::numeric_limits<T>::digits + gc::key_of<T>::bits == (sizeof(T) == 4 ? 55 : 116));
}
