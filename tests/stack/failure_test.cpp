/// @file Failed and rejected steps: what they leave behind, and that the run goes on from there.
#include "toy.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <mutex>

namespace gc = gradcomp;
using gc::error_code;

namespace {

constexpr double rate = 0.05;
constexpr int steps = 12;
constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

/// Everything of one rank that a step may change and that can be seen.
template <class T> struct picture {
    std::vector<T> x, e, z;
    std::uint64_t steps, exchanges, bad;
    friend bool operator==(const picture& a, const picture& b)
    {
        return toy::same_bits<T>(a.x, b.x) && toy::same_bits<T>(a.e, b.e) && toy::same_bits<T>(a.z, b.z) && a.steps == b.steps && a.exchanges == b.exchanges;
    }
};
template <class T> picture<T> picture_of(auto& exchange)
{
    return {toy::copy(exchange.parameters()), toy::copy(exchange.error()), toy::copy(exchange.gradient_point()), exchange.steps(), exchange.exchanges(), exchange.bad_elements()};
}

/// doctest's assertions are not meant for many threads: ranks collect what went wrong.
class complaints {
public:
    void expect(bool holds, const std::string& what)
    {
        const std::lock_guard lock(mutex_);
        if (!holds) text_ += what + "\n";
    }
    std::string text() const { return text_; }

private:
    std::mutex mutex_;
    std::string text_;
};

/// Runs `make` on 3 ranks. `disturb(rank, step, gradient)` may spoil the first attempt of a step; `fail_at_call` (from 1) fails a call of
/// the communicator. A step that throws must leave everything as it was; it is then repeated with the clean gradient.
/// @return x of every step of rank 0 and the codes that rank r met
struct history {
    std::vector<std::vector<double>> x;
    std::vector<std::vector<error_code>> met = std::vector<std::vector<error_code>>(3);
    std::string wrong;
};
template <class Make, class Disturb> history run_repeating(Make make, int fail_at_call, Disturb disturb)
{
    history out;
    complaints wrong;
    gc::comm::run_ranks(3, [&](gc::comm::in_process inner) {
        int countdown = fail_at_call;
        const int rank = inner.rank();
        const auto stack = make(toy::flaky{inner, &countdown});
        std::vector<double> x = toy::start<double>();
        auto exchange = stack.attach(toy::tensors, x);
        for (std::uint64_t t = 0; t < steps; ++t) {
            std::vector<double> g = toy::gradient<double>(exchange.gradient_point(), rank, t);
            const picture<double> before = picture_of<double>(exchange);
            const std::vector<double> clean = g;
            disturb(rank, t, g);
            while (true) {
                try {
                    exchange.step(g, rate);
                    break;
                } catch (const gc::error& e) {
                    out.met[static_cast<std::size_t>(rank)].push_back(e.code());
                    wrong.expect(picture_of<double>(exchange) == before, "rank " + std::to_string(rank) + " changed in step " + std::to_string(t));
                    wrong.expect(e.rank() == rank && e.step() == static_cast<std::int64_t>(t), std::string("place: ") + e.what());
                    if (out.met[static_cast<std::size_t>(rank)].size() > 5) throw;
                    g = clean;
                }
            }
            if (rank == 0) out.x.push_back(x);
        }
    });
    out.wrong = wrong.text();
    return out;
}
constexpr auto undisturbed = [](int, std::uint64_t, std::vector<double>&) {};

/// Every call of the communicator in turn fails once, then a gradient of one rank is spoilt once.
template <class Make> void staged_survives(Make make, int calls)
{
    const history quiet = run_repeating(make, -1, undisturbed);
    REQUIRE(quiet.wrong == "");
    REQUIRE(quiet.met[0].empty());
    for (int call = 1; call <= calls; ++call) {
        CAPTURE(call);
        const history loud = run_repeating(make, call, undisturbed);
        CHECK(loud.wrong == "");
        CHECK(loud.met == std::vector<std::vector<error_code>>(3, {error_code::peer_timeout}));
        CHECK(loud.x == quiet.x);
    }
    for (const double bad : {nan_value, std::numeric_limits<double>::infinity()}) {
        const history loud = run_repeating(make, -1, [&](int rank, std::uint64_t t, std::vector<double>& g) {
            if (rank == 1 && t == 5) g[207] = bad;
        });
        CHECK(loud.wrong == "");
        CHECK(loud.met == std::vector<std::vector<error_code>>(3, {error_code::non_finite}));
        CHECK(loud.x == quiet.x);
    }
}

const gc::momentum local{.beta = 0.9, .weight_decay = 1e-3};

} // namespace

TEST_CASE("staged memory: a failed or rejected step changes nothing, and its repetition is as if nothing had happened")
{
    SUBCASE("def over a ring")
    {
        staged_survives([](auto communicator) {
            return gc::policy_stack{.compressor = gc::random_block{.ratio = 4}, .memory = gc::def<gc::staged>{.lambda = 0.3}, .reducer = gc::ring{communicator}, .local = local};
        }, steps);
    }
    SUBCASE("def in gradient units, gathered by all, momentum after reduction")
    {
        staged_survives([](auto communicator) {
            return gc::policy_stack{.compressor = gc::top_k{.ratio = 4}, .memory = gc::def<gc::staged>{.lambda = 0.3, .units = gc::units::gradient},
                .reducer = gc::all_gather{communicator}, .local = local, .server = gc::server_momentum{.beta = 0.5}};
        }, steps);
    }
    SUBCASE("saef with averaged errors, gathered by a root, momentum after reduction: three calls in the first and in every second exchange")
    {
        staged_survives([](auto communicator) {
            return gc::policy_stack{.compressor = gc::top_k{.ratio = 4}, .memory = gc::saef<gc::staged>{.averaging_period = 2},
                .reducer = gc::gather_to_root{communicator, 2}, .local = local, .server = gc::server_momentum{.beta = 0.5}};
        }, 2 * steps + steps / 2 + 1);
    }
    SUBCASE("low_rank in two rounds: what it keeps from step to step is untouched as well")
    {
        staged_survives([](auto communicator) {
            return gc::policy_stack{.compressor = gc::low_rank{.rank = 2}, .memory = gc::def<gc::staged>{.lambda = 0.3}, .reducer = gc::ring{communicator}, .local = local};
        }, 2 * steps);
    }
    SUBCASE("no memory")
    {
        staged_survives([](auto communicator) {
            return gc::policy_stack{.compressor = gc::identity{}, .memory = gc::none<gc::staged>{}, .reducer = gc::ring{communicator}, .local = local};
        }, steps);
    }
}

TEST_CASE("staged memory with local steps: the exchange that fails can be repeated")
{
    const auto make = [](auto communicator) {
        return gc::policy_stack{.compressor = gc::random_block{.ratio = 4}, .memory = gc::ef<gc::staged>{}, .reducer = gc::ring{communicator}, .local = local, .period = 3};
    };
    const history quiet = run_repeating(make, -1, undisturbed);
    for (int call = 1; call <= steps / 3; ++call) {
        const history loud = run_repeating(make, call, undisturbed);
        CHECK(loud.wrong == "");
        CHECK(loud.met == std::vector<std::vector<error_code>>(3, {error_code::peer_timeout}));
        CHECK(loud.x == quiet.x);
    }
}

namespace {

/// One rank's plain account of an in-place run: what its memory must hold when nothing is lost.
struct account {
    std::vector<double> m = std::vector<double>(toy::size, 0.0);
    /// p = e + eta m', element by element, with the library's single roundings.
    std::vector<double> owed(const picture<double>& before, const std::vector<double>& g)
    {
        std::vector<double> p(toy::size);
        for (std::size_t i = 0; i < toy::size; ++i) {
            m[i] = std::fma(local.beta, m[i], std::fma(local.weight_decay, before.z[i], std::isfinite(g[i]) ? g[i] : 0.0));
            p[i] = std::fma(rate, m[i], before.e[i]);
        }
        return p;
    }
};

/// In place: after a failed or rejected step x is as before, e is all of p, and the gradient point belongs to both. Returns what was wrong.
template <class Make> std::string in_place_conserves(Make make, double lambda, int fail_at_call, bool spoil)
{
    complaints wrong;
    std::vector<std::vector<double>> start(3), end(3), pushed(3, std::vector<double>(toy::size, 0.0));
    gc::comm::run_ranks(3, [&](gc::comm::in_process inner) {
        int countdown = fail_at_call, failures = 0;
        const auto rank = static_cast<std::size_t>(inner.rank());
        const auto stack = make(toy::flaky{inner, &countdown});
        std::vector<double> x = toy::start<double>();
        auto exchange = stack.attach(toy::tensors, x);
        account mine;
        start[rank] = x;
        for (std::uint64_t t = 0; t < steps; ++t) {
            std::vector<double> g = toy::gradient<double>(exchange.gradient_point(), inner.rank(), t);
            if (spoil && t == 5 && rank == 1) g[207] = g[3] = nan_value;
            const picture<double> before = picture_of<double>(exchange);
            const std::vector<double> p = mine.owed(before, g);
            for (std::size_t i = 0; i < toy::size; ++i) pushed[rank][i] += rate * mine.m[i];
            try {
                exchange.step(g, rate);
            } catch (const gc::error& e) {
                ++failures;
                wrong.expect(e.code() == (spoil ? error_code::non_finite : error_code::peer_timeout), e.what());
                wrong.expect(toy::same_bits<double>(x, before.x), "x changed");
                wrong.expect(toy::same_bits<double>(exchange.error(), p), "the message did not return to the memory");
                wrong.expect(exchange.steps() == before.steps && exchange.exchanges() == before.exchanges, "the step counts");
            }
            for (std::size_t i = 0; i < toy::size; ++i)
                wrong.expect(exchange.gradient_point()[i] == gc::multiply_add(-lambda, exchange.error()[i], x[i]), "z is not x - lambda e");
        }
        wrong.expect(failures == 1, "failures: " + std::to_string(failures));
        end[rank].resize(toy::size);
        exchange.evaluate_at(end[rank], gc::evaluation_point::mean_corrected);
    });
    // Every step's update arrived or is owed, those of the failed step included: x - mean e has moved by the mean of all of them.
    for (std::size_t i = 0; i < toy::size; ++i) {
        const double mean = (pushed[0][i] + pushed[1][i] + pushed[2][i]) / 3;
        wrong.expect(std::abs(start[0][i] - mean - end[0][i]) < 1e-13, "mass of element " + std::to_string(i));
    }
    return wrong.text();
}

} // namespace

TEST_CASE("in-place memory: what was not delivered returns, x stays, and the run goes on from there")
{
    const auto def_ring = [](auto communicator) {
        return gc::policy_stack{.compressor = gc::random_block{.ratio = 4}, .memory = gc::def{.lambda = 0.3}, .reducer = gc::ring{communicator}, .local = local};
    };
    const auto ef_gather = [](auto communicator) {
        return gc::policy_stack{.compressor = gc::top_k{.ratio = 4}, .memory = gc::ef{}, .reducer = gc::all_gather{communicator}, .local = local};
    };
    const auto psync_root = [](auto communicator) {
        return gc::policy_stack{.compressor = gc::rand_k<gc::indices::own, gc::scaling::none>{.ratio = 4}, .memory = gc::psync{},
            .reducer = gc::gather_to_root{communicator, 1}, .local = local};
    };
    const auto low_rank_ring = [](auto communicator) {
        return gc::policy_stack{.compressor = gc::low_rank{.rank = 2}, .memory = gc::ef{}, .reducer = gc::ring{communicator}, .local = local};
    };
    for (const int call : {1, 7}) CHECK(in_place_conserves(low_rank_ring, 0, call, false) == ""); // first rounds; those of the second return a rounded message
    CHECK(in_place_conserves(low_rank_ring, 0, -1, true) == "");
    for (const int call : {1, 4, steps}) {
        CHECK(in_place_conserves(def_ring, 0.3, call, false) == "");
        CHECK(in_place_conserves(ef_gather, 0, call, false) == "");
        CHECK(in_place_conserves(psync_root, 1, call, false) == "");
        CHECK(in_place_conserves(psync_root, 1, call + steps, false) == "");
    }
    CHECK(in_place_conserves(def_ring, 0.3, -1, true) == "");
    CHECK(in_place_conserves(ef_gather, 0, -1, true) == "");
    CHECK(in_place_conserves(psync_root, 1, -1, true) == "");
}

TEST_CASE("in-place memory: a rejected step leaves the server's state alone")
{
    const auto run = [](auto reducer_of, bool interrupted) {
        std::vector<double> end;
        gc::comm::run_ranks(2, [&](gc::comm::in_process communicator) {
            const gc::policy_stack stack{.compressor = gc::top_k{.ratio = 4}, .memory = gc::ef{}, .reducer = reducer_of(communicator), .server = gc::server_momentum{.beta = 0.9}};
            std::vector<double> x = toy::start<double>();
            auto exchange = stack.attach(toy::tensors, x);
            for (std::uint64_t t = 0; t < steps; ++t) {
                if (interrupted && t == 6) { // nothing finite in it on rank 1, zeros on rank 0: the memory stays as it is
                    const std::vector<double> nothing(toy::size, communicator.rank() == 1 ? nan_value : 0.0);
                    try {
                        exchange.step(nothing, rate);
                    } catch (const gc::error& e) {
                        if (e.code() != error_code::non_finite) throw;
                    }
                }
                exchange.step(toy::gradient<double>(exchange.gradient_point(), communicator.rank(), t), rate);
            }
            if (communicator.rank() == 0) end = x;
        });
        return end;
    };
    const auto everywhere = [](auto communicator) { return gc::all_gather{communicator}; };
    const auto at_root = [](auto communicator) { return gc::gather_to_root{communicator}; };
    CHECK(run(everywhere, true) == run(everywhere, false));
    CHECK(run(at_root, true) == run(at_root, false));
    CHECK(run(at_root, false) == run(everywhere, false));
}

TEST_CASE("a rejected step says on the rank at fault which element it was, and on the others that it was not theirs")
{
    std::vector<gc::error> said(3, gc::error(error_code::device, "", "", ""));
    gc::comm::run_ranks(3, [&](gc::comm::in_process communicator) {
        const gc::policy_stack stack{.compressor = gc::random_block{.ratio = 4}, .memory = gc::ef{}, .reducer = gc::ring{communicator}};
        std::vector<float> x = toy::start<float>(), g(toy::size, 0.5f);
        auto exchange = stack.attach(toy::tensors, x);
        exchange.step(g, rate);
        if (communicator.rank() == 2) g[207] = -std::numeric_limits<float>::infinity();
        said[static_cast<std::size_t>(communicator.rank())] = toy::error_of([&] { exchange.step(g, rate); }).value();
    });
    CHECK(said[2].code() == error_code::non_finite);
    CHECK(said[2].field() == "gradient[7]");
    CHECK(said[2].value() == "-inf");
    CHECK(said[2].tensor() == "bias");
    CHECK(said[2].rank() == 2);
    CHECK(said[2].step() == 1);
    CHECK(said[0].code() == error_code::non_finite);
    CHECK(said[0].value() == "another rank's");
    CHECK(said[0].rank() == 0);
    CHECK(said[0].step() == 1);
}

TEST_CASE("an update that overflows is rejected although its gradient is finite")
{
    gc::comm::run_ranks(1, [&](gc::comm::in_process communicator) {
        const gc::policy_stack stack{.compressor = gc::identity{}, .memory = gc::ef<gc::staged>{}, .reducer = gc::ring{communicator}};
        std::vector<float> x = toy::start<float>(), g(toy::size, 1.f);
        g[400] = 1e38f;
        auto exchange = stack.attach(toy::tensors, x);
        const auto e = toy::error_of([&] { exchange.step(g, 100); });
        REQUIRE(e);
        CHECK(e->code() == error_code::non_finite);
        CHECK(e->field() == "update");
        CHECK(x == toy::start<float>());
    });
}

TEST_CASE("zero_and_count takes bad elements as 0, counts them, and goes on")
{
    const auto run = [](gc::exec::non_finite policy, float bad, std::uint64_t& counted) {
        std::vector<float> end;
        gc::comm::run_ranks(2, [&](gc::comm::in_process communicator) {
            const gc::policy_stack stack{.compressor = gc::top_k{.ratio = 4}, .memory = gc::def{.lambda = 0.3}, .reducer = gc::all_gather{communicator}, .local = local,
                .period = 2, .non_finite = policy};
            std::vector<float> x = toy::start<float>();
            auto exchange = stack.attach(toy::tensors, x);
            for (std::uint64_t t = 0; t < steps; ++t) {
                std::vector<float> g = toy::gradient<float>(exchange.gradient_point(), communicator.rank(), t);
                if (communicator.rank() == 0 && (t == 4 || t == 7)) g[11] = g[300] = g[519] = bad; // one local step, one exchange
                exchange.step(g, rate);
            }
            if (communicator.rank() == 0) {
                end = x;
                counted = exchange.bad_elements();
            }
        });
        return end;
    };
    std::uint64_t counted = 0;
    const std::vector<float> clean = run(gc::exec::non_finite::reject, 0.f, counted);
    CHECK(counted == 0);
    CHECK(run(gc::exec::non_finite::zero_and_count, std::numeric_limits<float>::quiet_NaN(), counted) == clean);
    CHECK(counted == 6);
    const std::vector<float> spread = run(gc::exec::non_finite::propagate, std::numeric_limits<float>::quiet_NaN(), counted);
    CHECK(std::isnan(spread[11]));
    CHECK(std::isnan(spread[519]));
    CHECK(counted == 0);
}

namespace {

/// NaN on rank 1 in local step 3 (the first of the second period of 3); then the exchange of step 5 must fail on all ranks.
template <class Memory> std::string bad_local_step(Memory memory, std::vector<double>& end)
{
    complaints wrong;
    gc::comm::run_ranks(3, [&](gc::comm::in_process communicator) {
        const gc::policy_stack stack{.compressor = gc::random_block{.ratio = 4}, .memory = memory, .reducer = gc::ring{communicator}, .period = 3};
        std::vector<double> x = toy::start<double>();
        auto exchange = stack.attach(toy::tensors, x);
        for (std::uint64_t t = 0; t < steps; ++t) {
            std::vector<double> g(toy::size, 1.0 + static_cast<double>(t));
            const picture<double> before = picture_of<double>(exchange);
            if (communicator.rank() == 1 && t == 3) g[207] = nan_value;
            const auto e = toy::error_of([&] { exchange.step(g, rate); });
            wrong.expect(e.has_value() == (t == 5), "step " + std::to_string(t) + (e ? e->what() : " threw nothing"));
            if (!e) {
                if (communicator.rank() == 1 && t == 3 && Memory::storage::is_staged) wrong.expect(toy::same_bits<double>(before.e, exchange.error()), "a bad local step was kept");
                if (communicator.rank() == 1 && t == 4) wrong.expect(!toy::same_bits<double>(before.e, exchange.error()), "a good local step was lost");
                continue;
            }
            wrong.expect(e->code() == error_code::non_finite, e->what());
            if (communicator.rank() == 1) wrong.expect(e->field() == "gradient[7]" && e->tensor() == "bias", e->what());
            wrong.expect(toy::same_bits<double>(before.x, x), "x changed");
            if (Memory::storage::is_staged) wrong.expect(before == picture_of<double>(exchange), "staged state changed");
            exchange.step(g, rate);
        }
        if (communicator.rank() == 0) {
            end.resize(toy::size);
            exchange.evaluate_at(end, gc::evaluation_point::mean_corrected);
        } else {
            std::vector<double> unused(toy::size);
            exchange.evaluate_at(unused, gc::evaluation_point::mean_corrected);
        }
    });
    return wrong.text();
}

} // namespace

TEST_CASE("NaN in a local step: the next exchange is rejected on every rank, and only the bad part of the period is missing")
{
    // All gradients of step t are 1 + t, so what arrived can be counted: 78 for all of them.
    const std::vector<double> x = toy::start<double>();
    std::vector<double> end;
    CHECK(bad_local_step(gc::ef<gc::staged>{}, end) == "");
    const double staged_loss = 4.0 / 3; // rank 1's gradient of step 3, which was 4
    for (std::size_t i = 0; i < toy::size; ++i) CHECK(end[i] == doctest::Approx(x[i] - rate * (78 - staged_loss)));

    CHECK(bad_local_step(gc::ef{}, end) == "");
    // In place the finite part stays, and the rejected step's own gradient (6) is in the memory before it is handed over again.
    for (std::size_t i = 0; i < toy::size; ++i) CHECK(end[i] == doctest::Approx(x[i] - rate * (78 + 6 - (i == 207 ? staged_loss : 0))));
}

TEST_CASE("a killed or silent rank: the others get an error that names it, and staged memory is as before")
{
    for (const bool silent : {false, true})
        for (const bool inside : {false, true}) {
            if (silent && inside) continue; // the same wait twice
            CAPTURE(silent);
            CAPTURE(inside);
            complaints wrong;
            gc::comm::run_ranks(3, [&](gc::comm::in_process communicator) {
                const gc::policy_stack stack{.compressor = gc::random_block{.ratio = 4}, .memory = gc::def<gc::staged>{}, .reducer = gc::ring{communicator}, .local = local};
                std::vector<double> x = toy::start<double>();
                auto exchange = stack.attach(toy::tensors, x);
                for (std::uint64_t t = 0; t < 5; ++t) {
                    const picture<double> before = picture_of<double>(exchange);
                    const std::vector<double> g = toy::gradient<double>(exchange.gradient_point(), communicator.rank(), t);
                    const auto e = toy::error_of([&] { exchange.step(g, rate); });
                    if (!e) continue;
                    wrong.expect(t == 3, "step " + std::to_string(t));
                    wrong.expect(e->code() == (silent ? error_code::peer_timeout : error_code::peer_lost), e->what());
                    wrong.expect(e->value() == "1" && e->rank() == communicator.rank() && e->step() == 3, e->what());
                    wrong.expect(before == picture_of<double>(exchange), "state changed");
                    const auto later = toy::error_of([&] { exchange.step(g, rate); });
                    wrong.expect(later && later->code() == error_code::poisoned, "a later step");
                    wrong.expect(before == picture_of<double>(exchange), "state changed later");
                    return;
                }
                wrong.expect(false, "no failure was seen");
            }, {.deadline = std::chrono::seconds(5), .faults = {.kill_rank = 1, .kill_at_call = 3, .kill_inside = inside, .silent = silent}});
            CHECK(wrong.text() == "");
        }
}

TEST_CASE("a rank that throws inside a step: the others learn of it instead of waiting")
{
    std::vector<error_code> met(3, error_code::device);
    std::vector<std::string> texts(3);
    try {
        gc::comm::run_ranks(3, [&](gc::comm::in_process communicator) {
            const gc::policy_stack stack{.compressor = gc::top_k{.ratio = 4}, .memory = gc::ef{}, .reducer = gc::gather_to_root{communicator}};
            std::vector<float> x = toy::start<float>(), g(toy::size - (communicator.rank() == 1), 1.f);
            auto exchange = stack.attach(toy::tensors, x);
            try {
                exchange.step(g, rate);
            } catch (const gc::error& e) {
                met[static_cast<std::size_t>(communicator.rank())] = e.code();
                texts[static_cast<std::size_t>(communicator.rank())] = e.what();
                throw;
            }
        });
        FAIL("nothing was thrown");
    } catch (const gc::error& e) {
        CHECK(e.code() == error_code::size_changed);
        CHECK(e.rank() == 1);
    }
    CHECK(met == std::vector<error_code>{error_code::peer_failed, error_code::size_changed, error_code::peer_failed});
    CHECK(texts[0].find("gradient = 519") != std::string::npos); // the cause travels
}
