/// @file sign: its exact scale, its bits on the wire, and what it does at 0.
#include "quantizing.hpp"

using namespace quantizing;

TEST_CASE("sign sends mean |x| once and one bit an element, set below 0")
{
    const std::vector<float> x{1, -2, 0, 3, -0.0f, -6, 0, 0, 4};
    CHECK((compressed(gc::sign<>{}, x) == std::vector<float>{16.0f / 9, -16.0f / 9, 16.0f / 9, 16.0f / 9, 16.0f / 9, -16.0f / 9, 16.0f / 9, 16.0f / 9, 16.0f / 9}));
    const auto message = message_of(gc::sign<>{}, x);
    REQUIRE(message.size() == 32);
    CHECK(message[16] == std::byte{0b00100010});
    CHECK(message[17] == std::byte{0});
    float scale;
    std::memcpy(&scale, message.data(), 4);
    CHECK(scale == 16.0f / 9);
}

TEST_CASE("the scale is exact over millions of elements, where a plain sum in float is not")
{
    const std::size_t n = 3'000'001;
    std::vector<float> x(n, 0.1f);
    const auto c = compressed(gc::sign<>{}, x);
    CHECK(std::abs(c[n - 1] - 0.1f) <= 3e-8f); // two units in the last place: 16 additions a lane
    x[7] = -0.1f;
    CHECK(compressed(gc::sign<>{}, x)[7] == -c[7]);
}

TEST_CASE("sign without a scale sends bits alone")
{
    CHECK((compressed(gc::sign<gc::sign_scale::none>{}, std::vector<double>{-7, 0, 1e-300}) == std::vector<double>{-1, 1, 1}));
    CHECK(message_of(gc::sign<gc::sign_scale::none>{}, std::vector<float>(100, -1.0f)).size() == 16);
    CHECK(gc::theory::has_no_guarantee(gc::sign<gc::sign_scale::none>{}.classes(10)));
}

TEST_CASE("zeros, denormals and the largest numbers give no NaN and no Inf")
{
    for (const float v : {0.0f, 1e-45f, 1e-31f, 3e38f})
        for (const float c : compressed(gc::sign<>{}, std::vector<float>(700, v))) REQUIRE(gc::is_finite(c));
    for (const double v : {0.0, 5e-324, 1e308})
        for (const double c : compressed(gc::sign<>{}, std::vector<double>(700, v))) REQUIRE(gc::is_finite(c));
}

TEST_CASE("a scale that is no mean of magnitudes is refused")
{
    coding<float, gc::sign<>> run({}, one_tensor(20));
    auto message = message_of(gc::sign<>{}, std::vector<float>(20, 1.0f));
    const auto with = [&](float scale) {
        std::memcpy(message.data(), &scale, 4);
        return complaint([&] { run.check(message); });
    };
    CHECK(with(0.5f) == "accepted");
    CHECK(with(0.0f) == "accepted");
    CHECK(with(-0.5f) == "bad_message parameter[0] -0.5");
    CHECK(with(std::numeric_limits<float>::infinity()) == "bad_message parameter[0] inf");
    CHECK(with(1e-40f).rfind("bad_message", 0) == 0);
    flips_do_no_harm(gc::sign<>{}, std::vector<float>(20, 1.5f));
}

TEST_CASE("block_sign has a scale for each block")
{
    std::vector<float> x(48, 1.0f);
    for (std::size_t i = 16; i < 32; ++i) x[i] = -4;
    for (std::size_t i = 32; i < 48; ++i) x[i] = i % 2 ? 8.0f : 0.0f;
    const auto c = compressed(gc::block_sign{.bucket = 16}, x);
    CHECK(c[0] == 1);
    CHECK(c[20] == -4);
    CHECK(c[40] == 4);
    CHECK(complaint([] { gc::block_sign{.bucket = 24}.check(); }) == "invalid_option bucket 24");
    CHECK(complaint([] { gc::block_sign{.bucket = 1024}.check(); }) == "invalid_option bucket 1024");
    flips_do_no_harm(gc::block_sign{.bucket = 16}, x);
}
