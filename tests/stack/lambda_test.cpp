/// @file lambda set between steps: the gradient point follows at once, bit for bit, and nothing else moves.
#include "toy.hpp"

#include <doctest/doctest.h>

#include <limits>

namespace gc = gradcomp;
using toy::error_of;

namespace {

/// How many elements of the gradient point are not x - lambda e, rounded once; e in gradient units counts eta times.
template <class T, class Exchange> std::size_t off_point(Exchange& exchange, double lambda, T owed)
{
    const T pull = static_cast<T>(lambda) * owed;
    const auto z = exchange.gradient_point();
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < toy::size; ++i) wrong += z[i] != gc::multiply_add(-pull, exchange.error()[i], exchange.parameters()[i]);
    return wrong;
}

template <class T, class Exchange> void step(Exchange& exchange, int rank, std::uint64_t t, double rate)
{
    const auto g = toy::gradient<T>(exchange.gradient_point(), rank, t);
    exchange.step(std::span<const T>(g), rate);
}

/// set_lambda() between steps, the rate falling on the way.
template <class T, class Memory> void moves_the_point(const Memory& memory)
{
    gc::comm::run_ranks(2, [&](gc::comm::in_process c) {
        auto x = toy::start<T>();
        auto exchange = gc::policy_stack{.compressor = gc::random_block{.ratio = 5}, .memory = memory, .reducer = gc::ring{c}, .local = gc::momentum{}}.attach(toy::tensors, x);
        CHECK(exchange.lambda() == memory.lambda);
        exchange.set_lambda(0.5); // nothing is owed yet
        CHECK(toy::same_bits<T>(exchange.gradient_point(), x));
        double lambda = 0.5, rate = 0.1;
        for (std::uint64_t t = 0; t < 12; ++t) {
            rate = t < 6 ? 0.1 : 0.03;
            step<T>(exchange, c.rank(), t, rate);
            const T owed = memory.units == gc::units::model ? T(1) : static_cast<T>(rate);
            CHECK(off_point<T>(exchange, lambda, owed) == 0);
            const auto before = toy::copy<T>(exchange.gradient_point()), e = toy::copy<T>(exchange.error()), kept = x, m = toy::copy<T>(exchange.local_state(0));
            exchange.set_lambda(lambda);
            CHECK(toy::same_bits<T>(exchange.gradient_point(), before));
            lambda = static_cast<double>(t % 4) / 3;
            exchange.set_lambda(lambda);
            CHECK(exchange.lambda() == lambda);
            CHECK(off_point<T>(exchange, lambda, owed) == 0);
            CHECK(toy::same_bits<T>(exchange.error(), e));
            CHECK(toy::same_bits<T>(x, kept));
            CHECK(toy::same_bits<T>(exchange.local_state(0), m));
        }
    });
}

} // namespace

TEST_CASE("another lambda moves the gradient point to x - lambda e at once, and the same one leaves every bit")
{
    moves_the_point<float>(gc::def{.lambda = 0.3});
    moves_the_point<double>(gc::def<gc::staged>{.lambda = 0.3, .units = gc::units::gradient});
    moves_the_point<float>(gc::def_a<gc::staged>{.lambda = 1});
}

TEST_CASE("between the exchanges of a period the local model walks on, and lambda counts from the next exchange")
{
    gc::comm::run_ranks(2, [](gc::comm::in_process c) {
        auto x = toy::start<double>(), y = x;
        const gc::policy_stack stack{.compressor = gc::random_block{.ratio = 5}, .memory = gc::def{.lambda = 0.25}, .reducer = gc::ring{c}, .local = gc::momentum{}, .period = 3};
        auto exchange = stack.attach(toy::tensors, x), other = stack.attach(toy::tensors, y);
        for (std::uint64_t t = 0; t < 8; ++t) {
            step<double>(exchange, c.rank(), t, 0.1);
            step<double>(other, c.rank(), t, 0.1);
        }
        exchange.set_lambda(0.75);
        CHECK(exchange.lambda() == 0.75);
        CHECK(toy::same_bits<double>(exchange.gradient_point(), other.gradient_point()));
        step<double>(exchange, c.rank(), 8, 0.1);
        step<double>(other, c.rank(), 8, 0.1);
        CHECK(toy::same_bits<double>(x, y)); // the message was the same
        CHECK(off_point<double>(exchange, 0.75, 1) == 0);
        CHECK(off_point<double>(other, 0.25, 1) == 0);
    });
}

TEST_CASE("lambda below 0, above 1 or NaN is refused by name, value, rank and step, and nothing has changed")
{
    gc::comm::run_ranks(2, [](gc::comm::in_process c) {
        auto x = toy::start<float>();
        auto exchange = gc::policy_stack{.compressor = gc::random_block{.ratio = 5}, .memory = gc::def{.lambda = 0.25}, .reducer = gc::ring{c}, .local = gc::momentum{}}.attach(toy::tensors, x);
        step<float>(exchange, c.rank(), 0, 0.1);
        const auto before = toy::copy<float>(exchange.gradient_point());
        for (const double lambda : {-0.125, 1.5, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
            const auto error = error_of([&] { exchange.set_lambda(lambda); });
            REQUIRE(error);
            CHECK(error->code() == gc::error_code::invalid_option);
            CHECK(error->field() == "lambda");
            CHECK(error->value() == gc::text_of(lambda));
            CHECK(error->rank() == c.rank());
            CHECK(error->step() == 1);
        }
        CHECK(exchange.lambda() == 0.25);
        CHECK(toy::same_bits<float>(exchange.gradient_point(), before));
        step<float>(exchange, c.rank(), 1, 0.1);
        CHECK(off_point<float>(exchange, 0.25, 1) == 0);
    });
}

TEST_CASE("after a step that was rejected the point is x - lambda e with the lambda that was set")
{
    const auto holds = [](auto memory) {
        gc::comm::run_ranks(2, [&](gc::comm::in_process c) {
            auto x = toy::start<float>();
            auto exchange = gc::policy_stack{.compressor = gc::random_block{.ratio = 5}, .memory = memory, .reducer = gc::ring{c}, .local = gc::momentum{}}.attach(toy::tensors, x);
            for (std::uint64_t t = 0; t < 4; ++t) step<float>(exchange, c.rank(), t, 0.1);
            exchange.set_lambda(0.75);
            auto g = toy::gradient<float>(exchange.gradient_point(), c.rank(), 4);
            if (c.rank() == 1) g[7] = std::numeric_limits<float>::quiet_NaN();
            const auto error = error_of([&] { exchange.step(g, 0.1); });
            REQUIRE(error);
            CHECK(error->code() == gc::error_code::non_finite);
            CHECK(off_point<float>(exchange, 0.75, 1) == 0);
            exchange.set_lambda(0.125);
            CHECK(off_point<float>(exchange, 0.125, 1) == 0);
            step<float>(exchange, c.rank(), 5, 0.1);
            CHECK(off_point<float>(exchange, 0.125, 1) == 0);
        });
    };
    holds(gc::def{.lambda = 0.25});
    holds(gc::def<gc::staged>{.lambda = 0.25});
}
