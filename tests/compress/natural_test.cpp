/// @file natural: known answers for every exponent, the two wire forms, unbiasedness.
#include "quantizing.hpp"

using namespace quantizing;

namespace {

float power(int exponent) { return std::ldexp(1.0f, exponent); }

} // namespace

TEST_CASE("powers of two of every exponent are sent as they are, of both signs")
{
    std::vector<float> x;
    for (int e = -126; e <= 127; ++e) {
        x.push_back(power(e));
        x.push_back(-power(e));
    }
    x.push_back(0);
    for (const std::uint32_t step : {0u, 1u, 2u}) CHECK(compressed(gc::natural<>{}, x, step) == x);
    std::vector<double> y;
    for (int e = -1022; e <= 1023; ++e) y.push_back(std::ldexp(-1.0, e));
    CHECK(compressed(gc::natural<>{}, y) == y);
}

TEST_CASE("between powers of every exponent one of the two is sent, the largest one never beyond 2^127")
{
    for (int e = -126; e <= 127; ++e) {
        const std::vector<float> x(64, -1.5f * power(e));
        bool low = false, high = false;
        for (const float c : compressed(gc::natural<>{}, x)) {
            low |= c == -power(e);
            high |= e < 127 && c == -2 * power(e);
            REQUIRE((c == -power(e) || (e < 127 && c == -2 * power(e))));
        }
        REQUIRE(low);
        REQUIRE((e == 127 || high));
    }
}

TEST_CASE("in double as well: every exponent's two powers, and no other value")
{
    for (int e = -1022; e <= 1023; ++e) {
        const std::vector<double> x(24, std::ldexp(1.25, e));
        for (const double c : compressed(gc::natural<>{}, x)) REQUIRE((c == std::ldexp(1.0, e) || (e < 1023 && c == std::ldexp(1.0, e + 1))));
    }
}

TEST_CASE("code i stands in bits [9 i, 9 i + 9): sign above, exponent below")
{
    const auto message = message_of(gc::natural<>{}, std::vector<float>{1, -2, 0});
    REQUIRE(message.size() == 16);
    const std::uint32_t bits = 127u | (256u | 128u) << 9;
    std::uint32_t first;
    std::memcpy(&first, message.data(), 4);
    CHECK(first == bits);
    CHECK(message_of(gc::natural<>{}, std::vector<float>(512, 1.0f)).size() == 576);
    CHECK(message_of(gc::natural<gc::exponents::per_bucket>{}, std::vector<float>(512, 1.0f)).size() == 528);
    CHECK(message_of(gc::natural<>{}, std::vector<double>(512, 1.0)).size() == 768);
}

TEST_CASE("8 bits say the same within 126 binades of the bucket's largest")
{
    std::vector<float> x;
    for (int e = -60; e <= 60; ++e) x.push_back(e % 2 ? power(e) : -power(e));
    CHECK(compressed(gc::natural<gc::exponents::per_bucket>{}, x) == x);
    const std::vector<float> wide{power(120), power(-5), power(-6), power(-7)};
    CHECK((compressed(gc::natural<gc::exponents::per_bucket>{}, wide) == std::vector<float>{power(120), power(-5), power(-6), 0}));
}

TEST_CASE("natural compression is unbiased")
{
    const std::vector<float> x{1.3f, -1.3f, 1.01f, 1.99f, 3.5f, 1e-3f, 7e30f, -5e-38f, 1e-39f, 1.5f};
    std::vector<double> gap;
    for (const float v : x) gap.push_back(std::max(static_cast<double>(power(-126)), std::ldexp(1.0, std::ilogb(v))));
    is_unbiased(gc::natural<>{}, x, gap);
    const std::vector<float> y{1.3f, -1.3f, 1.01f, 1.99f, 3.5f, 1e-3f, -5e-20f};
    is_unbiased(gc::natural<gc::exponents::per_bucket>{}, y, {1, 1, 1, 1, 2, 0x1p-10, 0x1p-64});
}

TEST_CASE("damaged messages do no harm")
{
    const auto x = input<float>(pattern::heavy, 37, 1);
    flips_do_no_harm(gc::natural<>{}, x);
    flips_do_no_harm(gc::natural<gc::exponents::per_bucket>{}, x);
}
