/// @file none and none_accepting_bias keep what all error memories promise: one line per policy.
#include "memory_conformance.hpp"

using namespace conformance;
using gc::staged;

TEST_CASE("none conforms") { memory(gc::none<>{}); }
TEST_CASE("none, staged, conforms") { memory(gc::none<staged>{}); }
TEST_CASE("none_accepting_bias conforms") { memory(gc::none_accepting_bias<>{}); }
TEST_CASE("none_accepting_bias, staged, conforms") { memory(gc::none_accepting_bias<staged>{}); }

TEST_CASE("without a memory, what is not sent is forgotten")
{
    gc::comm::run_ranks(2, [](gc::comm::in_process communicator) {
        std::vector<float> x(64), sent(64);
        gc::policy_stack stack{.compressor = gc::random_block{.ratio = 4}, .memory = gc::none_accepting_bias{}, .reducer = gc::ring{communicator}};
        auto exchange = stack.attach(one_tensor(64), x);
        const std::vector<float> gradient(64, 2.0f);
        for (int step = 0; step < 20; ++step) {
            const std::vector<float> before = x;
            exchange.step(gradient, 0.5);
            std::size_t moved = 0, wrong = 0;
            for (std::size_t i = 0; i < 64; ++i) {
                moved += x[i] != before[i];
                wrong += x[i] != before[i] && x[i] != before[i] - 1.0f;
            }
            CHECK(moved == 16);
            CHECK(wrong == 0);
        }
        CHECK(exchange.error().empty());
    });
}
