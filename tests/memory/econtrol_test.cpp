/// @file EControl: the rule element by element, EF21 without its control, and where the sum of what the estimates missed goes.
#include <gradcomp/gradcomp.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace gc = gradcomp;

namespace {

const gc::tensor_list two{{"w", {8, 5}}, {"b", {7}}};

/// Rank r's gradient of a step: small integers, so that sums are exact.
std::vector<double> integers_of(int rank, int step)
{
    std::vector<double> g(two.total());
    for (std::size_t i = 0; i < g.size(); ++i) g[i] = static_cast<double>((i * 7 + static_cast<std::size_t>(rank) * 5 + static_cast<std::size_t>(step) * 3) % 11) - 5;
    return g;
}
std::vector<double> gradient_of(int rank, int step)
{
    std::vector<double> g(two.total());
    for (std::size_t i = 0; i < g.size(); ++i) g[i] = i % 9 == 4 ? 0 : std::sin(static_cast<double>(i * 7 + 1) * (1 + rank) + step * 0.7);
    return g;
}

template <class Storage> auto stack_of(gc::comm::in_process c, double eta_c = 0.25)
{
    return gc::policy_stack{.compressor = gc::top_k{.ratio = 4}, .memory = gc::econtrol<Storage>{.eta_c = eta_c}, .reducer = gc::all_gather{c}, .server = gc::estimate{}, .warn = nullptr};
}
std::vector<double> copy(std::span<const double> from) { return {from.begin(), from.end()}; }

/// What one rank saw of a run: x, its estimate and its own message after each step.
struct seen {
    std::vector<std::vector<double>> x, h, sent;
    bool operator==(const seen&) const = default;
};
template <class Make> std::vector<seen> run(const Make& make)
{
    std::vector<seen> all(3);
    gc::comm::run_ranks(3, [&](gc::comm::in_process c) {
        seen& mine = all[static_cast<std::size_t>(c.rank())];
        std::vector<double> x(two.total(), 1.0), sent(two.total());
        auto exchange = make(c).attach(two, x);
        for (int step = 0; step < 40; ++step) {
            std::vector<double> g = gradient_of(c.rank(), step);
            for (std::size_t i = 0; i < g.size(); ++i) g[i] += 0.3 * x[i];
            exchange.step(g, 0.1);
            std::fill(sent.begin(), sent.end(), 0.0);
            exchange.decode_own([&sent](std::size_t i, double v) { sent[i] = v; });
            mine.x.push_back(x);
            mine.h.push_back(copy(exchange.error()));
            mine.sent.push_back(sent);
        }
    });
    return all;
}

} // namespace

TEST_CASE("the rule: p = eta_c e + d - h, h' = h + c, e' = e + d - h - c, and p again from what a sweep left that sent nothing")
{
    using direction = gc::plain_gradient::direction<double, false>;
    gc::control_rule<double, double, direction, false> rule{direction(gc::plain_gradient{}), {}};
    rule.set(gc::econtrol<>{.eta_c = 0.5});
    double h[] = {1, 1}, e[] = {4, 4};
    const double g[] = {3, 3};
    rule.gradient = g;
    rule.in[rule.error_in] = rule.out[rule.error_out] = h;
    rule.in[rule.missed_in] = rule.out[rule.missed_out] = e;
    const double in[] = {1, 4};
    CHECK(rule.value(3, in) == 4); // 2 + 3 - 1
    CHECK(4 - rule.owed_at(0) == 3);
    double out[2] = {};
    rule.leave(3, in, 4, 4, out);
    CHECK(out[0] == 5);
    CHECK(out[1] == 2); // 4 + 3 - 1 - 4
    rule.leave(3, in, 4, 0, out); // nothing was sent
    CHECK(out[0] == 1);
    CHECK(out[1] == 6);
    for (double* kept : {h, e}) kept[0] = kept == h ? out[0] : out[1];
    const double swept[] = {h[0], e[0]};
    CHECK(rule.again().value(3, swept) == 4);
    rule.settle(0, 4, 4);
    CHECK(h[0] == 5);
    CHECK(e[0] == 2);
    rule.keep_missed(0, 1); // of the 4 only 3 arrived
    CHECK(h[0] == 4);
    CHECK(e[0] == 3);
}

TEST_CASE("p after a sweep that sent nothing has the bits that the sweep chose by, with and without a local rule's state")
{
    gc::econtrol<> memory{.eta_c = 0.3};
    std::size_t wrong = 0;
    for (int i = 1; i <= 1000; ++i) {
        const double g[] = {std::sin(i * 1.7)};
        double kept[] = {std::cos(i * 2.3), 100 * std::sin(i * 0.9)}, momentum[] = {std::sin(i * 3.1)};
        {
            using direction = gc::plain_gradient::direction<double, false>;
            gc::control_rule<double, double, direction, false> rule{direction(gc::plain_gradient{}), {}};
            rule.set(memory);
            double out[2];
            const double p = rule.value(g[0], kept);
            rule.leave(g[0], kept, p, 0, out);
            wrong += rule.again().value(g[0], out) != p || !(std::abs(p - (0.3 * kept[1] + g[0] - kept[0])) < 1e-13);
        }
        using direction = gc::momentum::direction<double, false>;
        gc::control_rule<double, double, direction, false> rule{direction(gc::momentum{.beta = 0.7}), {}};
        rule.set(memory);
        const double in[] = {momentum[0], kept[0], kept[1]};
        double out[3];
        const double p = rule.value(g[0], in);
        rule.leave(g[0], in, p, 0, out);
        wrong += rule.again().value(g[0], out) != p;
    }
    CHECK(wrong == 0);
}

TEST_CASE("without control it is ef21, bit for bit: models, estimates and messages")
{
    const auto compare = [](auto compressor, auto local, auto reducer_of) {
        const auto with = [&](auto memory) {
            return run([&](gc::comm::in_process c) {
                return gc::policy_stack{.compressor = compressor, .memory = memory, .reducer = reducer_of(c), .local = local, .server = gc::estimate{}, .seed = 5, .warn = nullptr};
            });
        };
        const std::vector<seen> plain = with(gc::ef21<>{});
        CHECK(with(gc::econtrol<>{.eta_c = 0}) == plain);
        CHECK(with(gc::econtrol<gc::staged>{.eta_c = 0}) == plain);
        CHECK(with(gc::econtrol<>{.eta_c = 0.05}) != plain);
        CHECK(with(gc::econtrol<>{.eta_c = 0.05}) == with(gc::econtrol<gc::staged>{.eta_c = 0.05}));
    };
    const auto all_gather = [](auto c) { return gc::all_gather{c}; };
    compare(gc::top_k{.ratio = 4}, gc::plain_gradient{}, all_gather);
    compare(gc::top_k{.ratio = 4}, gc::momentum{.beta = 0.9, .weight_decay = 1e-2, .dampened = true}, all_gather);
    compare(gc::random_block{.ratio = 4}, gc::plain_gradient{}, [](auto c) { return gc::ring{c}; });
    compare(gc::sign<>{}, gc::plain_gradient{.weight_decay = 1e-2}, all_gather);
}

TEST_CASE_TEMPLATE("e is the sum of d - h', bit for bit where sums are exact, and a rejected step adds what its empty message missed, or staged nothing", Storage, gc::in_place, gc::staged)
{
    gc::comm::run_ranks(2, [](gc::comm::in_process c) {
        std::vector<double> x(two.total(), 1.0), sum(two.total());
        auto exchange = stack_of<Storage>(c).attach(two, x);
        for (int step = 0; step < 10; ++step) {
            std::vector<double> d = integers_of(c.rank(), step);
            const std::vector<double> before = copy(exchange.error()), e = copy(exchange.memory_state(0)), at = x;
            if (step == 6) {
                if (c.rank() == 1) d[3] = std::numeric_limits<double>::quiet_NaN();
                CHECK_THROWS_WITH_AS(exchange.step(d, 0.5), doctest::Contains("non_finite"), gc::error);
                if (c.rank() == 1) d[3] = 0; // its finite part
                CHECK(copy(exchange.error()) == before);
                CHECK(x == at);
                for (std::size_t i = 0; i < d.size() && !Storage::is_staged; ++i) sum[i] += d[i] - before[i];
            } else {
                exchange.step(d, 0.5);
                for (std::size_t i = 0; i < d.size(); ++i) sum[i] += d[i] - exchange.error()[i];
            }
            CHECK(copy(exchange.memory_state(0)) == sum);
            if (Storage::is_staged && step == 6) CHECK(copy(exchange.memory_state(0)) == e);
        }
    });
}

TEST_CASE("around a chain, what the codes miss stays: the server's estimate is the mean of the ranks', and e the sum of d - h'")
{
    gc::comm::run_ranks(2, [](gc::comm::in_process c) {
        std::vector<double> x(two.total(), 0.0), sum(two.total());
        const gc::chain chained{gc::top_k{.ratio = 3}, gc::qsgd<>{.bits = 6}};
        auto exchange = gc::policy_stack{.compressor = chained, .memory = gc::econtrol{.eta_c = 0.05}, .reducer = gc::all_gather{c}, .server = gc::estimate{}, .warn = nullptr}.attach(two, x);
        double apart = 0, lost = 0;
        for (int step = 0; step < 60; ++step) {
            const std::vector<double> d = gradient_of(c.rank(), step), before = x;
            exchange.step(d, 1);
            std::vector<double> mean(two.total());
            c.all_reduce(gc::host_view<const double>(exchange.error()), gc::host_view<double>(mean));
            for (std::size_t i = 0; i < d.size(); ++i) {
                sum[i] += d[i] - exchange.error()[i];
                apart = std::max(apart, std::abs(before[i] - x[i] - mean[i] / 2));
                lost = std::max(lost, std::abs(exchange.memory_state(0)[i] - sum[i]));
            }
        }
        CHECK(apart < 1e-12);
        CHECK(lost < 1e-12);
    });
}

TEST_CASE("eta_c is from 0 to 1, every step is exchanged, and the model is evaluated at x")
{
    for (const double eta_c : {-0.5, 1.5, std::numeric_limits<double>::quiet_NaN()}) CHECK_THROWS_WITH_AS(gc::econtrol{.eta_c = eta_c}.check(), doctest::Contains("eta_c = "), gc::error);
    CHECK_THROWS_WITH_AS(gc::econtrol{.eta_c = 1.5}.check(), doctest::Contains("eta_c = 1.5"), gc::error);
    gc::econtrol{.eta_c = 1}.check();
    gc::comm::run_ranks(1, [](gc::comm::in_process c) {
        std::vector<double> x(two.total(), 1.0), there(two.total());
        auto exchange = stack_of<gc::in_place>(c).attach(two, x);
        exchange.step(integers_of(0, 0), 0.5);
        exchange.evaluate_at(there, gc::evaluation_point::local);
        CHECK(there == x);
        CHECK(exchange.gradient_point().data() == x.data());
        auto stack = stack_of<gc::in_place>(c);
        stack.period = 2;
        CHECK_THROWS_WITH_AS(stack.attach(two, x), doctest::Contains("period = 2"), gc::error);
        CHECK_THROWS_WITH_AS(stack_of<gc::in_place>(c, 2).attach(two, x), doctest::Contains("eta_c = 2"), gc::error);
    });
}

TEST_CASE("the divergence guard watches the direction behind an estimate, and knows the remedy")
{
    const auto ends = [](auto memory, double rate) {
        gc::health_report out;
        gc::comm::run_ranks(1, [&](gc::comm::in_process c) {
            std::vector<double> x(two.total(), 1.0);
            auto exchange = gc::policy_stack{.compressor = gc::top_k{.ratio = 4}, .memory = memory, .reducer = gc::all_gather{c}, .server = gc::estimate{}, .warn = nullptr}.attach(two, x);
            for (int step = 0; step < 300 && !exchange.health().diverging; ++step) {
                std::vector<double> g = gradient_of(0, step);
                for (std::size_t i = 0; i < g.size(); ++i) g[i] = 0.1 * g[i] + x[i];
                exchange.step(g, rate);
            }
            out = exchange.health();
        });
        return out;
    };
    for (const double rate : {0.02, 3.0}) {
        CAPTURE(rate);
        for (const gc::health_report& health : {ends(gc::ef21<>{}, rate), ends(gc::econtrol<>{.eta_c = 0.05}, rate)}) {
            CHECK(health.diverging == (rate > 1));
            CHECK(health.update_norm > 0);
            CHECK((health.text.find("Lower the learning rate, or compress less.") != std::string::npos) == health.diverging);
        }
    }
}
