/// @file What attach() warns of, what it takes, and the points and sizes that an exchange reports.
#include "toy.hpp"

#include <doctest/doctest.h>

namespace gc = gradcomp;

namespace {

thread_local std::vector<std::string> warned;
void remember(const char* sentence) { warned.emplace_back(sentence); }
void fail_if_called(const char*) { throw std::logic_error("a warning where none belongs"); }

const gc::momentum local{.beta = 0.9};

} // namespace

TEST_CASE("attach() warns with the numbers when the learning rate exceeds what the theorems allow, on rank 0 alone")
{
    std::vector<std::vector<std::string>> said(3);
    gc::comm::run_ranks(3, [&](gc::comm::in_process c) {
        const gc::policy_stack stack{.compressor = gc::random_block{.ratio = 4}, .memory = gc::ef{}, .reducer = gc::ring{c}, .local = local, .warn = remember};
        std::vector<float> x = toy::start<float>();
        stack.attach(toy::tensors, x, {.learning_rate = 0.05, .smoothness = 2});
        stack.attach(toy::tensors, std::span<float>(x), {.learning_rate = 1e-4, .smoothness = 2}); // allowed
        stack.attach(toy::tensors, x, {.learning_rate = 0.05});                                    // L not known
        stack.attach(toy::tensors, x);
        said[static_cast<std::size_t>(c.rank())] = warned;
        warned.clear();
    });
    REQUIRE(said[0].size() == 1);
    CHECK(said[1].empty());
    CHECK(said[2].empty());
    // eta / (1 - beta) = 0.5; delta = 4; the bound is 1 / (14 * 8 * 2) = 0.00446
    for (const char* part : {"0.05", "momentum 0.9 ", " 0.5 ", "delta = 4", "L = 2", "0.00446", "112 times", "def"}) {
        CAPTURE(said[0][0]);
        CAPTURE(part);
        CHECK(said[0][0].find(part) != std::string::npos);
    }
}

TEST_CASE("a null sink is silent, and nothing is said where nothing is wrong")
{
    gc::comm::run_ranks(1, [](gc::comm::in_process c) {
        std::vector<float> x = toy::start<float>();
        gc::policy_stack stack{.compressor = gc::random_block{.ratio = 4}, .memory = gc::ef{}, .reducer = gc::ring{c}, .warn = nullptr};
        CHECK_NOTHROW(stack.attach(toy::tensors, x, {.learning_rate = 10, .smoothness = 2}));
        stack.warn = fail_if_called;
        CHECK_NOTHROW(stack.attach(toy::tensors, x, {.learning_rate = 1e-3, .smoothness = 2}));
        CHECK_THROWS_AS(stack.attach(toy::tensors, x, {.learning_rate = 10, .smoothness = 2}), std::logic_error);
    });
}

TEST_CASE("the gradient point is x itself where that costs nothing, else a place of its own")
{
    gc::comm::run_ranks(1, [](gc::comm::in_process c) {
        std::vector<float> x = toy::start<float>();
        const auto at_x = [&](auto memory, std::uint32_t period) {
            const gc::policy_stack stack{.compressor = gc::random_block{.ratio = 4}, .memory = memory, .reducer = gc::ring{c}, .period = period};
            const auto exchange = stack.attach(toy::tensors, x);
            CHECK(toy::same_bits<float>(exchange.gradient_point(), x));
            CHECK(exchange.parameters().data() == x.data());
            return exchange.gradient_point().data() == x.data();
        };
        CHECK(at_x(gc::ef{}, 1));
        CHECK(at_x(gc::ef<gc::staged>{}, 1));
        CHECK(at_x(gc::none_accepting_bias{}, 1));
        CHECK(!at_x(gc::ef{}, 2));
        CHECK(!at_x(gc::def{}, 1));
        CHECK(!at_x(gc::psync{}, 1));
        CHECK(!at_x(gc::saef<gc::staged>{}, 1));
    });
}

TEST_CASE("a run takes the memory that its policies say, and no more")
{
    gc::comm::run_ranks(2, [](gc::comm::in_process c) {
        std::vector<float> x = toy::start<float>();
        const auto models = [&](auto memory, auto local_rule, auto server, auto reducer) {
            const gc::policy_stack stack{.compressor = gc::random_block{.ratio = 4}, .memory = memory, .reducer = reducer, .local = local_rule, .server = server};
            return static_cast<double>(stack.attach(toy::tensors, x).state_bytes()) / static_cast<double>(toy::size * sizeof(float));
        };
        const gc::plain_gradient plain;
        const gc::descent descent;
        const gc::ring ring{c};
        const double wrong[] = {models(gc::none_accepting_bias{}, plain, descent, ring) - 0, models(gc::none_accepting_bias{}, local, descent, ring) - 1,
            models(gc::ef{}, local, descent, ring) - 2, models(gc::ef<gc::staged>{}, local, descent, ring) - 4, models(gc::saef{}, local, descent, ring) - 3,
            models(gc::def{}, local, descent, ring) - 4, // the mean of the errors has a place, so that evaluation allocates nothing
            models(gc::ef{}, plain, gc::server_momentum{}, ring) - 3,
            models(gc::ef{}, plain, gc::server_momentum{}, gc::gather_to_root{c, 1}) - (c.rank() == 1 ? 4 : 1)}; // the root's copy waits for the others
        for (const double off : wrong)
            if (off != 0) throw std::runtime_error("memory is off by " + std::to_string(off) + " models");
    });
    CHECK(true);
}

TEST_CASE("evaluate_at() gives the memory's own point, or any other that is asked for")
{
    gc::comm::run_ranks(1, [](gc::comm::in_process c) {
        const auto check = [&](auto memory, gc::evaluation_point own) {
            const gc::policy_stack stack{.compressor = gc::top_k{.ratio = 8}, .memory = memory, .reducer = gc::all_gather{c}, .local = local};
            std::vector<double> x = toy::start<double>(), y(toy::size), z(toy::size);
            auto exchange = stack.attach(toy::tensors, x);
            for (std::uint64_t t = 0; t < 9; ++t) exchange.step(toy::gradient<double>(exchange.gradient_point(), 0, t), 0.05);
            exchange.evaluate_at(y);
            exchange.evaluate_at(z, own);
            CHECK(y == z);
            exchange.evaluate_at(y, gc::evaluation_point::parameters);
            CHECK(y == x);
            exchange.evaluate_at(y, gc::evaluation_point::local);
            exchange.evaluate_at(z, gc::evaluation_point::mean_corrected); // the same on one rank
            CHECK(y == z);
            for (std::size_t i = 0; i < toy::size; ++i) REQUIRE(y[i] == x[i] - exchange.error()[i]);
        };
        check(gc::ef{}, gc::evaluation_point::parameters);
        check(gc::def{}, gc::evaluation_point::mean_corrected);
        check(gc::def_a{}, gc::evaluation_point::parameters);
        check(gc::saef{}, gc::evaluation_point::parameters);
        check(gc::psync{}, gc::evaluation_point::local);
    });
}

TEST_CASE("without a memory every evaluation point is x")
{
    gc::comm::run_ranks(1, [](gc::comm::in_process c) {
        const gc::policy_stack stack{.compressor = gc::identity{}, .reducer = gc::ring{c}, .period = 2};
        std::vector<double> x = toy::start<double>(), y(toy::size);
        auto exchange = stack.attach(toy::tensors, x);
        for (int t = 0; t < 3; ++t) exchange.step(std::vector<double>(toy::size, 1), 0.05); // one local step is under way
        for (const auto where : {gc::evaluation_point::parameters, gc::evaluation_point::mean_corrected, gc::evaluation_point::local}) {
            exchange.evaluate_at(y, where);
            CHECK(y == x);
        }
        CHECK(exchange.steps() == 3);
        CHECK(exchange.exchanges() == 1);
    });
}

TEST_CASE("error feedback around an operator that is no contraction for these numbers is refused with its classes and a remedy")
{
    gc::comm::run_ranks(1, [](gc::comm::in_process c) {
        std::vector<float> x(5000);
        const gc::tensor_list tensors{{"w", {50, 100}}};
        const auto refusal = [&](auto compressor) -> std::string {
            const gc::policy_stack stack{.compressor = compressor, .memory = gc::ef{}, .reducer = gc::all_gather{c}};
            try {
                stack.attach(tensors, x);
            } catch (const gc::error& e) {
                CHECK(e.code() == gc::error_code::not_contractive);
                return e.what();
            }
            return {};
        };
        // sqrt(512) levels short: zeta = sqrt(512) = 22.6
        for (const char* part : {"U(22.6)", "no B3", "0.0442", "B3(22.6)", "gc::scaled"}) {
            const std::string said = refusal(gc::qsgd<>{.bits = 2});
            CAPTURE(said);
            CHECK(said.find(part) != std::string::npos);
        }
        CHECK(refusal(gc::qsgd<>{.bits = 8}).empty());
        CHECK(refusal(gc::scaled<gc::qsgd<>>{.lambda = 1 / 22.7, .of = {.bits = 2}}).empty());
        CHECK(refusal(gc::min_max<gc::rounding::nearest>{.bits = 1}).find("no class") != std::string::npos);
        CHECK(refusal(gc::min_max<gc::rounding::nearest>{.bits = 8}).empty());
        CHECK(refusal(gc::threshold<gc::limit_unit::norm>{.limit = 2.5}).find("no class") != std::string::npos);
        CHECK(refusal(gc::threshold<gc::limit_unit::norm>{.limit = 1}).empty());
    });
}
