/// @file Quantizers in a stack: what the numbers forbid is refused at attach(), and what they allow trains.
#include "toy.hpp"

#include <doctest/doctest.h>

using namespace toy;

namespace {

template <class Compressor, class Memory> double remaining(const Compressor& compressor, Memory memory)
{
    return toy::remaining<double>([&](gc::comm::in_process c) { return gc::policy_stack{.compressor = compressor, .memory = memory, .reducer = gc::all_gather{c}}; });
}

} // namespace

TEST_CASE("error feedback around too few levels is refused at attach() with the class numbers, with none it is accepted")
{
    gc::comm::run_ranks(1, [](gc::comm::in_process c) {
        auto x = start<float>();
        const auto said = [&](const auto& compressor, const auto& memory) -> std::string {
            const auto refused = error_of([&] { gc::policy_stack{.compressor = compressor, .memory = memory, .reducer = gc::all_gather{c}}.attach(tensors, x); });
            if (!refused) return "accepted";
            CHECK(refused->code() == gc::error_code::not_contractive);
            return refused->what();
        };
        const auto has = [](const std::string& text, std::initializer_list<const char*> parts) {
            CAPTURE(text);
            for (const char* part : parts) CHECK(text.find(part) != std::string::npos);
        };
        // The largest tensor has 300 elements, 3 levels: zeta = sqrt(300) / 3.
        has(said(gc::qsgd<>{.bits = 3}, gc::ef{}), {"U(5.77)", "no B3", "multiplied by 0.173", "B3(5.77)", "gc::scaled"});
        has(said(gc::qsgd<>{.bits = 3}, gc::def{.lambda = 0.3}), {"U(5.77)", "no B3"});
        CHECK(said(gc::qsgd<>{.bits = 3}, gc::none{}) == "accepted");
        // 300 / 3 by the 1-norm; 16 / 7 in buckets of 16 elements with 7 levels.
        has(said(gc::qsgd<gc::norm::one>{.bits = 3}, gc::ef{}), {"U(100)", "no B3"});
        has(said(gc::qsgd<gc::norm::one>{.bits = 4, .bucket = 16}, gc::ef{}), {"U(2.29)", "no B3"});
        CHECK(said(gc::qsgd<>{.bits = 4, .bucket = 16}, gc::ef{}) == "accepted");
        // A sparsifier in front changes the numbers, not the rule: 75 of 300 kept, zeta = sqrt(75).
        has(said(gc::chain{gc::top_k{.ratio = 4}, gc::qsgd<>{.bits = 2}}, gc::ef{}), {"B1(0.25, 8.66)", "no B3", "multiplied by 0.115", "B3(34.6)"});
        CHECK(said(gc::chain{gc::top_k{.ratio = 4}, gc::qsgd<>{.bits = 8}}, gc::ef{}) == "accepted");
        has(said(gc::natural_dithering(2), gc::ef{}), {"U(8.66)", "no B3"});
        CHECK(said(gc::natural_dithering(), gc::ef{}) == "accepted");
        // What the error says to do is legal.
        CHECK(said(gc::chain{gc::top_k{.ratio = 4}, gc::scaled{.lambda = 0.115, .of = gc::qsgd<>{.bits = 2}}}, gc::ef{}) == "accepted");
        has(said(gc::chain{gc::top_k{.ratio = 4}, gc::qsgd<>{.bits = 2}}, gc::ef{}), {"gc::scaled around its quantizer"});
        // Levels relative to the largest element, the nearest one: always a contraction, also where the lowest level is high.
        CHECK(said(gc::level_rounding<gc::rounding::nearest>{.levels = {1}}, gc::ef{}) == "accepted");
        has(said(gc::exponential_dithering<gc::norm::two, gc::rounding::nearest>{.levels = 2}, gc::ef{}), {"no class", "more levels"});
        has(said(gc::by_tensor{gc::vectors(gc::qsgd<>{.bits = 2}), gc::otherwise(gc::top_k{.ratio = 4})}, gc::ef{}), {"no B3"});
    });
}

TEST_CASE("a memory that resets its error refuses too few levels as well, and lets nothing wait for the reset")
{
    gc::comm::run_ranks(1, [](gc::comm::in_process c) {
        auto x = start<float>();
        const auto refused = [&](const auto& compressor, const auto& reset) {
            const gc::policy_stack stack{.compressor = compressor, .memory = gc::cser{.reset = reset, .every = 4}, .reducer = gc::all_gather{c}, .local = gc::momentum{.beta = 0.9}};
            const auto e = error_of([&] { stack.attach(tensors, x); });
            return e && e->code() == gc::error_code::not_contractive;
        };
        CHECK(refused(gc::qsgd<>{.bits = 2}, gc::random_block{.ratio = 4}));
        CHECK(refused(gc::random_block{.ratio = 4}, gc::qsgd<>{.bits = 2}));
        CHECK_FALSE(refused(gc::qsgd<>{.bits = 8}, gc::random_block{.ratio = 4}));
        CHECK_FALSE(refused(gc::nothing{}, gc::random_block{.ratio = 4}));
    });
}

TEST_CASE("CSER's steps may take two rounds")
{
    CHECK(toy::remaining<float>([](gc::comm::in_process c) {
        return gc::policy_stack{.compressor = gc::low_rank{.rank = 2}, .memory = gc::cser{.reset = gc::random_block{.ratio = 3}, .every = 3}, .reducer = gc::ring{c},
            .local = gc::momentum{.beta = 0}};
    }) < 0.1);
}

TEST_CASE("quantized training comes as near to the minimum as its noise lets it, and ranks agree in every bit")
{
    CHECK(remaining(gc::identity{}, gc::none{}) < 0.1);
    CHECK(remaining(gc::sign<>{}, gc::ef{}) < 0.25);
    CHECK(remaining(gc::block_sign{.bucket = 64}, gc::ef<gc::staged>{}) < 0.2);
    CHECK(remaining(gc::natural<>{}, gc::none{}) < 0.15);
    CHECK(remaining(gc::qsgd<>{.bits = 4, .bucket = 64}, gc::ef{}) < 0.15);
    CHECK(remaining(gc::min_max<gc::rounding::nearest>{}, gc::ef{}) < 0.15);
    CHECK(remaining(gc::cast<gc::fp8_e4m3>{}, gc::def{.lambda = 0.3}) < 0.15);
    CHECK(remaining(gc::chain{gc::top_k{.ratio = 4}, gc::cast<gc::half>{}}, gc::ef{}) < 0.3);
}
