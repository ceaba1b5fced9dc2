/// @file The memory held as `acc + scalar` between steps: every bit as if it had been formed at once, whoever looks and whatever fails.
#include "../conformance/coding.hpp"
#include "../conformance/inputs.hpp"
#include "../stack/toy.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

namespace gc = gradcomp;
using conformance::first_difference, conformance::nowhere;

namespace {

/// The same recurrence under another name, for which nothing is postponed: sign leaves p - c in a second sweep.
template <class T, class Gradient, class Direction, bool HasError, bool HasPoint, bool Staged>
struct formed_rule : gc::recurrence_rule<T, Gradient, Direction, HasError, HasPoint, Staged> {
    using gc::recurrence_rule<T, Gradient, Direction, HasError, HasPoint, Staged>::recurrence_rule;
};
template <class Storage = gc::in_place> struct formed_ef : gc::ef<Storage> {
    template <class T, class Gradient, class Direction, bool HasError, bool HasPoint>
    using rule = formed_rule<T, Gradient, Direction, HasError, HasPoint, Storage::is_staged>;
};

const gc::tensor_list tensors{{"w", {300, 271}}, {"no", {0}}, {"b", {271}}, {"v", {70001}}};

/// How a run goes, and who looks at it.
struct course {
    std::size_t threads = 1;
    int steps = 6;
    int look_every = 0;                                           ///< error() after every so many steps; 0: only at the end
    int bad_step = -1;                                            ///< rank 1's gradient holds NaN and Inf
    int failing_call = -1;                                        ///< of the communicator
    gc::exec::non_finite policy = gc::exec::non_finite::reject;
    conformance::pattern inputs = conformance::pattern::heavy;
};

/// x and e of both ranks at the end, and how many steps failed.
template <class T> struct outcome {
    std::vector<T> x[2], e[2];
    int failures = 0;
};

template <class T, class Memory, class Compressor> outcome<T> train(const Memory& memory, const Compressor& compressor, const course& how)
{
    outcome<T> out;
    gc::comm::run_ranks(2, [&](gc::comm::in_process inner) {
        int countdown = how.failing_call;
        const gc::policy_stack stack{.compressor = compressor, .memory = memory, .reducer = gc::all_gather{toy::flaky{inner, &countdown}},
            .local = gc::momentum{.beta = 0.5, .weight_decay = 1e-3}, .non_finite = how.policy, .executor = {how.threads}, .warn = nullptr};
        const auto rank = static_cast<std::size_t>(inner.rank());
        auto x = conformance::input<T>(conformance::pattern::uniform, tensors.total(), 3);
        auto exchange = stack.attach(tensors, x);
        for (int t = 0; t < how.steps; ++t) {
            auto g = conformance::input<T>(how.inputs, tensors.total(), 10 * static_cast<std::uint64_t>(t) + rank);
            if (t == how.bad_step && rank == 1) conformance::spoil(g, 4999);
            try {
                exchange.step(g, 0.25);
            } catch (const gc::error&) {
                if (rank == 0) ++out.failures;
            }
            if (how.look_every > 0 && (t + 1) % how.look_every == 0) exchange.flush();
        }
        out.x[rank] = x;
        out.e[rank] = toy::copy(exchange.error());
    });
    return out;
}

template <class T> void same(const outcome<T>& a, const outcome<T>& b)
{
    CHECK(a.failures == b.failures);
    for (const int rank : {0, 1}) {
        CHECK(first_difference(a.x[rank], b.x[rank]) == nowhere);
        CHECK(first_difference(a.e[rank], b.e[rank]) == nowhere);
    }
}

template <class T, class Storage> void equals_the_formed_memory(const course& how)
{
    same(train<T>(gc::ef<Storage>{}, gc::sign<>{}, how), train<T>(formed_ef<Storage>{}, gc::sign<>{}, how));
}

template <class Memory, class Compressor> constexpr bool postpones = gc::stack::rank_state<decltype(gc::policy_stack{.compressor = std::declval<Compressor>(), .memory = std::declval<Memory>(),
    .reducer = std::declval<gc::all_gather<gc::comm::in_process>>()}), float>::postpones;

} // namespace

TEST_CASE("the memory is held back only where nothing reads it between two sweeps")
{
    CHECK(postpones<gc::ef<>, gc::sign<>>);
    CHECK(postpones<gc::ef<gc::staged>, gc::sign<>>);
    CHECK(postpones<gc::ef<>, decltype(gc::by_tensor{gc::vectors(gc::identity{}), gc::otherwise(gc::sign<>{})})>);
    CHECK(!postpones<gc::def<>, gc::sign<>>);
    CHECK(!postpones<gc::saef<>, gc::sign<>>);
    CHECK(!postpones<gc::momentum_correction<>, gc::sign<>>);
    CHECK(!postpones<gc::none_accepting_bias<>, gc::sign<>>);
    CHECK(!postpones<gc::ef<>, gc::block_sign>);
    CHECK(!postpones<gc::ef<>, gc::top_k>);
    CHECK(!postpones<formed_ef<>, gc::sign<>>);
}

TEST_CASE("a memory formed late has the bits of one formed at once, for every instruction set and number of threads")
{
    for (const auto level : conformance::supported_isas())
        for (const std::size_t threads : {1u, 2u, 3u, 7u}) {
            const conformance::forced_isa forced(level);
            CAPTURE(gc::exec::name_of(level));
            CAPTURE(threads);
            equals_the_formed_memory<float, gc::in_place>({.threads = threads});
            equals_the_formed_memory<float, gc::staged>({.threads = threads});
            if (threads < 3) equals_the_formed_memory<double, gc::in_place>({.threads = threads});
        }
}

TEST_CASE("zeros, denormals, ties and NaN are no exception")
{
    using gc::exec::non_finite;
    for (const auto inputs : {conformance::pattern::zeros, conformance::pattern::denormals, conformance::pattern::ties, conformance::pattern::sparse}) {
        CAPTURE(static_cast<int>(inputs));
        equals_the_formed_memory<float, gc::in_place>({.inputs = inputs});
        equals_the_formed_memory<double, gc::in_place>({.inputs = inputs});
    }
    for (const auto policy : {non_finite::reject, non_finite::zero_and_count, non_finite::propagate})
        for (const int bad_step : {0, 3}) {
            CAPTURE(static_cast<int>(policy));
            const course how{.bad_step = bad_step, .policy = policy};
            equals_the_formed_memory<float, gc::in_place>(how);
            equals_the_formed_memory<float, gc::staged>(how);
            CHECK(train<float>(gc::ef{}, gc::sign<>{}, how).failures == (policy == non_finite::reject ? 1 : 0));
        }
}

TEST_CASE("a step that fails leaves what it would have left")
{
    for (const int call : {1, 2, 4, 6}) {
        CAPTURE(call);
        equals_the_formed_memory<float, gc::in_place>({.failing_call = call});
        equals_the_formed_memory<double, gc::staged>({.failing_call = call});
        CHECK(train<float>(gc::ef{}, gc::sign<>{}, {.failing_call = call}).failures == 1);
    }
}

TEST_CASE("looking changes nothing, and tensors that keep nothing back stand beside those that do")
{
    const auto mixed = gc::by_tensor{gc::vectors(gc::identity{}), gc::otherwise(gc::sign<>{})};
    const auto more = gc::by_tensor{gc::named("b", gc::top_k{.ratio = 4}), gc::otherwise(gc::sign<>{})};
    for (const int every : {1, 2}) {
        same(train<float>(gc::ef{}, gc::sign<>{}, {.look_every = every}), train<float>(gc::ef{}, gc::sign<>{}, {}));
        same(train<double>(gc::ef<gc::staged>{}, gc::sign<>{}, {.look_every = every}), train<double>(gc::ef<gc::staged>{}, gc::sign<>{}, {}));
        same(train<float>(gc::ef{}, mixed, {.look_every = every, .bad_step = 2, .failing_call = 5}), train<float>(formed_ef{}, mixed, {.bad_step = 2, .failing_call = 5}));
        same(train<float>(gc::ef{}, more, {.look_every = every}), train<float>(formed_ef{}, more, {}));
    }
}

TEST_CASE("evaluation points are formed from what is owed")
{
    gc::comm::run_ranks(1, [](gc::comm::in_process c) {
        auto x = toy::start<double>();
        auto exchange = gc::policy_stack{.compressor = gc::sign<>{}, .memory = gc::ef{}, .reducer = gc::all_gather{c}}.attach(toy::tensors, x);
        std::vector<double> y(toy::size), z(toy::size);
        for (std::uint64_t t = 0; t < 5; ++t) {
            exchange.step(toy::gradient<double>(exchange.gradient_point(), 0, t), 0.05);
            exchange.evaluate_at(y, t % 2 ? gc::evaluation_point::local : gc::evaluation_point::mean_corrected);
            std::size_t wrong = 0, kept = 0;
            for (std::size_t i = 0; i < toy::size; ++i) {
                wrong += y[i] != x[i] - exchange.error()[i];
                kept += exchange.error()[i] != 0;
            }
            CHECK(wrong == 0);
            CHECK(kept > 500);
        }
    });
}
