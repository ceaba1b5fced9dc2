#include <gradcomp/exec/cpu/team.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <set>

using namespace gradcomp;
using namespace gradcomp::exec;

TEST_CASE("every member runs once, each on a thread of its own, the caller being member 0")
{
    for (const std::size_t threads : {1u, 2u, 3u, 7u}) {
        const cpu_team team(threads);
        CHECK(team.threads() == threads);
        for (std::size_t members = 1; members <= threads; ++members) {
            std::vector<std::thread::id> ran(threads);
            std::vector<int> times(threads, 0);
            for (int round = 0; round < 50; ++round)
                team.run(members, [&](std::size_t t) {
                    ran[t] = std::this_thread::get_id();
                    ++times[t];
                });
            CHECK(ran[0] == std::this_thread::get_id());
            CHECK(std::set<std::thread::id>(ran.begin(), ran.begin() + static_cast<std::ptrdiff_t>(members)).size() == members);
            for (std::size_t t = 0; t < threads; ++t) CHECK(times[t] == (t < members ? 50 : 0));
        }
    }
}

TEST_CASE("what a job wrote is visible to the next job on other members")
{
    const cpu_team team(3);
    std::vector<std::uint64_t> value(3, 0);
    for (int round = 0; round < 200; ++round) {
        team.run(3, [&](std::size_t t) { value[t] += t + 1; });
        std::atomic<std::uint64_t> sum{0};
        team.run(3, [&](std::size_t t) { sum += value[(t + 1) % 3]; });
        REQUIRE(sum == 6u * static_cast<unsigned>(round + 1));
    }
}

TEST_CASE("small work stays on the calling thread")
{
    const cpu_team team(7);
    CHECK(team.members_for(0) == 1);
    CHECK(team.members_for(1000) == 1);
    CHECK(team.members_for(std::size_t{1} << 17) == 4);
    CHECK(team.members_for(std::size_t{1} << 30) == 7);
}

TEST_CASE("a team of no threads or of too many is an error")
{
    for (const std::size_t threads : {std::size_t{0}, cpu_team::max_threads + 1})
        try {
            const cpu_team team(threads);
            FAIL("accepted ", threads, " threads");
        } catch (const error& failure) {
            CHECK(failure.code() == error_code::invalid_option);
            CHECK(failure.field() == "threads");
            CHECK(failure.value() == std::to_string(threads));
        }
}

TEST_CASE("a team may move")
{
    cpu_team first(2);
    const cpu_team second(std::move(first));
    std::atomic<int> ran{0};
    second.run(2, [&](std::size_t) { ++ran; });
    CHECK(ran == 2);
}
