/// @file EF21: what the estimate promises.
#include <gradcomp/gradcomp.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace gc = gradcomp;

namespace {

const gc::tensor_list one{{"w", {32}}};

/// Rank r's gradient, the same every step: small integers, so that sums are exact.
std::vector<double> direction_of(int rank)
{
    std::vector<double> d(one.total());
    for (std::size_t i = 0; i < d.size(); ++i) d[i] = static_cast<double>((i * 7 + static_cast<std::size_t>(rank) * 5) % 11) - 5;
    return d;
}

template <class Storage> auto stack_of(gc::comm::in_process c)
{
    return gc::policy_stack{.compressor = gc::top_k{.ratio = 4}, .memory = gc::ef21<Storage>{}, .reducer = gc::all_gather{c}, .server = gc::estimate{}, .warn = nullptr};
}

} // namespace

TEST_CASE_TEMPLATE("a direction that stays the same is known after d / k exchanges, bit for bit", Storage, gc::in_place, gc::staged)
{
    gc::comm::run_ranks(4, [](gc::comm::in_process c) {
        std::vector<double> x(one.total(), 1.0);
        auto exchange = stack_of<Storage>(c).attach(one, x);
        const std::vector<double> d = direction_of(c.rank());
        for (int step = 0; step < 4; ++step) exchange.step(d, 0);
        CHECK(std::vector<double>(exchange.error().begin(), exchange.error().end()) == d);
        CHECK(x == std::vector<double>(one.total(), 1.0)); // the learning rate was 0
        exchange.step(d, 0.5);
        for (std::size_t i = 0; i < x.size(); ++i) CHECK(x[i] == 1 - 0.5 * ((direction_of(0)[i] + direction_of(1)[i] + direction_of(2)[i] + direction_of(3)[i]) / 4));
    });
}

TEST_CASE_TEMPLATE("a rejected step leaves the estimate as it was", Storage, gc::in_place, gc::staged)
{
    gc::comm::run_ranks(2, [](gc::comm::in_process c) {
        std::vector<double> x(one.total(), 1.0);
        auto exchange = stack_of<Storage>(c).attach(one, x);
        std::vector<double> d = direction_of(c.rank());
        exchange.step(d, 0.5);
        const std::vector<double> before(exchange.error().begin(), exchange.error().end()), at = x;
        if (c.rank() == 1) d[3] = __builtin_nan("");
        CHECK_THROWS_WITH_AS(exchange.step(d, 0.5), doctest::Contains("non_finite"), gc::error);
        CHECK(std::vector<double>(exchange.error().begin(), exchange.error().end()) == before); // integers: no rounding in place either
        CHECK(x == at);
    });
}

TEST_CASE("the estimate is evaluated at x, and wants every step exchanged")
{
    gc::comm::run_ranks(1, [](gc::comm::in_process c) {
        std::vector<double> x(one.total(), 1.0), there(one.total());
        auto exchange = stack_of<gc::in_place>(c).attach(one, x);
        exchange.step(direction_of(0), 0.5);
        exchange.evaluate_at(there, gc::evaluation_point::local);
        CHECK(there == x);
        CHECK(exchange.gradient_point().data() == x.data());
        auto stack = stack_of<gc::in_place>(c);
        stack.period = 2;
        CHECK_THROWS_WITH_AS(stack.attach(one, x), doctest::Contains("period = 2"), gc::error);
    });
}
