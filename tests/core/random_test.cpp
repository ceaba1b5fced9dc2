/// @file The counter layout of the random streams, which is a contract, and the integers that are drawn from them.
#include <gradcomp/core/random.hpp>

#include <doctest/doctest.h>

#include <array>
#include <vector>

namespace gc = gradcomp;

namespace {

using wide = unsigned __int128;

/// Philox4x32-10 written down a second time, from the paper's description: two multiplications a round, keys bumped between rounds.
std::array<std::uint32_t, 4> plain_philox(std::array<std::uint32_t, 4> c, std::uint32_t k0, std::uint32_t k1)
{
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t left = 0xD2511F53ull * c[0], right = 0xCD9E8D57ull * c[2];
        const std::uint32_t c1 = c[1], c3 = c[3];
        c[0] = static_cast<std::uint32_t>(right >> 32) ^ c1 ^ k0;
        c[1] = static_cast<std::uint32_t>(right);
        c[2] = static_cast<std::uint32_t>(left >> 32) ^ c3 ^ k1;
        c[3] = static_cast<std::uint32_t>(left);
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return c;
}

} // namespace

TEST_CASE("a stream's words are Philox of {block, step, tensor, purpose | owner << 8} under the seed, low word first")
{
    for (const std::uint64_t seed : {0ull, 1ull, 0x123456789abcdef0ull, ~0ull})
        for (const std::uint32_t step : {0u, 1u, 4000000000u})
            for (const std::uint32_t tensor : {0u, 7u})
                for (const gc::purpose use : {gc::purpose::random_block, gc::purpose::rand_k, gc::purpose::sample, gc::purpose::rounding})
                    for (const std::uint32_t owner : {0u, 1u, 300u})
                        for (const std::uint32_t at : {0u, 1u, 0xffffffffu}) {
                            const gc::word4 w = gc::random_stream{seed, step, tensor, use, owner}.block(at);
                            const auto expected = plain_philox({at, step, tensor, static_cast<std::uint32_t>(use) | owner << 8},
                                static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32));
                            REQUIRE(std::array{w.at[0], w.at[1], w.at[2], w.at[3]} == expected);
                        }
}

TEST_CASE("the numbers of the purposes are those of the wire contract")
{
    CHECK(static_cast<std::uint32_t>(gc::purpose::random_block) == 1);
    CHECK(static_cast<std::uint32_t>(gc::purpose::rand_k) == 2);
    CHECK(static_cast<std::uint32_t>(gc::purpose::sample) == 3);
    CHECK(static_cast<std::uint32_t>(gc::purpose::rounding) == 4);
}

TEST_CASE("known answers of the layout hold")
{
    const gc::random_stream shared{0x0123456789abcdefull, 42, 3, gc::purpose::random_block, 0}, own{0x0123456789abcdefull, 42, 3, gc::purpose::rand_k, 6};
    CHECK(shared.block(0) == gc::word4{{0xa2090808u, 0xffd82682u, 0x59024c54u, 0x6076a8ceu}});
    CHECK(shared.block(1) == gc::word4{{0x5089decbu, 0x9256b0fbu, 0xa24bd5d4u, 0x2874d1c0u}});
    CHECK(own.block(0) == gc::word4{{0x9cb8eb2cu, 0x9c93ad04u, 0xce717cdau, 0x0dc8d860u}});
    CHECK(own.block(0xfffffffeu) == gc::word4{{0x9bd9844eu, 0xb38aba64u, 0x0a230fecu, 0xaaa5f6beu}});
    CHECK(shared.below(1000000007) == 999391950);
    CHECK(own.below(25557032, 2) == 6999863);
}

TEST_CASE("below(n) is the high half of 64 random bits times n")
{
    std::size_t wrong = 0;
    for (std::uint32_t step = 0; step < 2000; ++step) {
        const gc::random_stream stream{99, step, 1, gc::purpose::rand_k, 0};
        const gc::word4 w = stream.block(step % 3);
        const std::uint64_t r = std::uint64_t{w.at[1]} << 32 | w.at[0];
        for (const std::uint64_t n : {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{3}, std::uint64_t{0xffffffff}, std::uint64_t{0x100000000}, std::uint64_t{0x123456789abcdef},
                 ~std::uint64_t{0}, std::uint64_t{1} << 63}) {
            const auto expected = static_cast<std::uint64_t>(static_cast<wide>(r) * n >> 64);
            wrong += stream.below(n, step % 3) != expected || expected >= n;
        }
    }
    CHECK(wrong == 0);
}

TEST_CASE("below(n) is uniform")
{
    for (const std::uint64_t n : {2u, 3u, 7u, 10u, 97u}) {
        constexpr std::uint32_t draws = 50000;
        std::vector<double> count(n);
        for (std::uint32_t step = 0; step < draws; ++step) ++count[gc::random_stream{5, step, 2, gc::purpose::random_block, 0}.below(n)];
        const double expected = double(draws) / double(n);
        double chi2 = 0;
        for (const double c : count) chi2 += (c - expected) * (c - expected) / expected;
        const double degrees = double(n - 1);
        CAPTURE(n);
        CAPTURE(chi2);
        CHECK((chi2 - degrees) * (chi2 - degrees) < 36 * 2 * degrees);
    }
}

TEST_CASE("every field of a stream changes its words")
{
    const gc::random_stream base{1, 2, 3, gc::purpose::rand_k, 4};
    for (const gc::random_stream other : {gc::random_stream{2, 2, 3, gc::purpose::rand_k, 4}, gc::random_stream{1 + (1ull << 32), 2, 3, gc::purpose::rand_k, 4},
             gc::random_stream{1, 3, 3, gc::purpose::rand_k, 4}, gc::random_stream{1, 2, 4, gc::purpose::rand_k, 4}, gc::random_stream{1, 2, 3, gc::purpose::sample, 4},
             gc::random_stream{1, 2, 3, gc::purpose::rand_k, 5}})
        CHECK(!(base.block(0) == other.block(0)));
    CHECK(!(base.block(0) == base.block(1)));
}
