/// @file qsgd and tern_grad: levels, norms, unbiasedness, the numbers that decide about error feedback.
#include "quantizing.hpp"

using namespace quantizing;
using gc::norm;

TEST_CASE("multiples of the step are sent as they are")
{
    std::vector<float> x;
    for (int q = -127; q <= 127; ++q) x.push_back(static_cast<float>(q) * 0.5f);
    for (const std::uint32_t step : {0u, 5u}) {
        const auto c = compressed(gc::qsgd<norm::infinity>{}, x, step);
        for (std::size_t i = 0; i < x.size(); ++i) CHECK(c[i] == doctest::Approx(x[i]).epsilon(1e-6));
    }
    CHECK((compressed(gc::qsgd<norm::two>{.bits = 2}, std::vector<float>{0, -5, 0, 0, 0, 0, 0, 0}) == std::vector<float>{0, -5, 0, 0, 0, 0, 0, 0}));
}

TEST_CASE("the 2-norm is that of the bucket, without overflow and without underflow")
{
    for (const float unit : {1e-30f, 1.0f, 1e37f}) {
        const auto message = message_of(gc::qsgd<norm::two>{}, std::vector<float>{3 * unit, 4 * unit});
        float scale;
        std::memcpy(&scale, message.data(), 4);
        CHECK(scale == doctest::Approx(5 * unit).epsilon(1e-6));
    }
    for (const float c : compressed(gc::qsgd<norm::two>{}, std::vector<float>(512, 3e38f))) REQUIRE(gc::is_finite(c));
    for (const float c : compressed(gc::qsgd<norm::one>{.bits = 3}, std::vector<float>(512, 3e38f))) REQUIRE(gc::is_finite(c));
    for (const float c : compressed(gc::qsgd<norm::two>{}, std::vector<float>(512, 1e-44f))) REQUIRE(c == 0);
}

TEST_CASE("codes of b bits are packed, and the sizes are exact")
{
    for (int bits = 2; bits <= 8; ++bits)
        CHECK(message_of(gc::qsgd<>{.bits = bits}, std::vector<float>(1024, 1.0f)).size() == 16 + 128 * static_cast<std::size_t>(bits));
    const auto message = message_of(gc::tern_grad{}, std::vector<float>{1, -1, 0, 1});
    CHECK(message[16] == std::byte{0b10010010}); // 2, 0, 1, 2
}

TEST_CASE("linear dithering is unbiased, at every number of bits and norm")
{
    std::vector<float> x{1, -0.3f, 0.01f, 0.77f, -0.5f, 0.123f, 0.999f, -1e-3f};
    for (const int bits : {2, 3, 4, 8}) is_unbiased(gc::qsgd<norm::infinity>{.bits = bits}, x, std::vector<double>(8, 1.0 / ((1 << (bits - 1)) - 1)));
    is_unbiased(gc::qsgd<norm::two>{.bits = 4}, x, std::vector<double>(8, 1.72 / 7));
    is_unbiased(gc::qsgd<norm::one>{.bits = 4}, x, std::vector<double>(8, 3.8 / 7));
    is_unbiased(gc::tern_grad{}, x, std::vector<double>(8, 1));
}

TEST_CASE("too few levels for a bucket are no contraction, and the classes say so")
{
    CHECK(gc::qsgd<>{.bits = 8}.classes(512).b3);
    CHECK(!gc::qsgd<>{.bits = 4}.classes(512).b3);
    CHECK(gc::qsgd<>{.bits = 4, .bucket = 64}.classes(512).b3);
    CHECK(gc::tern_grad{}.classes(512).u->zeta == doctest::Approx((1 + std::sqrt(512.0)) / 2));
    CHECK(gc::scaled{.lambda = 1 / 11.9, .of = gc::tern_grad{}}.classes(512).b3);
}

TEST_CASE("ranks draw their own random bits, and each step anew")
{
    const std::vector<float> x = input<float>(pattern::uniform, 300, 5), none(300);
    coding<float, gc::qsgd<>> zero({.bits = 3}, one_tensor(300)), one({.bits = 3}, one_tensor(300), {.rank = 1});
    CHECK(zero.encode(none, x, 0).message != one.encode(none, x, 0).message);
    CHECK(zero.encode(none, x, 0).message != zero.encode(none, x, 1).message);
    CHECK(zero.encode(none, x, 4).message == zero.encode(none, x, 4).message);
}

TEST_CASE("wrong options and damaged messages are refused or harmless")
{
    CHECK(complaint([] { gc::qsgd<>{.bits = 1}.check(); }) == "invalid_option bits 1");
    CHECK(complaint([] { gc::qsgd<>{.bits = 9}.check(); }) == "invalid_option bits 9");
    CHECK(complaint([] { gc::qsgd<>{.bucket = 4}.check(); }) == "invalid_option bucket 4");
    CHECK(complaint([] { (gc::scaled{.lambda = 1.5, .of = gc::qsgd<>{}}.check()); }) == "invalid_option lambda 1.5");
    flips_do_no_harm(gc::qsgd<>{.bits = 5, .bucket = 16}, input<float>(pattern::uniform, 37, 1));
    flips_do_no_harm(gc::qsgd<>{}, std::vector<float>(9, 1e38f));
}
