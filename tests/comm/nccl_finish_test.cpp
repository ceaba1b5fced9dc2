#include "stand_in/ranks.hpp"

#include <gradcomp/comm/finish.hpp>
#include <gradcomp/nccl.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <barrier>
#include <string>
#include <thread>
#include <vector>

namespace gc = gradcomp;
using gc::error_code;
using gc::comm::nccl;
using gc::comm::nccl_session;
using stand_in::device_array;
using stand_in::on_ranks;
using stand_in::owned_stream;
using namespace std::chrono_literals;

namespace {

/// A rank without peers and without a deadline, as comm::alone.
struct lonely {
    int rank() const { return 0; }
};

std::optional<gc::error> thrown_by(const std::function<void()>& function)
{
    try {
        function();
    } catch (const gc::error& e) {
        return e;
    }
    return std::nullopt;
}

} // namespace

TEST_CASE("finish: where a peer never does its part, the wait ends at the communicator's own deadline, the group is aborted and later waits are poisoned")
{
    for (const bool own_time : {false, true}) { // the communicator's deadline, or the caller's
        CAPTURE(own_time);
        stand_in::start_over();
        stand_in::faults().hang_rank = 1;
        stand_in::faults().at = 1;
        const ncclUniqueId id = stand_in::new_id();
        std::vector<std::optional<gc::error>> first(2), later(2);
        const auto streams = std::make_unique<owned_stream[]>(2); // outlive the session that hangs
        std::barrier all_started(2);
        const auto escaped = on_ranks(2, [&](int rank) {
            const auto at = static_cast<std::size_t>(rank);
            nccl_session session(id, rank, 2, {.stream = streams[at], .deadline = own_time ? 600000ms : 1500ms, .checked_calls = 0});
            const nccl communicator(session);
            all_started.arrive_and_wait();
            const device_array<float> x(streams[at], std::vector<float>(10, 1.0f));
            communicator.all_reduce<float>(x, x.view());
            first[at] = thrown_by([&] {
                if (own_time) gc::comm::finish(communicator, streams[at], 60ms);
                else gc::comm::finish(communicator);
            });
            later[at] = thrown_by([&] { gc::comm::finish(communicator); });
        });
        for (std::size_t rank = 0; rank < 2; ++rank) {
            CHECK_FALSE(escaped[rank].has_value());
            REQUIRE(first[rank].has_value());
            CHECK(first[rank]->code() == error_code::peer_timeout);
            CHECK(std::string(first[rank]->what()).find("all_reduce") != std::string::npos);
            REQUIRE(later[rank].has_value());
            CHECK(later[rank]->code() == error_code::poisoned);
        }
        CHECK(stand_in::counts().aborted == 2);
        stand_in::start_over();
    }
}

TEST_CASE("finish: work that every rank does is waited for, and its result is there")
{
    stand_in::start_over();
    const ncclUniqueId id = stand_in::new_id();
    std::vector<float> sums(2);
    const auto escaped = on_ranks(2, [&](int rank) {
        const owned_stream stream;
        nccl_session session(id, rank, 2, {.stream = stream});
        const nccl communicator(session);
        const device_array<float> x(stream, std::vector<float>(10, 1.0f + static_cast<float>(rank)));
        communicator.all_reduce<float>(x, x.view());
        if (rank == 1) std::this_thread::sleep_for(20ms);
        gc::comm::finish(communicator);
        sums[static_cast<std::size_t>(rank)] = x.data()[9];
    });
    for (const auto& one : escaped) CHECK_FALSE(one.has_value());
    CHECK(sums == std::vector<float>{3.0f, 3.0f});
}

TEST_CASE("finish: without peers the stream alone is polled, not past the caller's time, and a failure of the device is told")
{
    const owned_stream stream;
    std::atomic<bool> released = false;
    stand_in::launch(stream, [&] {
        while (!released) std::this_thread::sleep_for(1ms);
    });
    const auto late = thrown_by([&] { gc::comm::finish(lonely{}, stream, 30ms); });
    REQUIRE(late.has_value());
    CHECK(late->code() == error_code::peer_timeout);
    CHECK(late->value() == "of rank 0");
    released = true;
    CHECK_FALSE(thrown_by([&] { gc::comm::finish(lonely{}, stream, 60s); }).has_value());
    CHECK_FALSE(thrown_by([&] { gc::comm::finish(lonely{}); }).has_value());
    stand_in::cuda().stream_failure = cudaErrorIllegalAddress;
    const auto failed = thrown_by([&] { gc::comm::finish(lonely{}, stream, 60s); });
    stand_in::cuda().stream_failure = cudaSuccess;
    REQUIRE(failed.has_value());
    CHECK(failed->code() == error_code::device);
    CHECK(failed->value() == "cudaErrorIllegalAddress");
}
