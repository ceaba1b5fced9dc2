/// @file The divergence guard: runs that blow up are flagged with the remedy that fits, healthy ones are not.
#include <gradcomp/gradcomp.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <vector>

namespace gc = gradcomp;

namespace {

double noise(std::uint64_t stream, std::uint64_t step, std::size_t i)
{
    const gc::random_stream words{stream, static_cast<std::uint32_t>(step), static_cast<std::uint32_t>(i), gc::purpose::rounding, 0};
    const gc::word4 w = words.block(0);
    const double u = (w.at[0] + 0.5) / 4294967296.0, v = (w.at[1] + 0.5) / 4294967296.0;
    return std::sqrt(-2 * std::log(u)) * std::cos(6.283185307179586 * v);
}

/// 8 ranks, a quadratic with one Hessian of 64 elements from 0.1 to 1, unit noise: error feedback at ratio 64 is legal and blows up on it.
template <class T, class Memory> gc::health_report toy_run(Memory memory, std::function<double(int)> rate, int steps, double deviation = 1, double ratio = 64)
{
    gc::health_report out;
    gc::comm::run_ranks(8, [&](gc::comm::in_process communicator) {
        const gc::policy_stack stack{.compressor = gc::random_block{.ratio = ratio}, .memory = memory, .reducer = gc::ring{communicator},
            .non_finite = gc::exec::non_finite::propagate};
        std::vector<T> x(64, T(1)), g(64);
        auto exchange = stack.attach({{"w", {64}}}, x);
        for (int t = 0; t < steps; ++t) {
            const auto z = exchange.gradient_point();
            for (std::size_t i = 0; i < 64; ++i)
                g[i] = static_cast<T>((0.1 + 0.9 * static_cast<double>(i) / 63) * static_cast<double>(z[i])
                                      + deviation * noise(static_cast<std::uint64_t>(communicator.rank()), static_cast<std::uint64_t>(t), i));
            exchange.step(g, rate(t));
        }
        if (communicator.rank() == 0) out = exchange.health();
    });
    return out;
}
constexpr auto constant(double rate)
{
    return [rate](int) { return rate; };
}

} // namespace

TEST_CASE("error feedback at ratio 64 blows up and is told to detach")
{
    const gc::health_report report = toy_run<float>(gc::ef{}, constant(0.05), 3000);
    CHECK(report.diverging);
    CHECK(report.step > 0);
    CHECK(report.step < 3000);
    CHECK(report.growth >= 100);
    CHECK(report.error_norm > report.update_norm);
    CHECK(report.text.find("diverging since step " + std::to_string(report.step)) == 0);
    CHECK(report.text.find("def{.lambda = 0.3}") != std::string::npos);
    CHECK(report.text.find("-fold") != std::string::npos);
}

TEST_CASE("def on the same problem is healthy, and says nothing")
{
    for (const double lambda : {0.3, 1.0}) {
        const gc::health_report report = toy_run<float>(gc::def{.lambda = lambda}, constant(0.05), 3000);
        CHECK(!report.diverging);
        CHECK(report.text == "");
        CHECK(report.error_norm > 0);
        CHECK(report.update_norm > 0);
    }
}

TEST_CASE("a detached run that blows up is told to lower the learning rate, one without memory to take one")
{
    const gc::health_report detached = toy_run<double>(gc::def{.lambda = 0.3}, constant(5), 500);
    CHECK(detached.diverging);
    CHECK(detached.text.find("Lower the learning rate") != std::string::npos);
    CHECK(detached.text.find("def{") == std::string::npos);
    const gc::health_report without = toy_run<double>(gc::none_accepting_bias{}, constant(300), 2000, 0.1, 4);
    CHECK(without.diverging);
    CHECK(without.text.find("give the stack an error memory") != std::string::npos);
}

TEST_CASE("schedules of the learning rate and noise are no divergence")
{
    struct schedule {
        const char* name;
        std::function<double(int)> rate;
    };
    const schedule all[] = {
        {"drops by ten", [](int t) { return t < 1000 ? 0.02 : t < 2000 ? 0.002 : 0.0002; }},
        {"cosine to 0", [](int t) { return 0.01 * (1 + std::cos(3.14159265358979 * t / 3000)); }},
        {"exponential decay to nothing", [](int t) { return 0.02 * std::pow(10.0, -t / 200.0); }},
        {"warm-up from 1e-12", [](int t) { return t < 500 ? 1e-12 * std::pow(2e10, t / 500.0) : 0.02; }},
        {"warm-up from 1e-30", [](int t) { return t < 500 ? 1e-30 * std::pow(2e28, t / 500.0) : 0.02; }},
        {"warm-up from 0", [](int t) { return t < 500 ? 0.02 * t / 500.0 : 0.02; }},
        {"pauses", [](int t) { return t / 100 % 2 == 0 ? 0.02 : 0.0; }},
    };
    for (const schedule& s : all) {
        CAPTURE(s.name);
        CHECK(!toy_run<float>(gc::def{.lambda = 0.3}, s.rate, 3000).diverging);
        CHECK(!toy_run<float>(gc::ef{}, s.rate, 3000, 1, 4).diverging);
    }
    for (const double deviation : {1e-6, 0.01, 100.0}) {
        CAPTURE(deviation);
        CHECK(!toy_run<float>(gc::def{.lambda = 0.3}, constant(0.02), 3000, deviation).diverging);
    }
}

TEST_CASE("a run that converges until only rounding is left is no divergence")
{
    CHECK(!toy_run<float>(gc::ef{}, constant(0.2), 4000, 0, 4).diverging);
    CHECK(!toy_run<double>(gc::def{.lambda = 0.3}, constant(0.2), 8000, 0, 4).diverging);
}

TEST_CASE("numbers that are none are divergence at once")
{
    gc::divergence_guard guard(gc::feedback_kind::attached);
    guard.observe(1, 1, 0.1, 7);
    CHECK(!guard.report().diverging);
    guard.observe(std::nan(""), std::nan(""), 0.1, 8);
    CHECK(guard.report().diverging);
    CHECK(guard.report().step == 8);
    guard.observe(1, 1, 0.1, 9);
    CHECK(guard.report().step == 8); // the first time counts
}

TEST_CASE("the guard compares directions, not updates: a larger learning rate alone is nothing to it")
{
    gc::divergence_guard guard(gc::feedback_kind::attached);
    for (std::uint64_t t = 0; t < 320; ++t) {
        const double rate = t < 160 ? 1e-8 : 1.0;
        guard.observe(rate * rate, rate * rate * 4, rate, t);
    }
    CHECK(!guard.report().diverging);
    CHECK(guard.report().growth == doctest::Approx(1));
    for (std::uint64_t t = 320; t < 352; ++t) guard.observe(1, 4e4, 1, t);
    CHECK(guard.report().diverging);
    CHECK(guard.report().step == 351);
    CHECK(guard.report().text.find("100-fold") != std::string::npos);
}
