/// @file Gradient diversity: equal, orthogonal and cancelling gradients.
#include <gradcomp/observe/diversity.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

namespace gc = gradcomp;

namespace {

double diversity(const std::vector<std::vector<float>>& gradients)
{
    std::vector<std::span<const float>> views(gradients.begin(), gradients.end());
    return gc::gradient_diversity<float>(views);
}

} // namespace

TEST_CASE("diversity is 1/n for equal gradients, 1 for orthogonal ones, infinite where they cancel")
{
    CHECK(diversity({{3, -4}, {3, -4}, {3, -4}, {3, -4}}) == 0.25);
    CHECK(diversity({{3, 0}, {0, -4}}) == 1);
    CHECK(diversity({{1, 2}, {3, -1}}) == 15.0 / 17);
    CHECK(std::isinf(diversity({{1, 2}, {-1, -2}})));
    CHECK(diversity({{5}}) == 1);
}

TEST_CASE("diversity says nothing of no gradients or of zeros, and wants equal lengths")
{
    CHECK(std::isnan(diversity({})));
    CHECK(std::isnan(diversity({{0, 0}, {0, 0}})));
    CHECK_THROWS_WITH_AS(diversity({{1, 2}, {1}}), doctest::Contains("gradients"), gc::error);
}
