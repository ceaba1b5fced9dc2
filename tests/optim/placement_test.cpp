/// @file Redundant placement: exact counts, whole copies, and what survives dead workers.
#include <gradcomp/optim/placement.hpp>

#include <doctest/doctest.h>

#include <vector>

namespace gc = gradcomp;

TEST_CASE("without redundancy the shards part the samples, also where p does not divide n")
{
    for (const std::size_t samples : {0u, 1u, 7u, 64u, 1000u}) {
        const gc::redundant_placement placement{.workers = 8};
        std::size_t at = 0;
        for (std::size_t j = 0; j < 8; ++j) {
            const gc::sample_range one = placement.shard(j, samples);
            CHECK(one.begin == at);
            CHECK(one.end == samples * (j + 1) / 8);
            at = one.end;
            CHECK(placement.count(j, samples) == one.size());
        }
        CHECK(at == samples);
    }
}

TEST_CASE("mu = 0.25 of 8 workers: three whole shards each, round the end, and any two may die")
{
    const gc::redundant_placement placement{.workers = 8, .redundancy = 0.25};
    CHECK(placement.ranges(7, 80) == std::vector<gc::sample_range>{{70, 80}, {0, 10}, {10, 20}});
    CHECK(placement.failures() == 2);
    for (std::size_t a = 0; a < 8; ++a)
        for (std::size_t b = 0; b < 8; ++b) {
            std::vector<bool> alive(8, true);
            alive[a] = alive[b] = false;
            CHECK(placement.lost(alive, 80) == 0);
        }
    CHECK(placement.lost({false, false, false, true, true, true, true, true}, 80) == 10); // shard 2 lay on workers 0, 1, 2
    CHECK(placement.lost({false, true, false, true, false, true, true, true}, 80) == 0);
    CHECK(gc::redundant_placement{.workers = 8}.lost({false, true, true, true, true, true, false, true}, 80) == 20);
}

TEST_CASE("a fraction of a shard is counted exactly, and a product that rounding moves off a whole number is that number")
{
    const gc::redundant_placement placement{.workers = 10, .redundancy = 0.125}; // one shard and a quarter
    for (std::size_t j = 0; j < 10; ++j) CHECK(placement.count(j, 1000) == 225);
    CHECK(placement.ranges(9, 1000) == std::vector<gc::sample_range>{{900, 1000}, {0, 100}, {100, 125}});
    CHECK(placement.failures() == 1);
    for (std::size_t p = 2; p < 60; ++p)
        for (std::size_t whole = 0; whole < p; ++whole) {
            const gc::redundant_placement exact{.workers = p, .redundancy = static_cast<double>(whole) / static_cast<double>(p)};
            CHECK(exact.failures() == whole);
            CHECK(exact.count(p - 1, 5 * p) == 5 * (whole + 1));
        }
}

TEST_CASE("placements that hold a shard twice, no workers, or a worker that is not there are refused")
{
    CHECK_THROWS_WITH_AS((gc::redundant_placement{.workers = 4, .redundancy = 0.8}.check()), doctest::Contains("redundancy"), gc::error);
    CHECK_THROWS_WITH_AS((gc::redundant_placement{.workers = 4, .redundancy = -0.1}.check()), doctest::Contains("redundancy"), gc::error);
    CHECK_THROWS_WITH_AS((gc::redundant_placement{.workers = 4, .redundancy = 0.0 / 0.0}.check()), doctest::Contains("redundancy"), gc::error);
    CHECK_THROWS_WITH_AS((gc::redundant_placement{.workers = 0}.check()), doctest::Contains("workers"), gc::error);
    CHECK_THROWS_WITH_AS((gc::redundant_placement{.workers = 4}.ranges(4, 8)), doctest::Contains("worker"), gc::error);
    CHECK_THROWS_WITH_AS((gc::redundant_placement{.workers = 4}.lost({true}, 8)), doctest::Contains("alive"), gc::error);
}

TEST_CASE("weights by batch sum up to the number of workers, and their mean of means is the mean of all samples")
{
    const std::vector<std::size_t> batches = {1, 3, 4};
    const std::vector<std::vector<double>> drawn = {{6}, {1, 2, 3}, {0, 8, 4, 8}};
    double weights = 0, mean_of_means = 0, all = 0;
    for (std::size_t j = 0; j < 3; ++j) {
        double sum = 0;
        for (const double value : drawn[j]) sum += value;
        all += sum;
        weights += gc::batch_weight(batches, j);
        mean_of_means += gc::batch_weight(batches, j) * sum / static_cast<double>(batches[j]) / 3;
    }
    CHECK(weights == doctest::Approx(3));
    CHECK(mean_of_means == doctest::Approx(all / 8));
    CHECK_THROWS_WITH_AS(gc::batch_weight(std::vector<std::size_t>{0, 0}, 0), doctest::Contains("batches"), gc::error);
}
