/// @file A compressor that the library does not know works in every stack that its facts allow; docs/write_a_compressor.md builds it.
#include "../../examples/ternary.hpp"
#include "../stack/toy.hpp"

#include <doctest/doctest.h>

using namespace toy;

namespace {

struct seen {
    int legal = 0, refused = 0;
};

/// The stack of these policies trains, or may not be compiled.
template <class Compressor, class Memory, class ReducerOf, class Server> void try_out(seen& count, const Compressor& compressor, const Memory& memory, const ReducerOf& reducer_of, const Server& server)
{
    using reducer = decltype(reducer_of(std::declval<gc::comm::in_process>()));
    if constexpr (gc::stack::bias_is_repaired<Compressor, Memory>() && gc::stack::feedback_contracts<Compressor, Memory>() && gc::stack::messages_add<Compressor, reducer>()) {
        ++count.legal;
        const double left = remaining<float>([&](gc::comm::in_process c) {
            return gc::policy_stack{.compressor = compressor, .memory = memory, .reducer = reducer_of(c), .server = server};
        });
        CAPTURE(count.legal);
        CHECK(left < (Memory::feeds_back || Compressor::unbiased ? 0.3 : 0.8)); // false for NaN: ranks that differ
    } else {
        ++count.refused;
    }
}

/// Every memory of the library that takes any local rule, with one reducer.
template <class Compressor, class ReducerOf> seen with_every_memory(const Compressor& compressor, const ReducerOf& reducer_of)
{
    seen count;
    const auto with = [&](const auto& memory, const auto& server) { try_out(count, compressor, memory, reducer_of, server); };
    const gc::descent server{};
    with(gc::none{}, server);
    with(gc::none_accepting_bias{}, server);
    with(gc::ef{}, server);
    with(gc::ef<gc::staged>{}, server);
    with(gc::def{.lambda = 0.3}, server);
    with(gc::def_a{.lambda = 0.3}, server);
    with(gc::saef{.averaging_period = 20}, server);
    with(gc::psync{}, server);
    with(gc::momentum_correction{}, server);
    with(gc::ef21{}, gc::estimate{});
    return count;
}

const auto ring = [](gc::comm::in_process c) { return gc::ring{c}; };
const auto all_gather = [](gc::comm::in_process c) { return gc::all_gather{c}; };
const auto to_root = [](gc::comm::in_process c) { return gc::gather_to_root{c}; };

} // namespace

TEST_CASE("a compressor of one's own trains with every memory and reducer that its facts allow: all but none, and all but the ring")
{
    const own::ternary compressor{.bucket = 16};
    const seen gathered = with_every_memory(compressor, all_gather), at_root = with_every_memory(compressor, to_root), in_ring = with_every_memory(compressor, ring);
    CHECK(gathered.legal == 9);
    CHECK(gathered.refused == 1);
    CHECK(at_root.legal == 9);
    CHECK(in_ring.legal == 0);
}

TEST_CASE("it also works with CSER, as either of its compressors, and in frames")
{
    const own::ternary compressor{.bucket = 16};
    const auto with = [](const auto& steps, const auto& reset) {
        return [&](gc::comm::in_process c) {
            return gc::policy_stack{.compressor = steps, .memory = gc::cser{.reset = reset, .every = 3}, .reducer = gc::all_gather{c}, .local = gc::momentum{.beta = 0}};
        };
    };
    CHECK(remaining<float>(with(compressor, gc::top_k{.ratio = 2})) < 0.3);
    CHECK(remaining<float>(with(gc::top_k{.ratio = 2}, compressor)) < 0.3);
    const auto framed = [&](gc::comm::in_process c) { return gc::policy_stack{.compressor = compressor, .memory = gc::ef{}, .reducer = gc::framed{gc::all_gather{c}, 77}}; };
    const auto bare = [&](gc::comm::in_process c) { return gc::policy_stack{.compressor = compressor, .memory = gc::ef{}, .reducer = gc::all_gather{c}}; };
    CHECK(remaining<float>(framed) == remaining<float>(bare));
    CHECK(remaining<float>(bare) < 0.3);
}

TEST_CASE("it also works behind a sparsifier, scaled, for some tensors only, and in double")
{
    const own::ternary compressor{.bucket = 16};
    const auto with = [](const auto& any) { return [&](gc::comm::in_process c) { return gc::policy_stack{.compressor = any, .memory = gc::ef{}, .reducer = gc::all_gather{c}}; }; };
    CHECK(remaining<double>(with(compressor)) < 0.3);
    CHECK(remaining<float>(with(gc::chain{gc::top_k{.ratio = 2}, compressor})) < 0.4);
    CHECK(remaining<float>(with(gc::scaled<own::ternary>{.lambda = 0.9, .of = compressor})) < 0.3);
    CHECK(remaining<float>(with(gc::by_tensor{gc::vectors(gc::identity{}), gc::otherwise(compressor)})) < 0.3);
}
