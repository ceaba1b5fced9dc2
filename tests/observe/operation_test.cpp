/// @file A compressor as a function: what an exchange does to x, and what measure() finds of it.
#include <gradcomp/gradcomp.hpp>
#include <gradcomp/observe/operation.hpp>
#include <gradcomp/theory/measured.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

namespace gc = gradcomp;

namespace {

const gc::tensor_list model{{"w", {6, 5}}, {"b", {7}}};

std::vector<double> some_vector(int which)
{
    std::vector<double> x(model.total());
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<double>(i * 7 + 1) + which) / static_cast<double>(i % 5 + 1);
    return x;
}

/// Steps of rate 1 from x = 0 of a lone rank without a memory leave -C(g) behind.
template <class C> void does_what_an_exchange_does(const C& compressor)
{
    auto c = gc::operation_of<double>(compressor, model, 9);
    gc::comm::run_ranks(1, [&](gc::comm::in_process communicator) {
        std::vector<double> x(model.total()), out(model.total(), 7);
        gc::policy_stack stack{.compressor = compressor, .memory = gc::none_accepting_bias{}, .reducer = gc::all_gather{communicator}, .seed = 9};
        auto exchange = stack.attach(model, x);
        CHECK(c.message_bytes() == exchange.message_bytes());
        for (int draw = 0; draw < 3; ++draw) {
            const auto g = some_vector(draw);
            std::fill(x.begin(), x.end(), 0.0);
            exchange.step(g, 1);
            c(g, out, static_cast<std::uint64_t>(draw));
            for (std::size_t i = 0; i < x.size(); ++i) CHECK(out[i] == -x[i]);
        }
    });
}

} // namespace

TEST_CASE("an operation gives what a lone rank's exchange gives, draw by draw")
{
    does_what_an_exchange_does(gc::identity{});
    does_what_an_exchange_does(gc::top_k{.ratio = 4});
    does_what_an_exchange_does(gc::rand_k<>{.ratio = 4});
    does_what_an_exchange_does(gc::random_block{.ratio = 4});
    does_what_an_exchange_does(gc::sign<>{});
    does_what_an_exchange_does(gc::qsgd<>{.bits = 4});
    does_what_an_exchange_does(gc::chain{gc::rand_k<>{.ratio = 4}, gc::natural<>{}});
    does_what_an_exchange_does(gc::low_rank{.rank = 2, .warm_start = false});
    does_what_an_exchange_does(gc::by_tensor{gc::vectors(gc::identity{}), gc::otherwise(gc::block_top_k{.ratio = 2, .block = 4})});
}

TEST_CASE("measure() takes it: the classes that a compressor states hold, and one percent better ones do not")
{
    const std::vector<double> ones(64, 1);
    const gc::tensor_list list{{"x", {64}}};
    const gc::rand_k<> compressor{.ratio = 4};
    auto c = gc::operation_of<double>(compressor, list);
    const auto seen = gc::theory::measure<double>(c, ones, 4000);
    CHECK(seen.error.mean == doctest::Approx(3)); // d / k - 1
    CHECK(gc::theory::compatible(compressor.classes(64), seen));
    CHECK_FALSE(gc::theory::compatible(gc::theory::class_u{0.99 * 4}, seen));
}

TEST_CASE("draws are told apart by their number alone, and other lengths are refused by name")
{
    auto c = gc::operation_of<double>(gc::low_rank{.rank = 1}, model);
    const auto x = some_vector(0);
    std::vector<double> first(x.size()), again(x.size()), other(x.size());
    c(x, first, 5);
    c(x, other, 6);
    c(x, again, 5);
    CHECK(first == again);
    CHECK(first != other);
    CHECK_THROWS_WITH_AS(c(std::span(x).first(3), first, 0), doctest::Contains("x = 3"), gc::error);
    CHECK_THROWS_AS(gc::operation_of<double>(gc::top_k{.ratio = 0.5}, model), gc::error);
}
