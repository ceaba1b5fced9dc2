#include <gradcomp/comm/in_process.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace gc = gradcomp;
using gc::error_code;
using gc::host_view;
using gc::comm::in_process;
using namespace std::chrono_literals;

namespace {

constexpr int operations = 6;

std::size_t index(int rank) { return static_cast<std::size_t>(rank); }

/// One collective call of each kind. @return a value that depends on all of its output.
double call(in_process communicator, int operation, float seed)
{
    const std::size_t n = index(communicator.size());
    std::vector<float> in(37, seed + 0.1f * static_cast<float>(communicator.rank())), out(37);
    std::vector<std::byte> mine(5 * n, static_cast<std::byte>(communicator.rank() + 1)), all(5 * n * n), exchanged(5 * n);
    switch (operation) {
    case 0: communicator.all_reduce<float>(in, out); break;
    case 1: communicator.all_gather(mine, all); break;
    case 2: communicator.gather(mine, all, 0); break;
    case 3: communicator.broadcast(mine, communicator.size() - 1); break;
    case 4: communicator.all_to_all(mine, exchanged); break;
    default: communicator.barrier();
    }
    double sum = 0;
    for (const float x : out) sum += x;
    for (const auto* bytes : {&mine, &all, &exchanged})
        for (std::size_t i = 0; i < bytes->size(); ++i) sum += static_cast<double>((*bytes)[i]) * static_cast<double>(i + 1);
    return sum;
}

struct seen {
    error_code code = error_code::invalid_option;
    std::string value, text;
    int rank = -1, completed = 0;
    error_code later = error_code::invalid_option; ///< of one more call after the error
};

/// Calls operation after operation until one throws, then once more; what it saw.
seen call_until_error(in_process communicator, int calls, const std::function<int(int)>& operation_of)
{
    seen out;
    try {
        for (; out.completed < calls; ++out.completed) call(communicator, operation_of(out.completed), 1.0f);
    } catch (const gc::error& problem) {
        out.code = problem.code();
        out.value = problem.value();
        out.text = problem.what();
        out.rank = problem.rank();
        try {
            communicator.barrier();
        } catch (const gc::error& again) {
            out.later = again.code();
        }
    }
    return out;
}

template <class Function> std::string text_thrown_by(const Function& function)
{
    try {
        function();
    } catch (const std::exception& problem) {
        return problem.what();
    }
    return "nothing";
}

} // namespace

TEST_CASE("an exception on one rank reaches every other rank as peer_failed, and run_ranks rethrows the exception itself")
{
    for (int ranks = 2; ranks <= 8; ++ranks)
        for (int operation = 0; operation < operations; ++operation) {
            const int failing = (operation + ranks) % ranks;
            std::vector<seen> survivors(index(ranks));
            const std::string text = text_thrown_by([&] {
                gc::comm::run_ranks(ranks, [&](in_process communicator) {
                    call(communicator, operation, 1.0f);
                    if (communicator.rank() == failing) throw std::runtime_error("boom");
                    survivors[index(communicator.rank())] = call_until_error(communicator, 1, [&](int) { return operation; });
                });
            });
            CHECK(text == "boom");
            for (int rank = 0; rank < ranks; ++rank) {
                if (rank == failing) continue;
                const seen& one = survivors[index(rank)];
                CHECK(one.code == error_code::peer_failed);
                CHECK(one.value == std::to_string(failing));
                CHECK(one.rank == rank);
                CHECK(one.text.find("boom") != std::string::npos);
                CHECK(one.later == error_code::poisoned);
            }
        }
}

TEST_CASE("the rethrown exception is the cause also when all other ranks let their peer_failed escape")
{
    for (int failing = 0; failing < 4; ++failing) {
        const std::string text = text_thrown_by([&] {
            gc::comm::run_ranks(4, [&](in_process communicator) {
                if (communicator.rank() == failing) throw std::logic_error("the cause");
                for (;;) communicator.barrier();
            });
        });
        CHECK(text == "the cause");
    }
    CHECK_THROWS_AS(gc::comm::run_ranks(3, [](in_process c) { if (c.rank() == 1) throw 17; c.barrier(); }), int);
}

TEST_CASE("fail poisons the group without ending the rank, whose own later calls are poisoned too")
{
    std::vector<error_code> codes(3, error_code::invalid_option);
    const std::string text = text_thrown_by([&] {
        gc::comm::run_ranks(3, [&](in_process communicator) {
            if (communicator.rank() == 2) communicator.fail(std::make_exception_ptr(std::runtime_error("no disk")));
            codes[index(communicator.rank())] = call_until_error(communicator, 1, [](int) { return 0; }).code;
        });
    });
    CHECK(text == "no disk");
    CHECK(codes == std::vector<error_code>{error_code::peer_failed, error_code::peer_failed, error_code::poisoned});
}

TEST_CASE("a rank that returns early is lost to those who wait for it")
{
    for (int leaving = 0; leaving < 3; ++leaving) {
        std::vector<seen> survivors(3);
        gc::comm::run_ranks(3, [&](in_process communicator) {
            call(communicator, 0, 1.0f);
            if (communicator.rank() != leaving) survivors[index(communicator.rank())] = call_until_error(communicator, 1, [](int) { return 5; });
        });
        for (int rank = 0; rank < 3; ++rank) {
            if (rank == leaving) continue;
            CHECK(survivors[index(rank)].code == error_code::peer_lost);
            CHECK(survivors[index(rank)].value == std::to_string(leaving));
            CHECK(survivors[index(rank)].later == error_code::poisoned);
        }
    }
    const std::string text = text_thrown_by([] { gc::comm::run_ranks(2, [](in_process c) { if (c.rank() == 1) c.barrier(); }); });
    CHECK(text.find("peer_lost: rank = 0") == 0);
}

TEST_CASE("a rank killed at any call of any operation, before or inside it, is named to all survivors at the same call")
{
    constexpr int calls = 4;
    for (int ranks = 2; ranks <= 8; ranks += 3)
        for (int operation = 0; operation < operations; ++operation)
            for (int at = 0; at < calls; ++at)
                for (const bool inside : {false, true}) {
                    const int victim = (at + operation) % ranks;
                    std::vector<seen> survivors(index(ranks));
                    gc::comm::run_ranks(ranks,
                        [&](in_process communicator) {
                            const int rank = communicator.rank();
                            survivors[index(rank)] = call_until_error(communicator, calls + 1, [&](int) { return operation; });
                        },
                        {.faults = {.kill_rank = victim, .kill_at_call = at, .kill_inside = inside}});
                    const int completed = operation == 5 && inside ? at + 1 : at; // a barrier has no inside
                    for (int rank = 0; rank < ranks; ++rank) {
                        const seen& one = survivors[index(rank)];
                        CHECK(one.code == (rank == victim ? error_code::invalid_option : error_code::peer_lost));
                        if (rank == victim) continue;
                        CHECK(one.value == std::to_string(victim));
                        CHECK(one.completed == completed);
                        CHECK(one.later == error_code::poisoned);
                    }
                }
}

TEST_CASE("a killed rank stays dead when its own code swallows everything")
{
    int after_death = 0;
    const std::string text = text_thrown_by([&] {
        gc::comm::run_ranks(2,
            [&](in_process communicator) {
                for (int round = 0; round < 3; ++round) {
                    try {
                        communicator.barrier();
                    } catch (const gc::comm::rank_killed& death) {
                        after_death += death.rank == 1;
                    }
                }
            },
            {.faults = {.kill_rank = 1, .kill_at_call = 1}});
    });
    CHECK(after_death == 2);
    CHECK(text.find("peer_lost: rank = 1") == 0);
}

TEST_CASE("all_reduce writes its output on all ranks or on none")
{
    for (const bool inside : {false, true}) {
        std::vector<std::vector<float>> values(4, std::vector<float>(1000, 1.0f));
        gc::comm::run_ranks(4,
            [&](in_process communicator) {
                std::vector<float>& mine = values[index(communicator.rank())];
                try {
                    for (;;) communicator.all_reduce<float>(mine, mine);
                } catch (const gc::error&) {
                }
            },
            {.faults = {.kill_rank = 2, .kill_at_call = 3, .kill_inside = inside}});
        for (const auto& mine : values) CHECK(mine == std::vector<float>(1000, 64.0f));
    }
}

TEST_CASE("every survivor of a silent rank times out in every operation, and a rank that never came is named")
{
    for (int operation = 0; operation < operations; ++operation)
        for (const bool inside : {false, true}) {
            if (inside && operation == 5) continue;
            std::vector<seen> survivors(4);
            gc::comm::run_ranks(4,
                [&](in_process communicator) {
                    survivors[index(communicator.rank())] = call_until_error(communicator, 2, [&](int) { return operation; });
                },
                {.deadline = 30ms, .faults = {.kill_rank = 1, .kill_inside = inside, .silent = true}});
            for (const int rank : {0, 2, 3}) {
                const seen& one = survivors[index(rank)];
                CHECK(one.code == error_code::peer_timeout);
                CHECK(one.completed == 0);
                CHECK(one.later == error_code::poisoned);
                CHECK(one.text.find("within 30000 us") != std::string::npos);
                // Inside the call the first meeting may already have timed out on a busy machine, and then names whoever was late.
                if (!inside) CHECK((", " + one.value + ",").find(", 1,") != std::string::npos);
            }
            CHECK(survivors[1].rank == -1);
        }
}

TEST_CASE("a group without run_ranks times out, stays closed to the late rank, and lets its silent rank go on close")
{
    gc::comm::in_process_group group(2, {.deadline = 20ms, .faults = {.kill_rank = 1, .kill_at_call = 1, .silent = true}});
    const seen punctual = call_until_error(in_process(group, 0), 1, [](int) { return 0; });
    CHECK(punctual.code == error_code::peer_timeout);
    CHECK(punctual.value == "1");
    CHECK(group.poisoned());
    const std::string late = text_thrown_by([&] { in_process(group, 1).barrier(); });
    CHECK(late.find("peer_timeout: rank = 1") == 0);
    bool killed = false;
    std::thread silent([&] {
        try {
            in_process(group, 1).barrier();
        } catch (const gc::comm::rank_killed&) {
            killed = true;
        }
    });
    group.close();
    silent.join();
    CHECK(killed);
}

TEST_CASE("ranks that call different things all learn which")
{
    struct kind {
        std::function<void(in_process, bool)> run;
        std::string field, values;
    };
    const kind kinds[] = {
        {[](in_process c, bool odd) { call(c, odd ? 5 : 0, 1.0f); }, "all_reduce.operation", "all_reduce on rank 0, barrier on rank 2"},
        {[](in_process c, bool odd) { std::vector<float> x(odd ? 9 : 10); c.all_reduce<float>(x, x); }, "all_reduce.size", "10 on rank 0, 9 on rank 2"},
        {[](in_process c, bool odd) {
             std::vector<float> x(4);
             std::vector<double> y(4);
             if (odd) c.all_reduce<double>(y, y);
             else c.all_reduce<float>(x, x);
         }, "all_reduce.element", "float on rank 0, double on rank 2"},
        {[](in_process c, bool odd) { std::vector<std::byte> x(4); c.broadcast(x, odd ? 1 : 0); }, "broadcast.root", "0 on rank 0, 1 on rank 2"},
        {[](in_process c, bool odd) { std::vector<std::byte> x(odd ? 5 : 4), y(x.size() * 3); c.all_gather(x, y); }, "all_gather.size", "4 on rank 0, 5 on rank 2"},
        {[](in_process c, bool odd) { std::vector<std::byte> x(odd ? 5 : 4), y(x.size() * 3); c.gather(x, y, 1); }, "gather.size", "4 on rank 0, 5 on rank 2"},
        {[](in_process c, bool odd) { std::vector<std::byte> x(odd ? 6 : 3), y(x.size()); c.all_to_all(x, y); }, "all_to_all.size", "3 on rank 0, 6 on rank 2"},
    };
    for (const kind& one : kinds) {
        std::vector<std::string> found(3);
        std::vector<int> later(3);
        gc::comm::run_ranks(3, [&](in_process communicator) {
            const std::size_t me = index(communicator.rank());
            try {
                one.run(communicator, me == 2);
            } catch (const gc::error& problem) {
                found[me] = std::string(gc::name_of(problem.code())) + " " + problem.field() + " " + problem.value();
            }
            try {
                communicator.barrier();
            } catch (const gc::error& problem) {
                later[me] = problem.code() == error_code::poisoned;
            }
        });
        CHECK(found == std::vector<std::string>(3, "configuration " + one.field + " " + one.values));
        CHECK(later == std::vector<int>(3, 1));
    }
}

TEST_CASE("delays and random orders of arrival change no result")
{
    for (int ranks = 1; ranks <= 8; ++ranks) {
        const auto results = [&](gc::comm::fault_plan faults) {
            std::vector<std::vector<double>> out(index(ranks));
            gc::comm::run_ranks(ranks,
                [&](in_process communicator) {
                    for (int round = 0; round < 24; ++round)
                        out[index(communicator.rank())].push_back(call(communicator, round % operations, 0.37f * static_cast<float>(round + 1)));
                },
                {.faults = faults});
            return out;
        };
        const auto plain = results({});
        CHECK(results({.seed = 1, .delay_probability = 0.3, .max_delay = 100us}) == plain);
        CHECK(results({.seed = 2, .reorder = true}) == plain);
        CHECK(results({.seed = 3, .delay_probability = 0.2, .max_delay = 50us, .reorder = true}) == plain);
    }
}

TEST_CASE("failures under delays and random orders still name the rank")
{
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        const int victim = static_cast<int>(seed % 5);
        std::vector<seen> survivors(5);
        gc::comm::run_ranks(5,
            [&](in_process communicator) {
                survivors[index(communicator.rank())] = call_until_error(communicator, 12, [](int at) { return at % operations; });
            },
            {.faults = {.seed = seed, .delay_probability = 0.3, .max_delay = 200us, .reorder = true, .kill_rank = victim,
                 .kill_at_call = static_cast<std::int64_t>(seed % 7), .kill_inside = seed % 2 == 1}});
        for (int rank = 0; rank < 5; ++rank) {
            if (rank == victim) continue;
            CHECK(survivors[index(rank)].code == error_code::peer_lost);
            CHECK(survivors[index(rank)].value == std::to_string(victim));
            CHECK(survivors[index(rank)].completed == survivors[index((victim + 1) % 5)].completed);
        }
    }
}

TEST_CASE("a fault plan draws the same delays for the same seed, others for another, and every order of arrival is a permutation")
{
    const gc::comm::fault_plan one{.seed = 1, .delay_probability = 0.5}, two{.seed = 2, .delay_probability = 0.5};
    int delayed = 0, different = 0;
    for (int at = 0; at < 1000; ++at) {
        const auto delay = gc::comm::delay_of(one, 3, at, false);
        CHECK(delay == gc::comm::delay_of(one, 3, at, false));
        CHECK(delay <= one.max_delay);
        delayed += delay.count() > 0;
        different += delay != gc::comm::delay_of(two, 3, at, false);
    }
    CHECK(delayed > 400);
    CHECK(delayed < 600);
    CHECK(different > 500);

    std::set<std::vector<int>> orders;
    for (std::uint64_t meeting = 0; meeting < 500; ++meeting) {
        std::vector<int> order(4);
        gc::comm::shuffle_arrivals(one, meeting, order);
        CHECK(std::set<int>(order.begin(), order.end()) == std::set<int>{0, 1, 2, 3});
        orders.insert(order);
    }
    CHECK(orders.size() == 24);
}
