/// @file min_max, casts and levels from tables: known answers, unbiasedness, limits.
#include "quantizing.hpp"

#include <limits>

using namespace quantizing;
using gc::norm, gc::rounding;

namespace {

template <class Format> std::uint16_t code_of(float x, float largest)
{
    const auto message = message_of(gc::cast<Format>{}, std::vector<float>{x, largest});
    std::uint16_t code = 0;
    std::memcpy(&code, message.data() + 16, (Format::width + 7) / 8);
    return code;
}

} // namespace

TEST_CASE("min_max sends its ends and what lies on a level")
{
    std::vector<float> x;
    for (int q = 0; q <= 255; ++q) x.push_back(-3 + 0.25f * static_cast<float>(q));
    CHECK(compressed(gc::min_max<rounding::nearest>{}, x) == x);
    CHECK((compressed(gc::min_max<rounding::nearest>{.bits = 1}, std::vector<float>{-1, 0.4f, 0.6f, 1, -0.1f}) == std::vector<float>{-1, 1, 1, 1, -1}));
    const std::vector<double> flat(20, -0.7);
    CHECK(compressed(gc::min_max<>{}, flat) == flat);
    for (const float c : compressed(gc::min_max<>{}, std::vector<float>{-3e38f, 3e38f, 0})) CHECK(gc::is_finite(c));
}

TEST_CASE("the whole part of a number is cut before it becomes an integer")
{
    constexpr float inf = std::numeric_limits<float>::infinity();
    for (const float x : {-inf, -1e30f, -1.0f, -0.0f, 0.0f, 0.99f}) CHECK(gc::whole_part(x, 255.0f) == 0);
    for (const float x : {255.0f, 255.9f, 256.0f, 2147483648.0f, 1e30f, inf}) CHECK(gc::whole_part(x, 255.0f) == 255);
    CHECK(gc::whole_part(1.0f, 255.0f) == 1);
    CHECK(gc::whole_part(254.99f, 255.0f) == 254);
    CHECK(gc::whole_part(1e300, 7.0) == 7);
    CHECK(gc::whole_part(-1e300, 7.0) == 0);
    CHECK(gc::whole_part(6.5, 7.0) == 6);
}

TEST_CASE_TEMPLATE("min_max of a bucket that is wider than any number keeps its ends apart, and nothing becomes Inf", T, float, double)
{
    constexpr T largest = std::numeric_limits<T>::max(), most = gc::scale_limits<T>::most;
    const auto keeps = [](const auto& compressor, const std::vector<T>& pattern, const std::vector<T>& expected) {
        std::vector<T> x;
        for (int times = 0; times < 200; ++times) x.insert(x.end(), pattern.begin(), pattern.end());
        coding<T, std::decay_t<decltype(compressor)>> run(compressor, one_tensor(x.size()));
        const auto out = run.encode(std::vector<T>(x.size()), x, 0);
        run.check(out.message);
        const auto c = run.decode(out.message).value;
        std::size_t wrong = 0;
        for (std::size_t i = 0; i < x.size(); ++i) wrong += !(std::abs(c[i] - expected[i % pattern.size()]) <= most / 100 && gc::is_finite(out.left[i]));
        CHECK(wrong == 0);
    };
    const T beside = most * (1 - std::numeric_limits<T>::epsilon());
    for (const gc::exec::isa level : supported_isas()) {
        const forced_isa here(level);
        keeps(gc::min_max<rounding::nearest>{}, {-largest, largest, most, -most, 0}, {-most, most, most, -most, 0});
        keeps(gc::min_max<rounding::stochastic>{}, {-largest, largest, most, -most, 0}, {-most, most, most, -most, 0});
        // A step so small that the quotient is no integer of 32 bits.
        keeps(gc::min_max<rounding::nearest>{}, {beside, largest, largest}, {beside, most, most});
        keeps(gc::min_max<rounding::nearest>{}, {-beside, -largest, -largest}, {-beside, -most, -most});
    }
}

TEST_CASE("min_max is unbiased")
{
    const std::vector<float> x{-1, 1, 0.1f, -0.03f, 0.77f, 0.5f, -0.999f, 0.999f};
    for (const int bits : {1, 2, 5, 8}) is_unbiased(gc::min_max<>{.bits = bits}, x, std::vector<double>(8, 2.0 / ((1 << bits) - 1)));
}

TEST_CASE("the codes of a cast are those of the format, relative to the bucket's power of two")
{
    // The largest element, a power of two, becomes the format's largest power of two.
    CHECK(code_of<gc::half>(1, 1) == 0x7800);
    CHECK(code_of<gc::half>(-0.5f, 1) == 0xf400);
    CHECK(code_of<gc::half>(1 - 0x1p-12f, 1) == 0x7800);           // a tie, to even
    CHECK(code_of<gc::half>(1 - 0x3p-12f, 1) == 0x77fe);           // a tie, to even
    CHECK(code_of<gc::half>(0x1p-39f, 1) == 0x0001);               // the smallest number
    CHECK(code_of<gc::half>(0x1p-40f, 1) == 0x0000);
    CHECK(code_of<gc::half>(0x3p-40f, 1) == 0x0002);
    CHECK(code_of<gc::bfloat16>(1.0078125f, 2) == 0x3f01);
    CHECK(code_of<gc::bfloat16>(-1.5f, 1.5f) == 0xbf40);
    CHECK(code_of<gc::fp8_e4m3>(1, 1) == 0x78);
    CHECK(code_of<gc::fp8_e4m3>(0x1p-17f, 1) == 0x01);
    CHECK(code_of<gc::fp8_e5m2>(1, 1) == 0x78);
}

TEST_CASE("a cast keeps what its format holds, for every code of the 8-bit formats and many of the others")
{
    const auto all = [](auto format, int step) {
        using Format = decltype(format);
        const gc::cast_code<float, Format, rounding::nearest> code;
        const float wire[1] = {1};
        const auto bucket = code.open(wire);
        for (std::uint32_t q = 0; q < 1u << (Format::width - 1); q += static_cast<std::uint32_t>(step)) {
            const float v = code.decode(q, bucket);
            REQUIRE(gc::is_finite(v));
            if (q > code.encode(1, bucket, 0)) break; // what is never sent means 1, too
            REQUIRE(code.encode(v, bucket, 0) == q);
            REQUIRE(code.encode(-v, bucket, 0) == (q | 1u << (Format::width - 1)));
        }
    };
    all(gc::fp8_e4m3{}, 1);
    all(gc::fp8_e5m2{}, 1);
    all(gc::half{}, 1);
}

TEST_CASE("casts are unbiased when they round at random")
{
    const std::vector<float> x{1, 0.3f, -0.77f, 0.01f, 1e-3f, -1e-5f, 0x1.8p-17f, 0.999f};
    std::vector<double> e4m3, half, bfloat16;
    for (const float v : x) {
        const int e = std::ilogb(v);
        e4m3.push_back(std::ldexp(1.0, std::max(e, -14) - 3));
        half.push_back(std::ldexp(1.0, e - 10));
        bfloat16.push_back(std::ldexp(1.0, e - 7));
    }
    is_unbiased(gc::cast<gc::fp8_e4m3, rounding::stochastic>{}, x, e4m3);
    is_unbiased(gc::cast<gc::half, rounding::stochastic>{}, x, half);
    is_unbiased(gc::cast<gc::bfloat16, rounding::stochastic>{}, x, bfloat16);
}

TEST_CASE("levels from a table: nearest ones, ties down, and what lies on a level stays")
{
    const gc::level_rounding<rounding::nearest> nearest{.levels = {0.25, 0.5, 1}};
    CHECK((compressed(nearest, std::vector<float>{8, -4, 2, 3.1f, 3, 0.9f, -1.1f, 0}) == std::vector<float>{8, -4, 2, 4, 2, 0, -2, 0}));
    const gc::exponential_rounding<rounding::nearest> powers{.base = 3, .levels = 20};
    const auto c = compressed(powers, std::vector<float>{9, -1, 5.9f, 6.1f, 1.0f / 3, 0});
    const std::vector<float> wanted{9, -1, 3, 9, 1.0f / 3, 0};
    for (std::size_t i = 0; i < c.size(); ++i) CHECK(c[i] == doctest::Approx(wanted[i]).epsilon(1e-6));
}

TEST_CASE("absolute levels: each number by itself, whatever its neighbours are, and the last level for what is above it")
{
    const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
    const gc::level_rounding<rounding::nearest, gc::level_scale::absolute> nearest{.levels = {0.5, 2, 3}};
    const std::vector<float> x{0.2f, 0.3f, -1.2f, 1.3f, 2.5f, -2.6f, 3, -1e30f, 0, inf, -inf, nan, -nan, 1e-30f};
    CHECK((compressed(nearest, x) == std::vector<float>{0, 0.5f, -0.5f, 2, 2, -3, 3, -3, 0, 3, -3, 0, 0, 0}));
    CHECK(message_of(nearest, x).size() == 16); // 14 codes of 3 bits, no parameters
    CHECK(gc::theory::has_no_guarantee(nearest.classes(14)));
    const gc::level_rounding<rounding::stochastic, gc::level_scale::absolute> random{.levels = {0.5, 2, 3}};
    is_unbiased(random, {0.1f, -0.3f, 1, 2.25f, -3, 0.5f}, {0.5, 0.5, 1.5, 1, 1, 1.5});
    CHECK(compressed(random, std::vector<float>{-7}) == std::vector<float>{-3});
    CHECK(complaint([] { gc::level_rounding<rounding::nearest, gc::level_scale::absolute>{.levels = {1, 1e31}}.check(); }) == "invalid_option levels 1e+31");
}

TEST_CASE("dithering and rounding to levels are unbiased")
{
    const std::vector<float> x{1, -0.3f, 0.01f, 0.77f, -0.5f, 0.123f, 0.999f, -0.05f};
    const double two = 1.72, one = 3.76; // norms of x, rounded up
    is_unbiased(gc::natural_dithering(5), x, std::vector<double>(8, two / 2));
    is_unbiased(gc::exponential_dithering<norm::one>{.base = 1.5, .levels = 15}, x, std::vector<double>(8, one / 3));
    is_unbiased(gc::exponential_rounding<>{.base = 3, .levels = 30}, x, std::vector<double>(8, 2));
    is_unbiased(gc::level_rounding<>{.levels = {0.1, 0.4, 0.5, 1}}, x, std::vector<double>(8, 0.5));
}

TEST_CASE("exponential rounding of base 2 is natural compression's operator")
{
    const auto a = gc::exponential_rounding<>{.base = 2, .levels = 100}.classes(512);
    CHECK(a.u->zeta == doctest::Approx(9.0 / 8));
    CHECK(gc::exponential_rounding<rounding::nearest>{.base = 2, .levels = 100}.classes(512).b3->delta == doctest::Approx(9.0 / 8));
}

TEST_CASE("options outside their range are refused by field and value")
{
    CHECK(complaint([] { gc::min_max<>{.bits = 9}.check(); }) == "invalid_option bits 9");
    CHECK(complaint([] { gc::exponential_dithering<>{.base = 1}.check(); }) == "invalid_option base 1");
    CHECK(complaint([] { gc::exponential_dithering<>{.levels = 128}.check(); }) == "invalid_option levels 128");
    CHECK(complaint([] { gc::exponential_rounding<>{.base = 10, .levels = 60}.check(); }) == "invalid_option levels 60");
    CHECK(complaint([] { gc::level_rounding<>{.levels = {0.5, 0.4, 1}}.check(); }) == "invalid_option levels[1] 0.4");
    CHECK(complaint([] { gc::level_rounding<>{.levels = {0.5}}.check(); }) == "invalid_option levels 0.5");
}

TEST_CASE("damaged messages of rounding quantizers do no harm")
{
    const auto x = input<float>(pattern::uniform, 21, 1);
    flips_do_no_harm(gc::min_max<>{.bits = 7}, x);
    flips_do_no_harm(gc::cast<gc::fp8_e4m3>{}, x);
    flips_do_no_harm(gc::cast<gc::half>{}, x);
    flips_do_no_harm(gc::natural_dithering(5), x);
    flips_do_no_harm(gc::exponential_rounding<>{}, x);
}

/// How often the fast form says something else than the code that it stands for, around each level and halfway to the next.
template <class Code, class Fast> std::size_t differences(const Code& code, const Fast& fast)
{
    using T = typename Code::value_type;
    const T wire[1] = {T(1.5)};
    const auto bucket = code.open(wire);
    const T unit = Code::parameters > 0 ? wire[0] : T(1);
    std::vector<T> x{0, T(-0.0), std::numeric_limits<T>::denorm_min(), std::numeric_limits<T>::min(), T(0.3), T(-6), T(5.9)};
    if (Code::absolute_levels) x.insert(x.end(), {std::numeric_limits<T>::quiet_NaN(), -std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::max()});
    for (std::size_t k = 0; k <= code.count; ++k)
        for (const T y : {code.level[k], (code.level[k] + code.level[k < code.count ? k + 1 : k]) / 2})
            for (const T factor : {T(1), 1 - std::numeric_limits<T>::epsilon(), 1 + std::numeric_limits<T>::epsilon()}) x.push_back(y * unit * factor), x.push_back(-x.back());
    std::size_t wrong = 0;
    for (const T p : x)
        for (const std::uint32_t random : {0u, 1u, 21845u, 32767u, 32768u, 65535u}) {
            const std::uint32_t q = code.encode(p, bucket, random);
            wrong += fast.encode(p, bucket, random) != q || gc::bits_of(fast.decode(q, bucket)) != gc::bits_of(code.decode(q, bucket));
        }
    return wrong;
}

TEST_CASE_TEMPLATE("levels that halve are found without their table, with the same codes and values", T, float, double)
{
    const auto compare = [](auto code) {
        REQUIRE(code.is_halved);
        CHECK(differences(code, code.where_halved()) == 0);
    };
    for (const std::size_t count : {1u, 2u, 3u, 7u, 8u, 15u, 63u, 100u}) {
        CAPTURE(count);
        compare(gc::exponential_dithering<norm::two>{.levels = count}.template code<T>());
        compare(gc::exponential_dithering<norm::infinity, rounding::nearest>{.levels = count}.code<T>());
        compare(gc::exponential_rounding<>{.levels = count}.code<T>());
    }
    CHECK(!gc::exponential_dithering<>{.base = 3}.code<T>().is_halved);
    CHECK(!gc::level_rounding<rounding::nearest>{.levels = {0.25, 0.5, 0.9, 1}}.code<T>().is_halved);
    CHECK(gc::level_rounding<rounding::nearest>{.levels = {0.25, 0.5, 1}}.code<T>().is_halved);
    CHECK(!gc::level_rounding<rounding::nearest>{.levels = {0.3, 1}}.code<T>().is_halved);
}

TEST_CASE_TEMPLATE("few levels are compared one by one, with the same codes and values as from their table", T, float, double)
{
    const auto compare = [](auto code) {
        REQUIRE(code.is_few());
        CHECK(differences(code, code.where_few()) == 0);
    };
    for (const std::size_t count : {1u, 2u, 7u, 14u, 15u}) {
        CAPTURE(count);
        compare(gc::exponential_dithering<norm::two>{.base = 1.5, .levels = count}.template code<T>());
        compare(gc::exponential_dithering<norm::infinity, rounding::nearest>{.base = 1.01, .levels = count}.code<T>());
        compare(gc::exponential_rounding<>{.base = 3, .levels = count}.code<T>());
    }
    compare(gc::level_rounding<>{}.code<T>());
    compare(gc::level_rounding<rounding::nearest>{.levels = {0.3, 1}}.code<T>());
    compare(gc::level_rounding<rounding::stochastic, gc::level_scale::absolute>{.levels = {0.01, 0.3, 2, 5.5}}.template code<T>());
    compare(gc::level_rounding<rounding::nearest, gc::level_scale::absolute>{.levels = {4}}.template code<T>());
    CHECK(!gc::exponential_dithering<>{.base = 1.5, .levels = 16}.code<T>().is_few());
}
