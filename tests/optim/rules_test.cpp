/// @file Local and server rules element by element.
#include <gradcomp/optim/adam.hpp>
#include <gradcomp/optim/amsgrad.hpp>
#include <gradcomp/optim/descent.hpp>
#include <gradcomp/optim/estimate.hpp>
#include <gradcomp/optim/momentum.hpp>
#include <gradcomp/optim/plain_gradient.hpp>
#include <gradcomp/optim/server_adam.hpp>
#include <gradcomp/optim/server_momentum.hpp>

#include <doctest/doctest.h>

#include <cmath>

namespace gc = gradcomp;

TEST_CASE("momentum: m' = beta m + g + weight_decay z, and m' is the direction")
{
    const gc::momentum options{.beta = 0.5, .weight_decay = 0.25};
    const gc::momentum::direction<double, true> decaying(options);
    const gc::momentum::direction<double, false> plain(options);
    const double in[] = {4, 8};
    CHECK(decaying.value(3, in) == 7);
    CHECK(plain.value(3, in) == 5);
    double m = 0;
    plain.leave(3, in, 5, &m);
    CHECK(m == 5);
    CHECK(gc::momentum{.beta = 0.75}.amplification() == 4);
    CHECK(options.decay() == 0.25);
}

TEST_CASE("momentum rounds once per product, so that every executor gets the same bits")
{
    const gc::momentum::direction<float, false> direction(gc::momentum{.beta = 0.9});
    const float m = 1.f + 0x1p-23f, g = -0.9f;
    CHECK(direction.value(g, &m) == __builtin_fmaf(0.9f, m, g));
    volatile float product = 0.9f * m;
    CHECK(direction.value(g, &m) != product + g);
}

TEST_CASE("the plain gradient: g, or g + weight_decay z")
{
    const gc::plain_gradient options{.weight_decay = 0.5};
    const double z = 8;
    CHECK(gc::plain_gradient::direction<double, true>(options).value(3, &z) == 7);
    CHECK(gc::plain_gradient::direction<double, false>(options).value(3, nullptr) == 3);
    CHECK(options.amplification() == 1);
    CHECK(gc::plain_gradient::states == 0);
    CHECK(gc::momentum::states == 1);
}

TEST_CASE("momentum after reduction: v' = beta v + u and x - eta v', or a step ahead with nesterov")
{
    for (const bool nesterov : {false, true}) {
        gc::server_momentum::update<double> rule;
        rule.set({.beta = 0.5, .nesterov = nesterov});
        rule.scale = 0.25; // of the sum of messages
        rule.learning_rate = 0.125;
        const double in[] = {6, 10}; // v, x
        const double v = rule.value(8, in); // 3 + 2
        CHECK(v == 5);
        double out[2] = {};
        rule.leave(8, in, v, 0, out);
        CHECK(out[0] == 5);
        CHECK(out[1] == (nesterov ? 10 - 0.125 * (2 + 2.5) : 10 - 0.125 * 5));
    }
    gc::server_momentum::update<double> outer;
    outer.set({.beta = 0, .rate = 4});
    outer.scale = 0.25;
    outer.learning_rate = 0.125;
    const double in[] = {6, 10};
    double out[2] = {};
    outer.leave(8, in, outer.value(8, in), 0, out);
    CHECK(out[1] == 10 - 4 * 0.125 * 2);
    outer.set({.beta = 0.5, .rate = 4, .units = gc::units::model}); // u = mean(c) as it moves x, eta or not
    outer.ranks = 2;
    for (const bool in_model_units : {true, false}) {
        outer.scales.in_model_units = in_model_units;
        outer.at_step({.learning_rate = 0.25});
        CHECK(outer.value(8, in) == 3 + (in_model_units ? 4 : 1));
        outer.leave(8, in, outer.value(8, in), 0, out);
        CHECK(out[1] == 10 - 4 * out[0]);
        outer.at_step({.learning_rate = 0});
        CHECK(outer.value(8, in) == 3 + (in_model_units ? 4 : 0));
    }
    CHECK_THROWS_WITH_AS((gc::server_momentum{.rate = 0}.check()), doctest::Contains("rate"), gc::error);
    CHECK(!gc::server_momentum::touches_only_support);
    CHECK(gc::descent::touches_only_support);
}

TEST_CASE("AMSGrad: m, v, the largest v so far, and x - eta m / sqrt(h + epsilon)")
{
    for (const gc::epsilon_place place : {gc::epsilon_place::inside_root, gc::epsilon_place::outside_root}) {
        gc::amsgrad::update<double> rule;
        rule.set({.beta1 = 0.5, .beta2 = 0.75, .epsilon = 1, .place = place});
        rule.scale = 0.5;
        rule.learning_rate = 0.25;
        const double in[] = {2, 4, 24, 10}; // m, v, h, x
        const double m = rule.value(8, in); // u = 4
        CHECK(m == 3);
        double out[4] = {};
        rule.leave(8, in, m, 0, out);
        CHECK(out[0] == 3);
        CHECK(out[1] == 7);  // 3 + 16 / 4
        CHECK(out[2] == 24); // not below what it was
        CHECK(out[3] == 10 - 0.25 * 3 / (place == gc::epsilon_place::inside_root ? 5 : std::sqrt(24.0) + 1));
        const double low[] = {2, 4, 6, 10};
        rule.leave(8, low, m, 0, out);
        CHECK(out[2] == 7);
    }
    CHECK(gc::amsgrad::states == 3);
    CHECK_THROWS_WITH_AS(gc::amsgrad{.epsilon = 0}.check(), doctest::Contains("epsilon"), gc::error);
    CHECK_THROWS_WITH_AS(gc::amsgrad{.beta2 = 1}.check(), doctest::Contains("beta2"), gc::error);
}

TEST_CASE("Adam before compression: the direction m / sqrt(v + epsilon), and again from what it left")
{
    const gc::adam options{.beta1 = 0.5, .beta2 = 0.75, .epsilon = 2, .weight_decay = 0.5};
    const gc::adam::direction<double, true> rule(options);
    const double in[] = {2, 12, 4}; // m, v, z
    const double d = rule.value(2, in); // 2 + 0.5 * 4 = 4: m' = 3, v' = 9 + 4 = 13
    CHECK(d == 3 / std::sqrt(15.0));
    double out[2] = {};
    rule.leave(2, in, d, out);
    CHECK(out[0] == 3);
    CHECK(out[1] == 13);
    CHECK(rule.settled(out) == d);
    CHECK_THROWS_WITH_AS((gc::adam{.weight_decay = -1}.check()), doctest::Contains("weight_decay"), gc::error);
}

TEST_CASE("dampened momentum averages gradients, the decayed ones with Decay")
{
    const gc::momentum options{.beta = 0.75, .weight_decay = 0.5, .dampened = true};
    const double in[] = {8, 4}; // m, z
    CHECK(gc::momentum::direction<double, false>(options).value(4, in) == 7);
    CHECK(gc::momentum::direction<double, true>(options).value(2, in) == 7);
    CHECK(options.amplification() == 1);
}

TEST_CASE("the estimate adds messages up: H' = H + u and x - eta H'")
{
    gc::estimate::update<double> rule;
    rule.scale = 0.5;
    rule.learning_rate = 0.25;
    const double in[] = {3, 10};
    const double all = rule.value(10, in);
    CHECK(all == 8);
    double out[2] = {};
    rule.leave(10, in, all, 0, out);
    CHECK(out[0] == 8);
    CHECK(out[1] == 8);
}

TEST_CASE("Adam after reduction: it averages messages, or takes them for momenta and leaves v where it is frozen")
{
    for (const bool frozen : {false, true}) {
        gc::server_adam::update<double> rule;
        rule.set({.beta1 = 0.5, .beta2 = 0.75, .epsilon = 9, .frozen = frozen});
        rule.scale = 0.5;
        rule.learning_rate = 0.25;
        const double in[] = {2, 16, 10}; // m, v, x
        const double m = rule.value(8, in); // u = 4
        CHECK(m == (frozen ? 4 : 3));
        double out[3] = {};
        rule.leave(8, in, m, 0, out);
        CHECK(out[0] == m);
        CHECK(out[1] == (frozen ? 16 : 12 + 4)); // 0.75 * 16 + 0.25 * 16
        CHECK(out[2] == 10 - 0.25 * m / 5);
    }
    CHECK(gc::server_adam::states == 2);
    CHECK_THROWS_WITH_AS(gc::server_adam{.beta1 = -1}.check(), doctest::Contains("beta1"), gc::error);
}
