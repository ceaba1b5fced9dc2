/// @file Nesterov's local momentum element by element.
#include <gradcomp/optim/nesterov_momentum.hpp>

#include <doctest/doctest.h>

namespace gc = gradcomp;

TEST_CASE("Nesterov's momentum: m' = beta m + d, and the direction is beta m' + d, with d = g + weight_decay z")
{
    const gc::nesterov_momentum options{.beta = 0.5, .weight_decay = 0.25};
    const gc::nesterov_momentum::direction<double, true> decaying(options);
    const gc::nesterov_momentum::direction<double, false> plain(options);
    const double in[] = {4, 8}; // m, z
    CHECK(decaying.value(3, in) == 8.5); // d = 5, m' = 7
    CHECK(plain.value(3, in) == 5.5);    // d = 3, m' = 5
    double out[2] = {};
    decaying.leave(3, in, 8.5, out);
    CHECK(out[0] == 7);
    CHECK(out[1] == 8.5);
    CHECK(decaying.settled(out) == 8.5);
    plain.leave(3, in, 5.5, out);
    CHECK(out[0] == 5);
    CHECK(plain.settled(out) == 5.5);
    double m[] = {0, 0};
    for (int step = 0; step < 60; ++step) plain.leave(1, m, plain.value(1, m), m);
    CHECK(m[1] == options.amplification()); // of a constant gradient
    CHECK(options.decay() == 0.25);
    CHECK(gc::nesterov_momentum::states == 2);
}

TEST_CASE("Nesterov's momentum rounds once per product, so that every executor gets the same bits")
{
    const gc::nesterov_momentum::direction<float, false> direction(gc::nesterov_momentum{.beta = 0.9});
    const float m = 1.f + 0x1p-23f, g = -0.9f;
    CHECK(direction.value(g, &m) == __builtin_fmaf(0.9f, __builtin_fmaf(0.9f, m, g), g));
}

TEST_CASE("options of Nesterov's momentum are refused by name and value")
{
    CHECK_THROWS_WITH_AS((gc::nesterov_momentum{.beta = 1}.check()), doctest::Contains("beta"), gc::error);
    CHECK_THROWS_WITH_AS((gc::nesterov_momentum{.weight_decay = -1}.check()), doctest::Contains("weight_decay"), gc::error);
    CHECK_NOTHROW(gc::nesterov_momentum{}.check());
}
