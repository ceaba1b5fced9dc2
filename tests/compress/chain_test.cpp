/// @file chain: what it sends, what stays behind, its classes, and hostile messages.
#include "quantizing.hpp"

using namespace quantizing;

TEST_CASE("top_k, then 8 bits: k values quantized, indices of 16 bits")
{
    const gc::chain compressor{gc::top_k{.k = 3}, gc::min_max<gc::rounding::nearest>{}};
    std::vector<float> x(1000);
    x[10] = 5;
    x[500] = -250;
    x[999] = 5;
    x[3] = 1;
    const auto message = message_of(compressor, x);
    CHECK(message.size() == 16 + 16 + 8); // parameters, codes, three indices
    const auto c = compressed(compressor, x);
    CHECK(c[10] == 5);
    CHECK(c[500] == -250);
    CHECK(c[3] == 0);
    std::uint16_t index[3];
    std::memcpy(index, message.data() + 32, 6);
    CHECK((index[0] == 10 && index[1] == 500 && index[2] == 999));
}

TEST_CASE("large tensors count the indices of each tile of 65536, when that is shorter")
{
    const std::size_t n = 200'000;
    const auto x = input<float>(pattern::uniform, n, 3);
    const gc::chain many{gc::top_k{.ratio = 100}, gc::cast<gc::half>{}}, few{gc::top_k{.k = 6}, gc::cast<gc::half>{}};
    CHECK(message_of(many, x).size() == 16 + 4000 + 4 * 4 + 2 * 2000);
    CHECK(message_of(few, x).size() == 16 + 16 + 4 * 6);
    const auto c = compressed(many, x), plain = compressed(gc::top_k{.ratio = 100}, x);
    for (std::size_t i = 0; i < n; ++i) REQUIRE(std::abs(c[i] - plain[i]) <= 0.001f * std::abs(plain[i]));
}

TEST_CASE("the class of a composition follows from its parts")
{
    const auto of = gc::chain{gc::top_k{.ratio = 10}, gc::natural<>{}}.classes(1000);
    CHECK(of.b3->delta == doctest::Approx(10 * 8.0 / 7));
    CHECK(of.b2->gamma == doctest::Approx(0.1));
    CHECK(of.b2->beta == doctest::Approx(9.0 / 8));
    // zeta >= 2 may expand; divided by zeta it contracts with zeta d / k.
    CHECK(!gc::chain{gc::top_k{.ratio = 10}, gc::tern_grad{}}.classes(10000).b3);
    const double zeta = gc::tern_grad{}.classes(1000).u->zeta;
    const auto scaled = gc::chain{gc::top_k{.ratio = 10}, gc::scaled{.lambda = 1 / zeta, .of = gc::tern_grad{}}}.classes(10000);
    CHECK(scaled.b3->delta == doctest::Approx(10 * zeta));
}

TEST_CASE("behind a sparsifier that pads its message, zeros that stand for no element reach nothing")
{
    const std::vector<float> x{1, 0, -8, 4, 0, 0, 5, 0, 0.5f, 2};
    // Room for 5, 3 reach half of the largest; so a mean of 17 / 5 over the bucket's 5 places.
    const auto few = compressed(gc::chain{gc::threshold<>{.limit = 0.5, .k = 5}, gc::block_sign{}}, x);
    const float scale = 17.0f / 5;
    for (std::size_t i = 0; i < x.size(); ++i) CHECK(few[i] == doctest::Approx(i == 2 ? -scale : i == 3 || i == 6 ? scale : 0));
    // Blocks of 4: the last one is partial, {0.5, 2}; of three the first and the second are the largest.
    const auto blocks = compressed(gc::chain{gc::block_top_k{.ratio = 1, .block = 4}, gc::min_max<gc::rounding::nearest>{}}, x);
    for (std::size_t i = 0; i < x.size(); ++i) CHECK(std::abs(blocks[i] - x[i]) <= 13.0f / 255 / 2 * 1.001f);
    flips_do_no_harm(gc::chain{gc::threshold<>{.limit = 0.5, .k = 5}, gc::qsgd<>{.bits = 4}}, x);
    flips_do_no_harm(gc::chain{gc::block_top_k{.ratio = 2, .block = 4}, gc::qsgd<>{.bits = 4}}, x);
}

TEST_CASE("a composition is unbiased, or a contraction by kind, where both its parts are")
{
    using unbiased = gc::chain<gc::rand_k<>, gc::natural<>>;
    static_assert(unbiased::unbiased && !unbiased::contractive && unbiased::shared_support && !unbiased::additive);
    static_assert(!gc::chain<gc::rand_k<>, gc::cast<gc::half>>::unbiased);
    static_assert(!gc::chain<gc::top_k, gc::natural<>>::unbiased && gc::chain<gc::top_k, gc::natural<>>::contractive);
    static_assert(!gc::chain<gc::top_k, gc::tern_grad>::contractive && !gc::chain<gc::threshold<gc::limit_unit::absolute>, gc::natural<>>::contractive);
    const gc::chain compressor{gc::rand_k<>{.ratio = 4}, gc::natural<>{}};
    CHECK(compressor.classes(100).u->zeta == doctest::Approx(4 * 9.0 / 8));
    is_unbiased(compressor, std::vector<float>{1, -0.3f, 0.7f, 2, -5, 0.01f, 3, 1}, {4, 2, 4, 8, 32, 1, 16, 4});
}

TEST_CASE("indices and counts that cannot be are refused")
{
    const gc::chain compressor{gc::top_k{.ratio = 100}, gc::cast<gc::half>{}};
    coding<float, gc::chain<gc::top_k, gc::cast<gc::half>>> run(compressor, one_tensor(200'000));
    const std::vector<float> x = input<float>(pattern::uniform, 200'000, 3), none(x.size());
    const auto good = run.encode(none, x, 0).message;
    const std::size_t counts = 16 + 4000;
    const auto with = [&](std::size_t at, std::uint32_t value) {
        auto bad = good;
        std::memcpy(bad.data() + at, &value, 4);
        return complaint([&] { run.check(bad); });
    };
    CHECK(complaint([&] { run.check(good); }) == "accepted");
    CHECK(with(counts, 4'000'000'000u) == "bad_message count[0] 4000000000");
    CHECK(with(counts, 0).rfind("bad_message count", 0) == 0);
    CHECK(with(counts + 16, 0xffff'ffffu).rfind("bad_message index", 0) == 0);
    flips_do_no_harm(gc::chain{gc::top_k{.ratio = 4}, gc::qsgd<>{.bits = 4}}, input<float>(pattern::heavy, 40, 1));
}
