#include "stand_in/ranks.hpp"

#include <gradcomp/nccl.hpp>

#include <doctest/doctest.h>

#include <barrier>
#include <stdexcept>
#include <string>
#include <vector>

#include <sys/wait.h>

namespace gc = gradcomp;
using gc::error_code;
using gc::comm::nccl;
using gc::comm::nccl_options;
using gc::comm::nccl_session;
using gc::comm::nccl_state;
using stand_in::device_array;
using stand_in::ending;
using stand_in::on_ranks;
using stand_in::owned_stream;
using namespace std::chrono_literals;

namespace {

std::size_t index(int rank) { return static_cast<std::size_t>(rank); }

struct fresh {
    fresh() { stand_in::start_over(); }
    ~fresh()
    {
        stand_in::start_over();
        stand_in::cuda().driver = stand_in::cuda().earlier = stand_in::cuda().stream_failure = cudaSuccess;
        stand_in::cuda().devices = 8;
        stand_in::cuda().fail_allocation = -1;
    }
};

struct seen {
    error_code code = error_code::non_finite; ///< which none of these errors is
    std::string field, value, text;
    int rank = -1;
};

template <class Function> seen thrown_by(const Function& function)
{
    try {
        function();
    } catch (const gc::error& e) {
        return {e.code(), e.field(), e.value(), e.what(), e.rank()};
    }
    return {};
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// What each of `ranks` ranks saw when body(communicator, session) met a fault in its first or second call, and afterwards.
struct outcome {
    std::vector<seen> first, later;
    std::vector<nccl_state> states;
};

template <class Body> outcome strike(int ranks, const Body& body, nccl_options options = {})
{
    outcome out{std::vector<seen>(index(ranks)), std::vector<seen>(index(ranks)), std::vector<nccl_state>(index(ranks))};
    const ncclUniqueId id = stand_in::new_id();
    std::vector<std::unique_ptr<owned_stream>> streams;
    for (int rank = 0; rank < ranks; ++rank) streams.push_back(std::make_unique<owned_stream>());
    std::barrier all_started(ranks);
    const auto escaped = on_ranks(ranks, [&](int rank) {
        nccl_options mine = options;
        mine.stream = *streams[index(rank)];
        nccl_session session(id, rank, ranks, mine);
        const nccl communicator(session);
        all_started.arrive_and_wait(); // no fault strikes a rank that is still joining
        out.first[index(rank)] = thrown_by([&] { body(communicator, session); });
        out.later[index(rank)] = thrown_by([&] { communicator.barrier(); });
        out.states[index(rank)] = session.state();
    });
    for (const auto& one : escaped) CHECK_FALSE(one.has_value());
    CHECK(stand_in::counts().misused == 0);
    stand_in::start_over(); // what hangs lets go of its stream
    return out;
}

/// Short only where it is to run out: on a loaded machine a thread may start late.
std::chrono::microseconds patience(ending how) { return how == ending::hangs ? 60ms : 20s; }

/// One all-reduce of `count` floats that is waited for, not longer than `within`.
void reduce(const nccl& communicator, nccl_session& session, std::chrono::microseconds within, std::size_t count = 10)
{
    const device_array<float> x(session.stream(), std::vector<float>(count, 1.0f));
    communicator.all_reduce<float>(x, x.view());
    communicator.wait(within);
}

} // namespace

TEST_CASE("without a driver, without a device, or after an earlier failure the error says so and NCCL is not asked")
{
    const fresh start;
    const ncclUniqueId id = stand_in::new_id();
    const auto open = [&] { nccl_session session(id, 0, 1); };

    stand_in::cuda().driver = cudaErrorInsufficientDriver;
    seen found = thrown_by(open);
    CHECK(found.code == error_code::device);
    CHECK(found.field == "CUDA device");
    CHECK(found.value == "cudaErrorInsufficientDriver");
    CHECK(found.rank == 0);
    CHECK(contains(found.text, "needs an NVIDIA GPU and its driver"));

    stand_in::cuda().driver = cudaSuccess;
    stand_in::cuda().devices = 0;
    found = thrown_by(open);
    CHECK(found.code == error_code::device);
    CHECK(found.value == "none");

    stand_in::cuda().devices = 1;
    stand_in::cuda().earlier = cudaErrorIllegalAddress;
    found = thrown_by(open);
    CHECK(found.code == error_code::device);
    CHECK(contains(found.text, "an earlier failure, not of this communicator"));
    CHECK(stand_in::counts().made == 0);
}

TEST_CASE("a library that is too old is refused with both versions")
{
    const fresh start;
    stand_in::faults().version = 21805;
    const ncclUniqueId id = stand_in::new_id();
    const seen found = thrown_by([&] { nccl_session session(id, 0, 1); });
    CHECK(found.code == error_code::configuration);
    CHECK(found.field == "NCCL");
    CHECK(found.value == "2.18.5");
    CHECK(contains(found.text, "at least 2.19.0"));
    CHECK(stand_in::counts().made == 0);
}

TEST_CASE("options and ranks outside their range are refused")
{
    const fresh start;
    const ncclUniqueId id = stand_in::new_id();
    const auto field_of = [&](int rank, int size, nccl_options options) {
        const seen found = thrown_by([&] { nccl_session session(id, rank, size, options); });
        CHECK(found.code == error_code::invalid_option);
        return found.field;
    };
    CHECK(field_of(0, 0, {}) == "ranks");
    CHECK(field_of(2, 2, {}) == "rank");
    CHECK(field_of(-1, 2, {}) == "rank");
    CHECK(field_of(0, 1, {.deadline = 0us}) == "deadline");
    CHECK(field_of(0, 1, {.abort_patience = std::chrono::hours(24 * 400)}) == "abort_patience");
}

TEST_CASE("an allocation that fails in the constructor is out_of_memory, and nothing stays behind")
{
    for (const int succeed : {0, 1}) {
        const fresh start;
        const long before = stand_in::cuda().allocations;
        stand_in::cuda().fail_allocation = succeed;
        const ncclUniqueId id = stand_in::new_id();
        const seen found = thrown_by([&] { nccl_session session(id, 0, 1); });
        CHECK(found.code == error_code::out_of_memory);
        CHECK(found.field == (succeed == 0 ? "pinned memory" : "device memory"));
        CHECK(stand_in::counts().made == 0);
        CHECK(stand_in::cuda().allocations == before);
    }
}

TEST_CASE("an init that never ends is given up at the deadline and aborted")
{
    const fresh start;
    stand_in::faults().never_ready = true;
    const ncclUniqueId id = stand_in::new_id();
    const auto errors = on_ranks(2, [&](int rank) {
        const owned_stream stream;
        nccl_session session(id, rank, 2, {.stream = stream, .deadline = 60ms});
    });
    for (const int rank : {0, 1}) {
        REQUIRE(errors[index(rank)].has_value());
        CHECK(errors[index(rank)]->code() == error_code::peer_timeout);
        CHECK(errors[index(rank)]->rank() == rank);
        CHECK(errors[index(rank)]->value() == std::to_string(1 - rank));
        CHECK(contains(errors[index(rank)]->what(), "init"));
    }
    CHECK(stand_in::counts().aborted == 2);
    CHECK(stand_in::counts().misused == 0);
}

TEST_CASE("a rank that never comes ends in peer_timeout, and one that comes late is waited for")
{
    {
        const fresh start;
        const ncclUniqueId id = stand_in::new_id();
        const auto errors = on_ranks(2, [&](int rank) {
            const owned_stream stream;
            if (rank == 0) nccl_session session(id, rank, 3, {.stream = stream, .deadline = 80ms});
        });
        REQUIRE(errors[0].has_value());
        CHECK(errors[0]->code() == error_code::peer_timeout);
        CHECK(errors[0]->value() == "one that NCCL does not name");
    }
    const outcome found = strike(2, [&](const nccl& communicator, nccl_session& session) {
        if (communicator.rank() == 1) std::this_thread::sleep_for(120ms);
        reduce(communicator, session, 20s);
    });
    CHECK(found.first[0].code == error_code::non_finite);
    CHECK(found.first[1].code == error_code::non_finite);
    CHECK(found.later[0].code == error_code::non_finite);
}

TEST_CASE("a call that hangs becomes peer_timeout naming operation and rank, every rank aborts, and later calls are poisoned")
{
    for (const int ranks : {2, 4}) {
        const fresh start;
        stand_in::faults().hang_rank = ranks - 1;
        stand_in::faults().at = 1;
        const outcome found = strike(ranks, [&](const nccl& communicator, nccl_session& session) { reduce(communicator, session, 60ms); }, {.checked_calls = 0});
        for (int rank = 0; rank < ranks; ++rank) {
            CHECK(found.first[index(rank)].code == error_code::peer_timeout);
            CHECK(found.first[index(rank)].rank == rank);
            CHECK(contains(found.first[index(rank)].text, "all_reduce (call 1)"));
            CHECK(found.first[index(rank)].value == (ranks == 2 ? std::to_string(1 - rank) : "one that NCCL does not name"));
            CHECK(found.later[index(rank)].code == error_code::poisoned);
            CHECK(contains(found.later[index(rank)].text, "peer_timeout"));
            CHECK(found.states[index(rank)] == nccl_state::aborted);
        }
    }
}

TEST_CASE("a hang in the comparison before a call is found as well")
{
    const fresh start;
    stand_in::faults().hang_rank = 0;
    stand_in::faults().at = 1;
    const outcome found = strike(2, [&](const nccl& communicator, nccl_session& session) { reduce(communicator, session, 20s); }, {.deadline = 1500ms});
    for (const seen& one : found.first) CHECK(one.code == error_code::peer_timeout);
}

TEST_CASE("a remote error reaches every rank as peer_lost, other errors as device, and each aborts")
{
    for (const auto error : {ncclRemoteError, ncclSystemError, ncclUnhandledCudaError, ncclInternalError}) {
        const fresh start;
        stand_in::faults().error_rank = 1;
        stand_in::faults().error = error;
        stand_in::faults().at = 1;
        const outcome found = strike(3, [&](const nccl& communicator, nccl_session& session) { reduce(communicator, session, 20s); }, {.checked_calls = 0});
        for (int rank = 0; rank < 3; ++rank) {
            CHECK(found.first[index(rank)].code == (error == ncclRemoteError ? error_code::peer_lost : error_code::device));
            CHECK(contains(found.first[index(rank)].text, "all_reduce"));
            CHECK(found.later[index(rank)].code == error_code::poisoned);
            CHECK(found.states[index(rank)] == nccl_state::aborted);
        }
    }
}

TEST_CASE("a failure of the device is reported as such, with the operation that was under way")
{
    const fresh start;
    const outcome found = strike(1, [&](const nccl& communicator, nccl_session& session) {
        const device_array<float> x(session.stream(), std::vector<float>(10));
        communicator.all_reduce<float>(x, x.view());
        stand_in::cuda().stream_failure = cudaErrorIllegalAddress;
        communicator.wait();
    }, {.checked_calls = 0});
    CHECK(found.first[0].code == error_code::device);
    CHECK(found.first[0].value == "cudaErrorIllegalAddress");
    CHECK(contains(found.first[0].text, "all_reduce (call 1) or earlier work"));
    CHECK(found.states[0] == nccl_state::aborted);
}

TEST_CASE("an abort that fails or hangs is given up in time, is said, and frees no memory that a kernel may still write")
{
    for (const ending how : {ending::fails, ending::hangs}) {
        const fresh start;
        stand_in::faults().hang_rank = 1;
        stand_in::faults().at = 1;
        stand_in::faults().abort = how;
        const long before = stand_in::cuda().allocations;
        const outcome found = strike(2, [&](const nccl& communicator, nccl_session&) { communicator.barrier(); },
            {.deadline = 1500ms, .abort_patience = patience(how), .checked_calls = 0});
        for (const int rank : {0, 1}) {
            CHECK(found.first[index(rank)].code == error_code::peer_timeout);
            CHECK(contains(found.first[index(rank)].text, how == ending::fails ? "NCCL's abort failed too" : "NCCL's abort hangs too"));
            CHECK(found.later[index(rank)].code == error_code::poisoned);
            CHECK(found.states[index(rank)] == (how == ending::fails ? nccl_state::abort_failed : nccl_state::abort_hangs));
        }
        CHECK(stand_in::cuda().allocations == before + 4); // pinned and device memory of two ranks
    }
}

TEST_CASE("an argument that NCCL itself rejects is an error of one call, not of the group")
{
    const fresh start;
    stand_in::faults().reject_rank = 0;
    stand_in::faults().at = 1;
    const outcome found = strike(1, [&](const nccl& communicator, nccl_session& session) { reduce(communicator, session, 20s); }, {.checked_calls = 0});
    CHECK(found.first[0].code == error_code::invalid_argument);
    CHECK(found.first[0].field == "all_reduce");
    CHECK(found.later[0].code == error_code::non_finite);
    CHECK(found.states[0] == nccl_state::open);
}

TEST_CASE("different sizes, operations, element types and roots are found before data moves, and named on every rank")
{
    struct mismatch {
        void (*call)(const nccl&, const device_array<double>&);
        const char *field, *value;
    };
    const mismatch all[] = {
        {[](const nccl& c, const device_array<double>& x) {
             const std::size_t n = c.rank() == 2 ? 9u : 10u;
             c.all_reduce<double>({x.data(), n}, gc::device_view<double>{x.data(), n});
         }, "all_reduce.size", "10 on rank 0, 9 on rank 2"},
        {[](const nccl& c, const device_array<double>& x) {
             if (c.rank() == 1) c.barrier();
             else c.all_reduce<double>(x, x.view());
         }, "all_reduce.operation", "all_reduce on rank 0, barrier on rank 1"},
        {[](const nccl& c, const device_array<double>& x) {
             auto* const floats = reinterpret_cast<float*>(x.data());
             if (c.rank() == 1) c.all_reduce<float>({floats, 10}, gc::device_view<float>{floats, 10});
             else c.all_reduce<double>(x, x.view());
         }, "all_reduce.element", "double on rank 0, float on rank 1"},
        {[](const nccl& c, const device_array<double>& x) { c.broadcast({reinterpret_cast<std::byte*>(x.data()), 8}, c.rank() == 0 ? 0 : 1); }, "broadcast.root",
            "0 on rank 0, 1 on rank 1, 1 on rank 2"},
    };
    for (const mismatch& one : all) {
        CAPTURE(one.field);
        const fresh start;
        const outcome found = strike(3, [&](const nccl& communicator, nccl_session& session) {
            const device_array<double> x(session.stream(), std::vector<double>(10, 1.0));
            one.call(communicator, x);
        });
        for (int rank = 0; rank < 3; ++rank) {
            CHECK(found.first[index(rank)].code == error_code::configuration);
            CHECK(found.first[index(rank)].field == one.field);
            CHECK(found.first[index(rank)].value == one.value);
            CHECK(found.later[index(rank)].code == error_code::poisoned);
        }
    }
}

TEST_CASE("ranks that start with different options find out at the start")
{
    const fresh start;
    const ncclUniqueId id = stand_in::new_id();
    const auto errors = on_ranks(2, [&](int rank) {
        const owned_stream stream;
        nccl_session session(id, rank, 2, {.stream = stream, .registers_buffers = rank == 1});
    });
    for (const auto& one : errors) {
        REQUIRE(one.has_value());
        CHECK(one->code() == error_code::configuration);
        CHECK(one->field() == "registers_buffers");
        CHECK(one->value() == "0 on rank 0, 1 on rank 1");
    }
}

TEST_CASE("what peers say of their calls is taken for hostile")
{
    std::vector<gc::comm::nccl_call> calls(3);
    CHECK_FALSE(gc::comm::find_disagreement(std::span<const gc::comm::nccl_call>(calls)).has_value());
    calls[1].what = 77;
    CHECK(gc::comm::find_disagreement(std::span<const gc::comm::nccl_call>(calls))->value == "unreadable on rank 1");
    calls[1] = {};
    calls[2].element = 5;
    CHECK(gc::comm::find_disagreement(std::span<const gc::comm::nccl_call>(calls))->value == "unreadable on rank 2");
    calls[2] = {.number = 4};
    CHECK(gc::comm::find_disagreement(std::span<const gc::comm::nccl_call>(calls))->field == "calls");
    std::vector<gc::comm::nccl_terms> terms(2);
    terms[1].format = 1;
    CHECK(gc::comm::find_disagreement(std::span<const gc::comm::nccl_terms>(terms))->field == "wire format");
}

TEST_CASE("an end that is never reached is given up at the deadline")
{
    const fresh start;
    stand_in::faults().never_quiet = true;
    const owned_stream stream;
    nccl_session session(stand_in::new_id(), 0, 1, {.stream = stream, .deadline = 80ms});
    const seen found = thrown_by([&] { session.close(); });
    CHECK(found.code == error_code::peer_timeout);
    CHECK(contains(found.text, "finalize"));
    CHECK(session.state() == nccl_state::aborted);
    session.close(); // no second error
}

TEST_CASE("a destroy that hangs or fails is said by close and kept quiet by the destructor")
{
    for (const ending how : {ending::fails, ending::hangs}) {
        const fresh start;
        stand_in::faults().destroy = how;
        const owned_stream stream;
        nccl_session session(stand_in::new_id(), 0, 1, {.stream = stream, .abort_patience = patience(how)});
        CHECK(thrown_by([&] { session.close(); }).code == error_code::device);
        CHECK(session.state() == (how == ending::fails ? nccl_state::abort_failed : nccl_state::abort_hangs));
        const nccl_session quiet(stand_in::new_id(), 0, 1, {.stream = stream, .abort_patience = patience(how)});
    }
}

TEST_CASE("a closed session refuses calls, and an exception of the user's aborts instead of waiting for the peers")
{
    const fresh start;
    const owned_stream stream;
    {
        nccl_session session(stand_in::new_id(), 0, 1, {.stream = stream});
        session.close();
        CHECK(thrown_by([&] { nccl(session).barrier(); }).code == error_code::poisoned);
        CHECK(session.state() == nccl_state::closed);
    }
    CHECK(stand_in::counts().finalized == 1);
    try {
        nccl_session session(stand_in::new_id(), 0, 1, {.stream = stream});
        throw std::runtime_error("the user's");
    } catch (const std::runtime_error&) {
    }
    CHECK(stand_in::counts().finalized == 1);
    CHECK(stand_in::counts().aborted == 1);
}

TEST_CASE("survivors of a lost rank go on in a smaller group, renumbered, with the right sums")
{
    const fresh start;
    stand_in::faults().hang_rank = 1;
    stand_in::faults().at = 1;
    std::vector<int> sizes(4), ranks(4), wrong(4);
    const outcome found = strike(4,
        [&](const nccl& communicator, nccl_session& session) {
            const int rank = communicator.rank();
            const seen lost = thrown_by([&] { reduce(communicator, session, 60ms); });
            if (lost.code != error_code::peer_timeout || session.state() != nccl_state::open) ++wrong[index(rank)];
            if (rank == 1) return; // its own process would be gone
            nccl_session fewer = session.without({1});
            const nccl again(fewer);
            ranks[index(rank)] = again.rank();
            sizes[index(rank)] = again.size();
            const device_array<float> x(fewer.stream(), std::vector<float>(100, static_cast<float>(rank)));
            again.all_reduce<float>(x, x.view());
            wrong[index(rank)] += x.values() != std::vector<float>(100, 5.0f); // 0 + 2 + 3
            fewer.close();
        },
        {.checked_calls = 0, .keep_for_shrink = true});
    CHECK(wrong == std::vector<int>(4, 0));
    CHECK(ranks == std::vector<int>{0, 0, 1, 2});
    CHECK(sizes == std::vector<int>{3, 0, 3, 3});
    for (const int rank : {0, 2, 3}) CHECK(found.states[index(rank)] == nccl_state::aborted);
}

TEST_CASE("a healthy group can shrink too, and nonsense about who is lost is refused")
{
    const fresh start;
    std::vector<int> sizes(3);
    const outcome found = strike(3, [&](const nccl& communicator, nccl_session& session) {
        reduce(communicator, session, 20s);
        if (communicator.rank() == 2) return;
        CHECK(thrown_by([&] { session.without({}); }).code == error_code::invalid_argument);
        CHECK(thrown_by([&] { session.without({3}); }).code == error_code::invalid_argument);
        CHECK(thrown_by([&] { session.without({communicator.rank()}); }).code == error_code::invalid_argument);
        nccl_session fewer = session.without({2});
        reduce(nccl(fewer), fewer, 20s);
        sizes[index(communicator.rank())] = fewer.size();
    }, {.deadline = 1500ms}); // the third rank's barrier afterwards finds nobody
    CHECK(sizes == std::vector<int>{2, 2, 0});
    CHECK(found.later[2].code == error_code::peer_timeout);
    CHECK(found.first[0].code == error_code::non_finite);
}

TEST_CASE("a shrink that fails, hangs, or lacks a survivor is an error in time, and without keep_for_shrink it is refused")
{
    const auto shrink = [](const nccl&, nccl_session& session) {
        CHECK(thrown_by([&] { reduce(nccl(session), session, 60ms); }).code == error_code::peer_timeout);
        if (session.rank() < 2) session.without({2});
    };
    for (const ending how : {ending::fails, ending::hangs, ending::works}) {
        const fresh start;
        stand_in::faults().hang_rank = 2;
        stand_in::faults().at = 1;
        stand_in::faults().shrink = how;
        const bool alone = how == ending::works; // rank 1 does not shrink
        const outcome found = strike(3, [&](const nccl& communicator, nccl_session& session) {
            if (!alone || communicator.rank() != 1) return shrink(communicator, session);
            reduce(communicator, session, 60ms);
        }, {.deadline = 1500ms, .abort_patience = patience(how), .checked_calls = 0, .keep_for_shrink = true});
        CHECK(found.first[0].code == (how == ending::works ? error_code::peer_timeout : error_code::device));
        CHECK(found.first[0].field == "NCCL shrink");
        CHECK(found.states[0] == (how == ending::hangs ? nccl_state::abort_hangs : nccl_state::aborted));
        CHECK(found.later[0].code == error_code::poisoned);
    }
    const fresh start;
    stand_in::faults().hang_rank = 2;
    stand_in::faults().at = 1;
    const outcome found = strike(3, shrink, {.checked_calls = 0});
    CHECK(found.first[0].code == error_code::poisoned);
    CHECK(contains(found.first[0].text, "keep_for_shrink"));
}

TEST_CASE("a second thread and a forked child cannot use a session")
{
    const fresh start;
    const owned_stream stream;
    nccl_session session(stand_in::new_id(), 0, 1, {.stream = stream});
    const nccl communicator(session);

    std::atomic<bool> go_on = false;
    stand_in::launch(stream, [&] {
        while (!go_on) std::this_thread::sleep_for(1ms);
    });
    std::thread other([&] { // it may meet the first thread's short calls below
        while (thrown_by([&] { communicator.wait(20s); }).code == error_code::invalid_argument) std::this_thread::yield();
    });
    seen found;
    while (found.code != error_code::invalid_argument) // until the other thread is inside its wait; before, registering is refused for another reason
        found = thrown_by([&] { static_cast<void>(session.registered({})); });
    CHECK(contains(found.text, "in use by another thread"));
    go_on = true;
    other.join();

    const pid_t child = fork();
    if (child == 0) _exit(contains(thrown_by([&] { communicator.wait(); }).text, "does not survive a fork") ? 0 : 1);
    int status = -1;
    waitpid(child, &status, 0);
    CHECK(status == 0);
}
