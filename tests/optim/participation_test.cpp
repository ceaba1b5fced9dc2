/// @file Which workers take part in a round.
#include <gradcomp/optim/participation.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

namespace gc = gradcomp;

TEST_CASE("in each round exactly `drawn` workers take part, and over many rounds all equally often, in pairs as well")
{
    constexpr std::uint32_t rounds = 20000;
    for (const std::size_t drawn : {1u, 3u, 8u}) {
        CAPTURE(drawn);
        const gc::participation of{.workers = 8, .drawn = drawn, .seed = 3};
        of.check();
        std::vector<double> often(8), together(8);
        for (std::uint32_t round = 0; round < rounds; ++round) {
            std::size_t count = 0;
            for (std::size_t worker = 0; worker < 8; ++worker) {
                if (!of.takes_part(worker, round)) continue;
                ++count;
                often[worker] += 1;
                together[worker] += of.takes_part(0, round) ? 1 : 0;
            }
            REQUIRE(count == drawn);
        }
        const double share = static_cast<double>(drawn) / 8, pair = share * static_cast<double>(drawn - 1) / 7;
        for (std::size_t worker = 0; worker < 8; ++worker) {
            CHECK(std::abs(often[worker] - share * rounds) <= 5 * std::sqrt(rounds * share * (1 - share)));
            if (worker > 0) CHECK(std::abs(together[worker] - pair * rounds) <= 5 * std::sqrt(rounds * pair * (1 - pair)));
        }
        CHECK(of.weight() == 8.0 / static_cast<double>(drawn));
    }
}

TEST_CASE("the draw follows the seed and the round, and options are checked")
{
    const gc::participation a{.workers = 20, .drawn = 5, .seed = 1}, b{.workers = 20, .drawn = 5, .seed = 2};
    int by_seed = 0, by_round = 0;
    for (std::size_t worker = 0; worker < 20; ++worker) {
        by_seed += a.takes_part(worker, 0) != b.takes_part(worker, 0);
        by_round += a.takes_part(worker, 0) != a.takes_part(worker, 1);
        CHECK(a.takes_part(worker, 7) == gc::participation{.workers = 20, .drawn = 5, .seed = 1}.takes_part(worker, 7));
    }
    CHECK(by_seed > 0);
    CHECK(by_round > 0);
    CHECK_THROWS_WITH_AS((gc::participation{.workers = 4, .drawn = 5}.check()), doctest::Contains("drawn = 5"), gc::error);
    CHECK_THROWS_WITH_AS((gc::participation{.workers = 4, .drawn = 0}.check()), doctest::Contains("drawn = 0"), gc::error);
    CHECK_THROWS_WITH_AS((gc::participation{.workers = 0, .drawn = 0}.check()), doctest::Contains("workers = 0"), gc::error);
}
