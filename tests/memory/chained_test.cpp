/// @file A sparsifier and a quantizer under memories that keep something else than p - c: what the codes miss is not lost.
#include <gradcomp/gradcomp.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

namespace gc = gradcomp;

namespace {

const gc::tensor_list two{{"w", {8, 5}}, {"b", {7}}};
const gc::chain chained{gc::top_k{.ratio = 3}, gc::qsgd<>{.bits = 6}};

std::vector<double> gradient_of(int rank, int step)
{
    std::vector<double> g(two.total());
    for (std::size_t i = 0; i < g.size(); ++i) g[i] = std::sin(static_cast<double>(i * 7 + 1) + rank + step * 0.7);
    return g;
}

} // namespace

TEST_CASE_TEMPLATE("ef21 around a chain: a gradient that stays the same is learned, and the server's estimate is the mean of the ranks'", Storage, gc::in_place, gc::staged)
{
    gc::comm::run_ranks(2, [](gc::comm::in_process c) {
        std::vector<double> x(two.total(), 1.0);
        gc::policy_stack stack{.compressor = chained, .memory = gc::ef21<Storage>{}, .reducer = gc::all_gather{c}, .server = gc::estimate{}, .warn = nullptr};
        auto exchange = stack.attach(two, x);
        const std::vector<double> g = gradient_of(c.rank(), 0);
        for (int step = 0; step < 60; ++step) exchange.step(g, 0);
        exchange.step(g, 1);
        double apart = 0, unknown = 0;
        for (std::size_t i = 0; i < x.size(); ++i) {
            const double mean = (gradient_of(0, 0)[i] + gradient_of(1, 0)[i]) / 2;
            apart = std::max(apart, std::abs(1 - x[i] - mean));
            unknown = std::max(unknown, std::abs(exchange.error()[i] - g[i]));
        }
        CHECK(apart < 1e-12);
        CHECK(unknown < 1e-12);
    });
}

TEST_CASE_TEMPLATE("cser around a chain: what is not in x is in the ranks' errors, and each rank's point is x less its error", Storage, gc::in_place, gc::staged)
{
    constexpr int ranks = 2, steps = 12;
    std::vector<std::vector<double>> errors(ranks), models(ranks);
    gc::comm::run_ranks(ranks, [&](gc::comm::in_process c) {
        std::vector<double> x(two.total(), 1.0);
        const gc::cser<gc::random_block, Storage> memory{.reset = {.ratio = 4}, .every = 3};
        gc::policy_stack stack{.compressor = chained, .memory = memory, .reducer = gc::all_gather{c}, .local = gc::momentum{.beta = 0}, .warn = nullptr};
        auto exchange = stack.attach(two, x);
        for (int step = 0; step < steps; ++step) exchange.step(gradient_of(c.rank(), step), 0.5);
        for (std::size_t i = 0; i < x.size(); ++i) CHECK(exchange.gradient_point()[i] == gc::multiply_add(-1.0, exchange.error()[i], x[i]));
        models[static_cast<std::size_t>(c.rank())] = x;
        errors[static_cast<std::size_t>(c.rank())].assign(exchange.error().begin(), exchange.error().end());
    });
    double lost = 0;
    for (std::size_t i = 0; i < two.total(); ++i) {
        double gathered = 0;
        for (int step = 0; step < steps; ++step) gathered += gradient_of(0, step)[i] + gradient_of(1, step)[i];
        lost = std::max(lost, std::abs(models[0][i] - (errors[0][i] + errors[1][i]) / ranks - (1 - 0.5 * gathered / ranks)));
    }
    CHECK(lost < 1e-12);
}
