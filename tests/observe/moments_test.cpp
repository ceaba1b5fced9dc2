/// @file The moments of the ranks' errors against a plain sum.
#include <gradcomp/comm/in_process.hpp>
#include <gradcomp/observe/moments.hpp>

#include <doctest/doctest.h>

#include <vector>

namespace gc = gradcomp;

TEST_CASE("what the errors have in common and how far they scatter, the same on every rank")
{
    gc::comm::run_ranks(4, [](gc::comm::in_process c) {
        // mean (2, 0), deviations (+-1, +-3): sigma^2 = (4 * 1 + 4 * 9) / 3
        const double sign = c.rank() % 2 == 0 ? 1 : -1;
        const std::vector<double> e{2 + sign, 3 * sign};
        const auto m = gc::error_moments_of(c, std::span<const double>(e));
        CHECK(m.variance == doctest::Approx(40.0 / 3));
        CHECK(m.common == doctest::Approx(4 - 10.0 / 3));
        CHECK(m.ranks == 4);
    });
}

TEST_CASE("one rank has nothing that scatters, and no error is nothing")
{
    gc::comm::run_ranks(1, [](gc::comm::in_process c) {
        const std::vector<float> e{3, 4};
        const auto m = gc::error_moments_of(c, std::span<const float>(e));
        CHECK(m.common == 25);
        CHECK(m.variance == 0);
        CHECK(gc::theory::best_detachment(m) == 1);
        CHECK(gc::error_moments_of(c, std::span<const float>()).common == 0);
    });
}
