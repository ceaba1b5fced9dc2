/// @file Bad input: what is thrown, that it names rank, step, tensor, field and value, and that nothing has changed. Empty models are legal.
#include "toy.hpp"

#include <doctest/doctest.h>

#include <limits>

namespace gc = gradcomp;
using gc::error_code;
using toy::error_of;

namespace {

constexpr double nan_value = std::numeric_limits<double>::quiet_NaN(), infinite = std::numeric_limits<double>::infinity();

struct wanted {
    error_code code;
    std::string field, value, tensor = {};
    int rank = 0;
    std::int64_t step = -1;
};

void check(const std::optional<gc::error>& got, const wanted& want)
{
    REQUIRE(got);
    INFO(got->what());
    CHECK(got->code() == want.code);
    CHECK(got->field() == want.field);
    CHECK(got->value() == want.value);
    CHECK(got->tensor() == want.tensor);
    CHECK(got->rank() == want.rank);
    CHECK(got->step() == want.step);
    const std::string text = got->what();
    for (const std::string& part : {want.field, want.value, want.tensor}) CHECK(text.find(part) != std::string::npos);
}

/// The error of attaching a stack, on a group of one rank.
template <class Make> std::optional<gc::error> attach_error(Make make, const gc::tensor_list& tensors = toy::tensors, const gc::expectation& expected = {})
{
    std::optional<gc::error> out;
    gc::comm::run_ranks(1, [&](gc::comm::in_process communicator) {
        const auto stack = make(communicator);
        std::vector<float> x(tensors.total(), 1.f);
        out = error_of([&] { stack.attach(tensors, x, expected); });
    });
    return out;
}
template <class Compressor> std::optional<gc::error> compressor_error(Compressor compressor)
{
    return attach_error([&](auto c) { return gc::policy_stack{.compressor = compressor, .memory = gc::none_accepting_bias{}, .reducer = gc::all_gather{c}}; });
}

} // namespace

TEST_CASE("a ratio below 1, NaN or infinite is refused by every sparsifier")
{
    for (const double ratio : {0.5, 0.0, -4.0, nan_value, infinite}) {
        CAPTURE(ratio);
        const wanted want{error_code::invalid_option, "ratio", gc::text_of(ratio)};
        check(compressor_error(gc::top_k{.ratio = ratio}), want);
        check(compressor_error(gc::random_block{.ratio = ratio}), want);
        check(compressor_error(gc::rand_k<>{.ratio = ratio}), want);
        check(compressor_error(gc::by_tensor{gc::vectors(gc::identity{}), gc::otherwise(gc::top_k{.ratio = ratio})}), want);
    }
    check(compressor_error(gc::delta_scaling{.delta = 1.5}), {error_code::invalid_option, "delta", "1.5"});
}

TEST_CASE("a k outside [1, d] names the first tensor that it does not fit")
{
    check(compressor_error(gc::top_k{.k = 0}), {error_code::invalid_option, "k", "0", "matrix"});
    check(compressor_error(gc::top_k{.k = 21}), {error_code::invalid_option, "k", "21", "bias"});
    check(compressor_error(gc::random_block{.k = 21}), {error_code::invalid_option, "k", "21", "bias"});
    check(compressor_error(gc::rand_k<>{.k = 201}), {error_code::invalid_option, "k", "201", "matrix"});
    check(compressor_error(gc::top_k{.k = 521, .scope = gc::scope::whole_model}), {error_code::invalid_option, "k", "521"});
    CHECK(!compressor_error(gc::top_k{.k = 520, .scope = gc::scope::whole_model}));
    CHECK(!compressor_error(gc::random_block{.k = 20}));
}

TEST_CASE("options of memories, rules, the period and the executor are checked before anything runs")
{
    const auto memory = [](auto m) { return attach_error([&](auto c) { return gc::policy_stack{.compressor = gc::identity{}, .memory = m, .reducer = gc::ring{c}}; }); };
    check(memory(gc::def{.lambda = 1.5}), {error_code::invalid_option, "lambda", "1.5"});
    check(memory(gc::def{.lambda = -1e-9}), {error_code::invalid_option, "lambda", "-1e-09"});
    check(memory(gc::def{.lambda = nan_value}), {error_code::invalid_option, "lambda", "nan"});
    check(memory(gc::def_a{.lambda = 2}), {error_code::invalid_option, "lambda", "2"});
    const auto local = [](auto l) { return attach_error([&](auto c) { return gc::policy_stack{.compressor = gc::identity{}, .reducer = gc::ring{c}, .local = l}; }); };
    check(local(gc::momentum{.beta = 1}), {error_code::invalid_option, "beta", "1"});
    check(local(gc::momentum{.beta = nan_value}), {error_code::invalid_option, "beta", "nan"});
    check(local(gc::momentum{.beta = -0.1}), {error_code::invalid_option, "beta", "-0.1"});
    check(local(gc::momentum{.weight_decay = -1e-9}), {error_code::invalid_option, "weight_decay", "-1e-09"});
    check(local(gc::plain_gradient{.weight_decay = infinite}), {error_code::invalid_option, "weight_decay", "inf"});
    check(attach_error([](auto c) { return gc::policy_stack{.compressor = gc::identity{}, .reducer = gc::ring{c}, .server = gc::server_momentum{.beta = 1}}; }),
        {error_code::invalid_option, "beta", "1"});
    check(attach_error([](auto c) { return gc::policy_stack{.compressor = gc::identity{}, .reducer = gc::ring{c}, .period = 0}; }), {error_code::invalid_option, "period", "0"});
    for (const std::size_t threads : {std::size_t{0}, std::size_t{257}})
        check(attach_error([&](auto c) { return gc::policy_stack{.compressor = gc::identity{}, .reducer = gc::ring{c}, .executor = gc::exec::cpu{.threads = threads}}; }),
            {error_code::invalid_option, "threads", std::to_string(threads)});
    for (const int root : {-1, 1})
        check(attach_error([&](auto c) { return gc::policy_stack{.compressor = gc::identity{}, .reducer = gc::gather_to_root{c, root}}; }),
            {error_code::invalid_option, "root", std::to_string(root)});
    const auto plain = [](auto c) { return gc::policy_stack{.compressor = gc::identity{}, .reducer = gc::ring{c}}; };
    check(attach_error(plain, toy::tensors, {.learning_rate = nan_value, .smoothness = 1}), {error_code::invalid_option, "learning_rate", "nan"});
    check(attach_error(plain, toy::tensors, {.learning_rate = 1, .smoothness = -1}), {error_code::invalid_option, "smoothness", "-1"});
}

TEST_CASE("lists and parameters that cannot be right")
{
    const auto twice = error_of([] { gc::tensor_list{{"w", {2}}, {"b", {2}}, {"w", {3}}}; });
    check(twice, {.code = error_code::invalid_argument, .field = "name", .value = "w", .rank = -1});
    constexpr std::size_t many = std::numeric_limits<std::size_t>::max() / 3;
    check(error_of([] { gc::tensor_list{{"w", {many, 4}}}; }), {.code = error_code::size_overflow, .field = "shape", .value = "4", .tensor = "w", .rank = -1});
    gc::comm::run_ranks(1, [](gc::comm::in_process c) {
        const gc::policy_stack stack{.compressor = gc::identity{}, .reducer = gc::ring{c}};
        std::vector<float> x(519);
        check(error_of([&] { stack.attach(toy::tensors, x); }), {error_code::size_changed, "parameters", "519"});
        check(error_of([&] { stack.attach(toy::tensors, std::span<float>(static_cast<float*>(nullptr), 520)); }), {error_code::invalid_argument, "parameters", "null"});
    });
}

TEST_CASE("arguments of a step that cannot be right are refused before anything changes")
{
    gc::comm::run_ranks(1, [](gc::comm::in_process c) {
        const gc::policy_stack stack{.compressor = gc::top_k{.ratio = 4}, .memory = gc::def{}, .reducer = gc::all_gather{c},
            .local = gc::momentum{}};
        std::vector<float> x = toy::start<float>(), g(toy::size, 1.f);
        auto exchange = stack.attach(toy::tensors, x);
        exchange.step(g, 0.1);
        const std::vector<float> before = x, point = toy::copy(exchange.gradient_point()), owed = toy::copy(exchange.error());
        const auto step = [&](std::span<const float> gradient, double rate) { return error_of([&] { exchange.step(gradient, rate); }); };

        check(step(std::span(g).first(519), 0.1), {.code = error_code::size_changed, .field = "gradient", .value = "519", .step = 1});
        check(step({static_cast<const float*>(nullptr), 520}, 0.1), {.code = error_code::invalid_argument, .field = "gradient", .value = "null", .step = 1});
        check(step(x, 0.1), {.code = error_code::overlap, .field = "gradient", .value = "parameters", .step = 1});
        check(step(exchange.gradient_point(), 0.1), {.code = error_code::overlap, .field = "gradient", .value = "gradient_point()", .step = 1});
        check(step(exchange.error(), 0.1), {.code = error_code::overlap, .field = "gradient", .value = "error()", .step = 1});
        for (const double rate : {-0.1, nan_value, infinite, 1e39}) // the last is infinite as a float
            check(step(g, rate), {.code = error_code::invalid_option, .field = "learning_rate", .value = gc::text_of(rate), .step = 1});

        using span = std::span<const float>;
        const span all(g);
        const auto pieces = [&](std::vector<span> of) { return error_of([&] { exchange.step(std::span<const span>(of), 0.1); }); };
        check(pieces({all.first(200), all.first(20), {}}), {.code = error_code::size_changed, .field = "gradients", .value = "3", .step = 1});
        check(pieces({all.first(200), all.first(21), {}, all.first(300)}), {.code = error_code::size_changed, .field = "gradient", .value = "21", .tensor = "bias", .step = 1});
        check(pieces({all.first(200), span(static_cast<const float*>(nullptr), 20), {}, all.first(300)}),
            {.code = error_code::invalid_argument, .field = "gradient", .value = "null", .tensor = "bias", .step = 1});
        check(pieces({all.first(200), all.first(20), {}, span(x).last(300)}),
            {.code = error_code::overlap, .field = "gradient", .value = "parameters", .tensor = "other", .step = 1});

        std::vector<float> small(519);
        check(error_of([&] { exchange.evaluate_at(small); }), {.code = error_code::size_changed, .field = "destination", .value = "519", .step = 1});
        check(error_of([&] { exchange.evaluate_at({static_cast<float*>(nullptr), 520}); }), {.code = error_code::invalid_argument, .field = "destination", .value = "null", .step = 1});

        CHECK(x == before);
        CHECK(toy::same_bits<float>(exchange.gradient_point(), point));
        CHECK(toy::same_bits<float>(exchange.error(), owed));
        CHECK(exchange.steps() == 1);
    });
}

TEST_CASE("a destination may be the parameters as a whole, not in part")
{
    gc::comm::run_ranks(1, [](gc::comm::in_process c) {
        const gc::policy_stack stack{.compressor = gc::random_block{.ratio = 4}, .memory = gc::psync{}, .reducer = gc::ring{c}};
        std::vector<float> room(toy::size + 5, 1.f), g(toy::size, 1.f), model(toy::size);
        const std::span<float> x = std::span(room).first(toy::size);
        auto exchange = stack.attach(toy::tensors, x);
        exchange.step(g, 0.1);
        check(error_of([&] { exchange.evaluate_at(std::span(room).subspan(5)); }), {.code = error_code::overlap, .field = "destination", .value = "parameters", .step = 1});
        exchange.evaluate_at(model);
        exchange.evaluate_at(x);
        CHECK(toy::same_bits<float>(x, model));
    });
}

TEST_CASE("gradients tensor by tensor are the same as packed ones")
{
    gc::comm::run_ranks(1, [](gc::comm::in_process c) {
        const gc::policy_stack stack{.compressor = gc::top_k{.ratio = 4}, .memory = gc::def{}, .reducer = gc::all_gather{c}, .local = gc::momentum{}};
        std::vector<float> x = toy::start<float>(), y = x;
        auto packed = stack.attach(toy::tensors, x);
        auto apart = stack.attach(toy::tensors, std::span<float>(y));
        for (std::uint64_t t = 0; t < 20; ++t) {
            const std::vector<float> g = toy::gradient<float>(packed.gradient_point(), 0, t);
            const std::vector<float> first(g.begin(), g.begin() + 200), second(g.begin() + 200, g.begin() + 220), fourth(g.begin() + 220, g.end());
            const std::span<const float> spans[] = {first, second, {}, fourth};
            packed.step(g, 0.1);
            apart.step(std::span<const std::span<const float>>(spans), 0.1);
        }
        CHECK(x == y);
    });
}

TEST_CASE("a server rule that divides by the learning rate refuses 0, unless the memory is in gradient units or the velocity in model units")
{
    gc::comm::run_ranks(1, [](gc::comm::in_process c) {
        std::vector<float> x = toy::start<float>(), g(toy::size, 1.f);
        {
            const gc::policy_stack stack{.compressor = gc::identity{}, .memory = gc::ef{}, .reducer = gc::ring{c}, .server = gc::server_momentum{}};
            auto exchange = stack.attach(toy::tensors, x);
            for (const double rate : {0.0, 1e-45, 1e-300})
                check(error_of([&] { exchange.step(g, rate); }), {.code = error_code::invalid_option, .field = "learning_rate", .value = gc::text_of(rate), .step = 0});
            CHECK(x == toy::start<float>());
        }
        const gc::policy_stack stack{.compressor = gc::identity{}, .memory = gc::ef{.units = gc::units::gradient}, .reducer = gc::ring{c}, .server = gc::server_momentum{.beta = 0.5}};
        auto exchange = stack.attach(toy::tensors, x);
        exchange.step(g, 0);
        CHECK(x == toy::start<float>());
        exchange.step(g, 0.5);
        CHECK(x[7] == toy::start<float>()[7] - 0.75f); // the velocity of both steps, 1.5
        x = toy::start<float>();
        const gc::policy_stack outer{.compressor = gc::identity{}, .memory = gc::ef{}, .reducer = gc::ring{c}, .server = gc::server_momentum{.beta = 0.5, .units = gc::units::model}};
        auto rolling = outer.attach(toy::tensors, x);
        rolling.step(g, 0.5);
        rolling.step(g, 0);
        CHECK(x[7] == toy::start<float>()[7] - 0.75f); // 0.5, and half of it again
    });
}

TEST_CASE("a learning rate of 0 is legal: x moves by what is owed alone")
{
    gc::comm::run_ranks(1, [](gc::comm::in_process c) {
        const gc::policy_stack stack{.compressor = gc::identity{}, .reducer = gc::ring{c}, .local = gc::momentum{}};
        std::vector<double> x = toy::start<double>(), g(toy::size, 1.0);
        auto exchange = stack.attach(toy::tensors, x);
        exchange.step(g, 0);
        CHECK(x == toy::start<double>());
    });
}

namespace {

template <class Stack> void runs_empty(const Stack& stack, const gc::tensor_list& list)
{
    std::vector<float> x(list.total(), 1.f), g(list.total(), 1.f), y(list.total());
    auto exchange = stack.attach(list, x);
    for (int t = 0; t < 6; ++t) exchange.step(g, 0.1);
    exchange.step(std::vector<std::span<const float>>(list.count(), std::span<const float>(g).first(list.count() == 0 ? 0 : list.size(0))), 0.1);
    exchange.evaluate_at(y);
    exchange.evaluate_at(y, gc::evaluation_point::mean_corrected);
    if (exchange.steps() != 7 || !exchange.health().text.empty()) throw std::runtime_error("an empty run went wrong");
}

} // namespace

TEST_CASE("empty tensors and an empty list are legal in every stack")
{
    const gc::tensor_list none, one{{"nothing", {0}}}, three{{"a", {0, 4}}, {"b", {0}}, {"c", {3, 0}}};
    for (const auto* list : {&none, &one, &three})
        for (const std::uint32_t period : {1u, 2u})
            CHECK_NOTHROW(gc::comm::run_ranks(2, [&](gc::comm::in_process c) {
                runs_empty(gc::policy_stack{.compressor = gc::identity{}, .reducer = gc::ring{c}, .local = gc::momentum{}, .period = period}, *list);
                runs_empty(gc::policy_stack{.compressor = gc::nothing{}, .memory = gc::none_accepting_bias{}, .reducer = gc::ring{c}, .period = period}, *list);
                runs_empty(gc::policy_stack{.compressor = gc::top_k{.ratio = 4}, .memory = gc::ef{}, .reducer = gc::all_gather{c}, .period = period}, *list);
                runs_empty(gc::policy_stack{.compressor = gc::random_block{.ratio = 4}, .memory = gc::def<gc::staged>{}, .reducer = gc::ring{c}, .period = period}, *list);
                runs_empty(gc::policy_stack{.compressor = gc::random_block{.ratio = 4, .block = 2, .scope = gc::scope::whole_model}, .memory = gc::saef{.averaging_period = 2},
                    .reducer = gc::gather_to_root{c}, .server = gc::server_momentum{}, .period = period}, *list);
                runs_empty(gc::policy_stack{.compressor = gc::rand_k<gc::indices::own, gc::scaling::none>{.ratio = 4, .scope = gc::scope::whole_model},
                    .memory = gc::psync{}, .reducer = gc::all_gather{c}, .period = period}, *list);
                runs_empty(gc::policy_stack{.compressor = gc::by_tensor{gc::vectors(gc::identity{}), gc::otherwise(gc::top_k{.ratio = 4})}, .memory = gc::def_a{},
                    .reducer = gc::gather_to_root{c}, .period = period}, *list);
            }));
}
