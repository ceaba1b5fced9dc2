/// @file The number of a policy: another type or another value of any option gives another one.
#include <gradcomp/gradcomp.hpp>

#include <doctest/doctest.h>

#include <set>

namespace gc = gradcomp;

TEST_CASE("policies of the same type and options have the same number, all others another one")
{
    std::set<std::uint32_t> seen;
    std::size_t count = 0;
    const auto add = [&](const auto& policy) {
        auto same = policy;
        CHECK(gc::kind_of(policy) == gc::kind_of(same));
        seen.insert(gc::kind_of(policy));
        CHECK(seen.size() == ++count);
    };
    add(gc::identity{});
    add(gc::top_k{});
    add(gc::top_k{.ratio = 4});
    add(gc::top_k{.k = 4});
    add(gc::top_k{.k = 0});
    add(gc::top_k{.scope = gc::scope::whole_model});
    add(gc::adaptive_random{.ratio = 4});
    add(gc::rand_k<>{.ratio = 4});
    add(gc::rand_k<gc::indices::own>{.ratio = 4});
    add(gc::random_block{.ratio = 4});
    add(gc::random_block{.ratio = 4, .block = 8});
    add(gc::low_rank{});
    add(gc::low_rank{.warm_start = false});
    add(gc::cast<gc::half>{});
    add(gc::cast<gc::bfloat16>{});
    add(gc::cast<gc::bfloat16, gc::rounding::stochastic>{});
    add(gc::qsgd<>{});
    add(gc::qsgd<>{.bits = 4});
    add(gc::level_rounding<>{.levels = {0.25, 0.5, 1}});
    add(gc::level_rounding<>{.levels = {0.3, 0.5, 1}});
    add(gc::level_rounding<>{.levels = {0.5, 1}});
    add(gc::scaled{.lambda = 0.5, .of = gc::qsgd<>{.bits = 4}});
    add(gc::scaled{.lambda = 0.25, .of = gc::qsgd<>{.bits = 4}});
    add(gc::chain{gc::top_k{.ratio = 4}, gc::qsgd<>{.bits = 4}});
    add(gc::chain{gc::top_k{.ratio = 4}, gc::qsgd<>{.bits = 5}});
    add(gc::by_tensor{gc::vectors(gc::identity{}), gc::otherwise(gc::top_k{.ratio = 4})});
    add(gc::by_tensor{gc::vectors(gc::identity{}), gc::otherwise(gc::top_k{.ratio = 5})});
    add(gc::by_tensor{gc::up_to(9, gc::identity{}), gc::otherwise(gc::top_k{.ratio = 5})});
    add(gc::by_tensor{gc::up_to(8, gc::identity{}), gc::otherwise(gc::top_k{.ratio = 5})});
    add(gc::by_tensor{gc::named(".bias", gc::identity{}), gc::otherwise(gc::top_k{.ratio = 5})});
    add(gc::by_tensor{gc::named(".gain", gc::identity{}), gc::otherwise(gc::top_k{.ratio = 5})});
}

namespace {

/// A policy whose options nobody sees from outside.
class closed {
public:
    explicit closed(int much) : much_(much) {}
    auto options() const { return std::tuple(much_); }

private:
    int much_;
};
struct wide {
    int a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8;
};

} // namespace

TEST_CASE("a class names its options, and each of eight members counts")
{
    CHECK(gc::kind_of(closed(1)) == gc::kind_of(closed(1)));
    CHECK(gc::kind_of(closed(1)) != gc::kind_of(closed(2)));
    const auto first = gc::kind_of(wide{});
    for (int wide::* const member : {&wide::a, &wide::b, &wide::c, &wide::d, &wide::e, &wide::f, &wide::g, &wide::h}) {
        wide other;
        other.*member = 99;
        CHECK(gc::kind_of(other) != first);
    }
}
