/// @file Pools of rows sorted by label: what workers hold, and batches of one size whatever the pool.
#include "reproduce/ri_sgd.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <vector>

namespace gc = gradcomp;
using apps::reproduce::pool_sampler;

namespace {

struct labels_only {
    std::vector<unsigned> labels;
    std::size_t rows() const { return labels.size(); }
    unsigned label(std::size_t row) const { return labels[row]; }
};

} // namespace

TEST_CASE("rows by label keep their order within a label")
{
    CHECK(apps::reproduce::by_label(labels_only{{2, 0, 1, 0, 2, 1}}) == std::vector<std::uint32_t>{1, 3, 2, 5, 0, 4});
}

TEST_CASE("pools without redundancy part the rows; with it each row has as many copies as a shard")
{
    const labels_only task{{1, 0, 1, 0, 3, 2, 3, 2}};
    for (const double mu : {0.0, 0.25, 0.75}) {
        std::map<std::uint32_t, int> copies;
        for (std::size_t j = 0; j < 4; ++j)
            for (const std::uint32_t row : apps::reproduce::pool_of({.workers = 4, .redundancy = mu}, j, apps::reproduce::by_label(task))) ++copies[row];
        CHECK(copies.size() == 8);
        for (const auto& [row, count] : copies) CHECK(count == 1 + static_cast<int>(4 * mu));
    }
}

TEST_CASE("a pool gives each row once before any twice, the same in every run, and no batch beyond itself")
{
    const std::vector<std::uint32_t> pool = {3, 5, 7, 9, 11, 13};
    pool_sampler sampler(pool, 2, 1, 4), same(pool, 2, 1, 4);
    for (int epoch = 0; epoch < 3; ++epoch) {
        std::vector<std::uint32_t> seen;
        for (std::size_t step = 0; step < 3; ++step) {
            const auto rows = sampler.rows(step);
            CHECK(std::ranges::equal(rows, same.rows(step)));
            seen.insert(seen.end(), rows.begin(), rows.end());
        }
        std::ranges::sort(seen);
        CHECK(seen == pool);
    }
    CHECK(pool_sampler(pool, 50, 1, 4).rows(0).size() == 6);
}
