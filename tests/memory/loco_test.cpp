/// @file LoCo: the rule element by element, EF without its average, what is averaged and when it is forgotten.
#include <gradcomp/gradcomp.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace gc = gradcomp;

namespace {

const gc::tensor_list two{{"w", {8, 5}}, {"b", {7}}};

std::vector<double> copy(std::span<const double> from) { return {from.begin(), from.end()}; }

std::vector<double> gradient_of(int rank, int step)
{
    std::vector<double> g(two.total());
    for (std::size_t i = 0; i < g.size(); ++i) g[i] = i % 9 == 4 ? 0 : std::sin(static_cast<double>(i * 7 + 1) * (1 + rank) + step * 0.7);
    return g;
}

/// What one rank saw of a run: x, its error and its own message after each step.
struct seen {
    std::vector<std::vector<double>> x, e, sent;
    bool operator==(const seen&) const = default;
};
template <class Make> std::vector<seen> run(const Make& make, int steps = 40)
{
    std::vector<seen> all(3);
    gc::comm::run_ranks(3, [&](gc::comm::in_process c) {
        seen& mine = all[static_cast<std::size_t>(c.rank())];
        std::vector<double> x(two.total(), 1.0), sent(two.total());
        auto exchange = make(c).attach(two, x);
        for (int step = 0; step < steps; ++step) {
            std::vector<double> g = gradient_of(c.rank(), step);
            for (std::size_t i = 0; i < g.size(); ++i) g[i] += 0.3 * x[i];
            exchange.step(g, step < 20 ? 0.1 : 0.05);
            std::fill(sent.begin(), sent.end(), 0.0);
            exchange.decode_own([&sent](std::size_t i, double v) { sent[i] = v; });
            mine.x.push_back(x);
            mine.e.push_back(copy(exchange.error()));
            mine.sent.push_back(sent);
        }
    });
    return all;
}

const auto with = [](auto compressor, auto memory, auto local, auto reducer_of, int steps = 40) {
    return run([&](gc::comm::in_process c) {
        return gc::policy_stack{.compressor = compressor, .memory = memory, .reducer = reducer_of(c), .local = local, .seed = 5, .warn = nullptr};
    }, steps);
};
const auto all_gather = [](auto c) { return gc::all_gather{c}; };
const auto ring = [](auto c) { return gc::ring{c}; };

} // namespace

TEST_CASE("the rule: p = e + d, e' = beta e + (1 - beta)(p - c), and e counts as 0 every few exchanges")
{
    using direction = gc::plain_gradient::direction<double, false>;
    gc::average_rule<double, double, direction, false> rule{direction(gc::plain_gradient{}), {.in_model_units = false}};
    rule.set(gc::loco<>{.beta = 0.75, .reset_every = 3});
    double e[] = {4};
    const double g[] = {8}, in[] = {4};
    rule.gradient = g;
    rule.in[rule.error_in] = rule.out[rule.error_out] = e;
    rule.at_step({.learning_rate = 0.5, .step = 1});
    CHECK(rule.value(8, in) == 12);
    CHECK(rule.owed_at(0) == 4);
    double out[1] = {};
    rule.leave(8, in, 12, 12, out);
    CHECK(out[0] == 3); // 0.75 * 4
    rule.leave(8, in, 12, 10, out);
    CHECK(out[0] == 3.5);
    rule.leave(8, in, 12, 0, out); // nothing was sent
    CHECK(out[0] == 6);
    e[0] = out[0];
    CHECK(rule.again().value(8, out) == 12);
    rule.settle(0, 12, 12);
    CHECK(e[0] == 3);
    rule.keep_missed(0, 2); // of the 12 only 10 arrived
    CHECK(e[0] == 3.5);
    rule.at_step({.learning_rate = 0.5, .step = 3});
    CHECK(rule.value(8, in) == 8);
    CHECK(rule.owed_at(0) == 0);
    rule.leave(8, in, 8, 4, out);
    CHECK(out[0] == 1);
}

TEST_CASE("p after a sweep that sent nothing has the bits that the sweep chose by, with and without a local rule's state, also where e is forgotten")
{
    const gc::loco<> memory{.beta = 0.7, .reset_every = 5};
    std::size_t wrong = 0;
    for (int i = 1; i <= 1000; ++i) {
        const double g = std::sin(i * 1.7), e = std::cos(i * 2.3), m = std::sin(i * 3.1);
        const gc::step_state<double> now{.learning_rate = 0.03, .step = static_cast<std::uint32_t>(i)};
        {
            using direction = gc::plain_gradient::direction<double, false>;
            gc::average_rule<double, double, direction, false> rule{direction(gc::plain_gradient{}), {}};
            rule.set(memory);
            rule.at_step(now);
            double out[1];
            const double p = rule.value(g, &e);
            rule.leave(g, &e, p, 0, out);
            wrong += rule.again().value(g, out) != p || !(std::abs(p - ((i % 5 == 0 ? 0 : e) + 0.03 * g)) < 1e-15);
        }
        using direction = gc::momentum::direction<double, false>;
        gc::average_rule<double, double, direction, false> rule{direction(gc::momentum{.beta = 0.7}), {}};
        rule.set(memory);
        rule.at_step(now);
        const double in[] = {m, e};
        double out[2];
        const double p = rule.value(g, in);
        rule.leave(g, in, p, 0, out);
        wrong += rule.again().value(g, out) != p;
    }
    CHECK(wrong == 0);
}

TEST_CASE("without average and resets it is ef, bit for bit: models, errors and messages, in either units")
{
    const auto compare = [](auto compressor, auto local, auto reducer_of, gc::units units) {
        const std::vector<seen> plain = with(compressor, gc::ef<>{.units = units}, local, reducer_of);
        CHECK(with(compressor, gc::loco<>{.beta = 0, .reset_every = 0, .units = units}, local, reducer_of) == plain);
        CHECK(with(compressor, gc::loco<gc::staged>{.beta = 0, .reset_every = 0, .units = units}, local, reducer_of) == plain);
        CHECK(with(compressor, gc::loco<>{.beta = 0, .reset_every = 7, .units = units}, local, reducer_of) != plain);
        const std::vector<seen> averaged = with(compressor, gc::loco<>{.reset_every = 7, .units = units}, local, reducer_of);
        CHECK(averaged != plain);
        CHECK(with(compressor, gc::loco<gc::staged>{.reset_every = 7, .units = units}, local, reducer_of) == averaged);
    };
    for (const gc::units units : {gc::units::model, gc::units::gradient}) {
        compare(gc::top_k{.ratio = 4}, gc::plain_gradient{}, all_gather, units);
        compare(gc::top_k{.ratio = 4}, gc::momentum{.beta = 0.9, .weight_decay = 1e-2}, all_gather, units);
        compare(gc::random_block{.ratio = 4}, gc::plain_gradient{.weight_decay = 1e-2}, ring, units);
        compare(gc::sign<>{}, gc::plain_gradient{}, all_gather, units);
    }
}

TEST_CASE("a reset starts anew: the steps behind it are those of a run whose first step it is")
{
    const auto from_zero = [](int first, int steps) {
        std::vector<std::vector<double>> sent;
        gc::comm::run_ranks(1, [&](gc::comm::in_process c) {
            std::vector<double> x(two.total());
            auto exchange = gc::policy_stack{.compressor = gc::top_k{.ratio = 4}, .memory = gc::loco{.reset_every = 6}, .reducer = gc::all_gather{c}, .warn = nullptr}.attach(two, x);
            for (int step = first; step < first + steps; ++step) {
                exchange.step(gradient_of(0, step), 0.1);
                sent.push_back(copy(exchange.error()));
            }
        });
        return sent;
    };
    const auto whole = from_zero(0, 12), half = from_zero(6, 6);
    CHECK(std::vector(whole.begin() + 6, whole.end()) == half);
    CHECK(half != from_zero(0, 6));
}

TEST_CASE_TEMPLATE("what was sent and what is owed, e / (1 - beta), make up the directions until a reset; a rejected step adds its finite part, or staged nothing", Storage, gc::in_place, gc::staged)
{
    gc::comm::run_ranks(2, [](gc::comm::in_process c) {
        std::vector<double> x(two.total(), 1.0), all(two.total()), sent(two.total());
        auto exchange = gc::policy_stack{.compressor = gc::chain{gc::top_k{.ratio = 3}, gc::qsgd<>{.bits = 4}}, .memory = gc::loco<Storage>{.beta = 0.75, .reset_every = 0},
            .reducer = gc::all_gather{c}, .warn = nullptr}.attach(two, x);
        for (int step = 0; step < 20; ++step) {
            std::vector<double> d = gradient_of(c.rank(), step);
            const std::vector<double> e = copy(exchange.error()), at = x;
            if (step == 6) {
                if (c.rank() == 1) d[3] = std::numeric_limits<double>::infinity();
                CHECK_THROWS_WITH_AS(exchange.step(d, 0.5), doctest::Contains("non_finite"), gc::error);
                if (c.rank() == 1) d[3] = 0;
                CHECK(x == at);
                if (Storage::is_staged) CHECK(copy(exchange.error()) == e);
            } else {
                exchange.step(d, 0.5);
                exchange.decode_own([&sent](std::size_t i, double v) { sent[i] += v; });
            }
            double off = 0;
            for (std::size_t i = 0; i < d.size(); ++i) {
                if (step != 6 || !Storage::is_staged) all[i] += d[i];
                off = std::max(off, std::abs(exchange.error()[i] / 0.25 + sent[i] - all[i]));
            }
            CHECK(off < 1e-12);
        }
    });
}

TEST_CASE("beta is from 0 to below 1, and every step is exchanged")
{
    for (const double beta : {-0.5, 1.0, std::numeric_limits<double>::quiet_NaN()}) CHECK_THROWS_WITH_AS(gc::loco{.beta = beta}.check(), doctest::Contains("beta = "), gc::error);
    CHECK_THROWS_WITH_AS(gc::loco{.beta = 1.5}.check(), doctest::Contains("beta = 1.5"), gc::error);
    CHECK(gc::loco{}.units == gc::units::gradient);
    gc::comm::run_ranks(1, [](gc::comm::in_process c) {
        std::vector<double> x(two.total(), 1.0);
        gc::policy_stack stack{.compressor = gc::top_k{.ratio = 4}, .memory = gc::loco{.beta = 1}, .reducer = gc::all_gather{c}, .warn = nullptr};
        CHECK_THROWS_WITH_AS(stack.attach(two, x), doctest::Contains("beta = 1"), gc::error);
        stack.memory.beta = 0.5;
        stack.period = 3;
        CHECK_THROWS_WITH_AS(stack.attach(two, x), doctest::Contains("period = 3"), gc::error);
    });
}
