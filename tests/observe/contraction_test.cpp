/// @file The observer of contraction against what is computed by hand, and against the bounds.
#include <gradcomp/gradcomp.hpp>
#include <gradcomp/observe/contraction.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

namespace gc = gradcomp;

namespace {

template <class C> gc::contraction_report watch(const C& compressor, std::uint64_t every, int steps)
{
    gc::contraction_report seen;
    gc::comm::run_ranks(2, [&](gc::comm::in_process c) {
        gc::policy_stack stack{.compressor = compressor, .memory = gc::ef{}, .reducer = gc::all_gather{c}};
        std::vector<double> x(64), gradient(64);
        auto exchange = stack.attach(gc::tensor_list{{"x", {64}}}, x);
        gc::contraction_observer<double> observer(64, compressor.classes(64), every);
        for (int step = 0; step < steps; ++step) {
            for (std::size_t i = 0; i < 64; ++i) gradient[i] = std::sin(static_cast<double>(i * 7 + static_cast<std::size_t>(step) * 13 + 1)) / static_cast<double>(i + 1);
            exchange.step(std::span<const double>(gradient), 0.1);
            CHECK(observer.after_step(exchange) == ((step + 1) % static_cast<int>(every) == 0));
            CHECK_FALSE(observer.after_step(exchange)); // once an exchange
        }
        if (c.rank() == 0) seen = observer.report();
    });
    return seen;
}

} // namespace

TEST_CASE("the first exchange of top-1 leaves what a hand computes")
{
    double all = 0, largest = 0;
    for (int i = 0; i < 64; ++i) {
        const double g = std::sin(static_cast<double>(i * 7 + 1)) / (i + 1);
        all += g * g;
        largest = std::max(largest, g * g);
    }
    const auto seen = watch(gc::top_k{.k = 1}, 1, 1);
    CHECK(seen.observed == 1);
    CHECK(seen.last == doctest::Approx(1 - largest / all));
    CHECK(seen.bound == doctest::Approx(1 - 1 / 64.0));
    CHECK(seen.text.find("B3(64)") != std::string::npos);
}

TEST_CASE("every k-th exchange is looked at, and no run is above its bound")
{
    const auto top = watch(gc::top_k{.ratio = 8}, 3, 60);
    CHECK(top.observed == 20);
    CHECK(top.largest <= top.bound);
    CHECK(top.mean < top.largest);
    CHECK(top.mean > 0);
    const auto block = watch(gc::random_block{.ratio = 4}, 1, 200);
    CHECK(block.mean > 0.3);
    CHECK(block.mean <= 1);
    const auto dithered = watch(gc::qsgd<>{.bits = 8}, 1, 50);
    CHECK(dithered.largest <= dithered.bound);
    CHECK(dithered.mean > 0);
    CHECK(watch(gc::identity{}, 1, 5).largest == 0);
}
