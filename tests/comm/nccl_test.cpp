#include "stand_in/ranks.hpp"

#include <gradcomp/nccl.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace gc = gradcomp;
using gc::error_code;
using gc::comm::nccl;
using gc::comm::nccl_options;
using gc::comm::nccl_session;
using stand_in::device_array;
using stand_in::on_ranks;
using stand_in::owned_stream;
using namespace std::chrono_literals;

namespace {

const std::size_t sizes[] = {0, 1, 2, 7, 64, 1025};

std::size_t index(int rank) { return static_cast<std::size_t>(rank); }

/// A value that tells rank and position; sums of few of them are exact.
template <class T> std::vector<T> values(std::size_t count, int rank)
{
    std::vector<T> out(count);
    for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<T>(i % 1000 + 3 * index(rank));
    return out;
}

std::vector<std::byte> pattern(std::size_t size, int rank)
{
    std::vector<std::byte> out(size);
    for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::byte>((i * 31 + index(rank) * 101) & 255);
    return out;
}

struct fresh {
    fresh() { stand_in::start_over(); }
    ~fresh() { stand_in::start_over(); }
};

std::string text_of(const std::optional<gc::error>& problem) { return problem ? problem->what() : ""; }

/// Whether C gathers from host memory, which it must not accept.
template <class C>
concept takes_host_memory = requires(const C& c, gc::host_view<const std::byte> in, gc::host_view<std::byte> out) { c.all_gather(in, out); };

/// Runs body(communicator, session) on `ranks` ranks; all of them must end without an error.
template <class Body> void run(int ranks, const Body& body, nccl_options options = {.deadline = 20s})
{
    const ncclUniqueId id = stand_in::new_id();
    const long allocations = stand_in::cuda().allocations;
    const auto errors = on_ranks(ranks, [&](int rank) {
        const owned_stream stream;
        nccl_options mine = options;
        mine.stream = stream;
        nccl_session session(id, rank, ranks, mine);
        body(nccl(session), session);
        session.close();
    });
    for (const auto& one : errors) CHECK(text_of(one) == "");
    CHECK(stand_in::counts().made == ranks);
    CHECK(stand_in::counts().destroyed == ranks);
    CHECK(stand_in::counts().aborted == 0);
    CHECK(stand_in::counts().misused == 0);
    CHECK(stand_in::cuda().allocations == allocations);
}

} // namespace

TEST_CASE("nccl models the communicator concept over device memory and refuses host views")
{
    CHECK(gc::comm::communicator<nccl, float>);
    CHECK(gc::comm::communicator<nccl, double>);
    CHECK(nccl::space == gc::memory_space::device);
    CHECK(gc::comm::reaches_device<nccl>);
    CHECK_FALSE(gc::comm::spreads_failure<nccl>);
    CHECK_FALSE(takes_host_memory<nccl>);
}

TEST_CASE_TEMPLATE("all_reduce over NCCL adds exactly on 1 to 5 ranks, out of place and in place", T, float, double, std::uint32_t, std::uint64_t)
{
    for (int ranks = 1; ranks <= 5; ++ranks) {
        const fresh start;
        std::vector<int> wrong(index(ranks));
        run(ranks, [&](nccl communicator, nccl_session& session) {
            for (const std::size_t count : sizes) {
                std::vector<T> sum(count);
                for (int rank = 0; rank < ranks; ++rank)
                    for (std::size_t i = 0; i < count; ++i) sum[i] += values<T>(count, rank)[i];
                const std::vector<T> mine = values<T>(count, communicator.rank());
                const device_array<T> in(session.stream(), mine), out(session.stream(), count);
                communicator.all_reduce<T>(in, out.view());
                wrong[index(communicator.rank())] += out.values() != sum || in.values() != mine;
                communicator.all_reduce<T>(in, in.view());
                wrong[index(communicator.rank())] += in.values() != sum;
            }
        });
        CHECK(wrong == std::vector<int>(index(ranks), 0));
    }
}

TEST_CASE("all_gather, gather, broadcast and all_to_all over NCCL move every byte to its place on 1 to 5 ranks")
{
    for (int ranks = 1; ranks <= 5; ++ranks) {
        const fresh start;
        std::vector<int> wrong(index(ranks));
        run(ranks, [&](nccl communicator, nccl_session& session) {
            const int rank = communicator.rank();
            int& bad = wrong[index(rank)];
            for (const std::size_t size : {0u, 1u, 5u, 64u, 1001u}) {
                std::vector<std::byte> everything;
                for (int r = 0; r < ranks; ++r) {
                    const auto theirs = pattern(size, r);
                    everything.insert(everything.end(), theirs.begin(), theirs.end());
                }
                const device_array<std::byte> mine(session.stream(), pattern(size, rank)), all(session.stream(), size * index(ranks));
                communicator.all_gather(mine, all.view());
                bad += all.values() != everything;
                for (int root = 0; root < ranks; ++root) {
                    const device_array<std::byte> collected(session.stream(), std::vector<std::byte>(rank == root ? size * index(ranks) : 0));
                    communicator.gather(mine, collected.view(), root);
                    bad += rank == root && collected.values() != everything;
                    const device_array<std::byte> spread(session.stream(), pattern(size, rank));
                    communicator.broadcast(spread.view(), root);
                    bad += spread.values() != pattern(size, root);
                }
                std::vector<std::byte> blocks, expected;
                for (int peer = 0; peer < ranks; ++peer)
                    for (std::size_t i = 0; i < size; ++i) {
                        blocks.push_back(pattern(size, 10 * rank + peer)[i]);
                        expected.push_back(pattern(size, 10 * peer + rank)[i]);
                    }
                const device_array<std::byte> in(session.stream(), blocks), out(session.stream(), blocks.size());
                communicator.all_to_all(in, out.view());
                bad += out.values() != expected;
            }
            communicator.barrier();
        });
        CHECK(wrong == std::vector<int>(index(ranks), 0));
    }
}

TEST_CASE("init and calls that stay in progress for a while are waited for, and later work of the stream comes after them")
{
    const fresh start;
    stand_in::faults().init_polls = 50;
    stand_in::faults().enqueue_polls = 20;
    std::vector<int> wrong(3);
    run(3, [&](nccl communicator, nccl_session& session) {
        const device_array<float> in(session.stream(), values<float>(100, communicator.rank())), out(session.stream(), 100);
        for (int step = 0; step < 5; ++step) {
            communicator.all_reduce<float>(in, out.view());
            stand_in::launch(session.stream(), [to = in.data(), from = out.data()] { std::copy_n(from, 100, to); }); // a kernel of the user
        }
        float expected = 9; // element 0: ranks bring 0, 3 and 6, and each further step triples the sum
        for (int step = 1; step < 5; ++step) expected *= 3;
        wrong[index(communicator.rank())] = in.values()[0] != expected;
    });
    CHECK(wrong == std::vector<int>(3, 0));
}

TEST_CASE("the bytes that a rank sends over NCCL are counted as a ring carries them")
{
    const fresh start;
    std::vector<std::uint64_t> sent(3);
    run(3, [&](nccl communicator, nccl_session& session) {
        const device_array<float> in(session.stream(), values<float>(9, communicator.rank()));
        const device_array<std::byte> mine(session.stream(), pattern(10, 0)), all(session.stream(), 30);
        communicator.all_reduce<float>(in, in.view());
        communicator.all_gather(mine, all.view());
        communicator.gather(mine, all.view(), 0);
        communicator.broadcast(mine.view(), 0);
        communicator.barrier();
        sent[index(communicator.rank())] = communicator.bytes_sent();
    });
    CHECK(sent == std::vector<std::uint64_t>{48 + 20 + 0 + 10, 48 + 20 + 10 + 10, 48 + 20 + 10 + 0});
}

TEST_CASE("host code writes and reads small parts of device memory in order with the calls, more of them than pinned memory holds")
{
    const fresh start;
    std::vector<int> wrong(2);
    run(2, [&](nccl communicator, nccl_session& session) {
        int& bad = wrong[index(communicator.rank())];
        const device_array<std::uint32_t> votes(session.stream(), std::vector<std::uint32_t>(8));
        for (std::uint32_t step = 0; step < 100; ++step) {
            gc::comm::write_small(communicator, votes.data() + 3, step + static_cast<std::uint32_t>(communicator.rank()));
            communicator.all_reduce<std::uint32_t>(votes, votes.view());
            bad += gc::comm::read_one<std::uint32_t>(communicator, votes.data() + 3) != 2 * step + 1;
        }
        for (std::uint32_t i = 0; i < 10000; ++i) gc::comm::write_small(communicator, votes.data() + i % 8, i); // 16 pinned bytes each
        std::uint32_t every_other[4] = {};
        gc::comm::read_small(communicator, std::span<std::uint32_t>(every_other), votes.data(), 2 * sizeof(std::uint32_t));
        for (std::uint32_t i = 0; i < 4; ++i) bad += every_other[i] != 9992 + 2 * i;
    });
    CHECK(wrong == std::vector<int>(2, 0));
}

TEST_CASE("a captured call is replayed, and what cannot be captured says so and leaves the capture as it was")
{
    const fresh start;
    std::vector<int> wrong(3);
    run(3, [&](nccl communicator, nccl_session& session) {
        int& bad = wrong[index(communicator.rank())];
        const device_array<double> x(session.stream(), std::vector<double>(64, 1.0));
        communicator.barrier();
        cudaGraph_t graph{};
        cudaGraphExec_t executable{};
        cudaStreamBeginCapture(session.stream(), cudaStreamCaptureModeThreadLocal);
        communicator.all_reduce<double>(x, x.view());
        const auto refused = [&](auto what) {
            try {
                what();
            } catch (const gc::error& e) {
                return e.code() == error_code::invalid_argument && e.value() == "capturing";
            }
            return false;
        };
        bad += !refused([&] { communicator.wait(); });
        bad += !refused([&] { gc::comm::write_small(communicator, x.data(), 1.0); });
        bad += !refused([&] { gc::comm::read_one<double>(communicator, x.data()); });
        cudaStreamEndCapture(session.stream(), &graph);
        cudaGraphInstantiate(&executable, graph, 0);
        for (int replay = 0; replay < 10; ++replay) cudaGraphLaunch(executable, session.stream());
        communicator.wait();
        bad += x.values() != std::vector<double>(64, 59049.0); // 3^10
        cudaGraphExecDestroy(executable);
        cudaGraphDestroy(graph);
    });
    CHECK(wrong == std::vector<int>(3, 0));
}

TEST_CASE("buffers are registered where the options ask for it, and let go before the end")
{
    const auto use = [](nccl communicator, nccl_session& session) {
        const device_array<std::byte> buffer(session.stream(), pattern(4096, 0)), other(session.stream(), pattern(16, 0));
        const auto kept = communicator.registered(buffer.view());
        communicator.broadcast(buffer.view(), 0);
        communicator.wait();
        auto first = session.registered(other.view());
        const auto second = std::move(first);
        static_cast<void>(communicator.registered({}));
    };
    {
        const fresh start;
        run(2, use, {.deadline = 20s, .registers_buffers = true});
        CHECK(stand_in::counts().registered == 4);
        CHECK(stand_in::counts().deregistered == 4);
    }
    const fresh start;
    run(2, use, {.deadline = 20s});
    CHECK(stand_in::counts().registered == 0);
}

TEST_CASE("a registration ends with its owner or with the session, whichever is first")
{
    const fresh start;
    run(1, [](nccl, nccl_session& session) {
        const device_array<std::byte> buffer(session.stream(), pattern(64, 0));
        {
            const auto kept = session.registered(buffer.view());
            CHECK(stand_in::counts().deregistered == 0);
        }
        CHECK(stand_in::counts().deregistered == 1);
        const auto kept = session.registered(buffer.view());
        session.close();
        CHECK(stand_in::counts().deregistered == 2);
    }, {.deadline = 20s, .registers_buffers = true});
    CHECK(stand_in::counts().registered == 2);
    CHECK(stand_in::counts().deregistered == 2);
}

TEST_CASE("a registration that outlives its group ends nothing")
{
    const fresh start;
    const owned_stream stream;
    const device_array<std::byte> buffer(stream, pattern(64, 0));
    {
        nccl_session session(stand_in::new_id(), 0, 1, {.stream = stream, .registers_buffers = true});
        const auto kept = session.registered(buffer.view());
        session.abort();
    }
    CHECK(stand_in::counts().registered == 1);
    CHECK(stand_in::counts().deregistered == 0);
}

TEST_CASE("arguments that cannot be right concern one rank and leave the group as it was")
{
    const fresh start;
    std::vector<std::vector<error_code>> codes(2);
    run(2, [&](nccl communicator, nccl_session& session) {
        const auto note = [&](auto what) {
            try {
                what();
            } catch (const gc::error& e) {
                if (e.rank() == communicator.rank()) codes[index(communicator.rank())].push_back(e.code());
            }
        };
        const device_array<float> x(session.stream(), values<float>(10, 0));
        const device_array<std::byte> bytes(session.stream(), pattern(10, 0));
        std::vector<float> host(10);
        note([&] { communicator.all_reduce<float>({x.data(), 5}, gc::device_view<float>{x.data(), 6}); });
        note([&] { communicator.all_reduce<float>({x.data(), 5}, gc::device_view<float>{x.data() + 2, 5}); });
        note([&] { communicator.all_reduce<float>({nullptr, 5}, x.view().part(0, 5)); });
        note([&] { communicator.all_gather({bytes.data(), 3}, {bytes.data(), 10}); });
        note([&] { communicator.broadcast(bytes.view(), 2); });
        note([&] { communicator.gather({bytes.data(), 1}, bytes.view(), -1); });
        note([&] { communicator.all_to_all({bytes.data(), 5}, {bytes.data() + 5, 5}); });
        note([&] { communicator.all_reduce<float>({host.data(), 10}, x.view()); });
        communicator.barrier();
    });
    const std::vector<error_code> expected{error_code::invalid_argument, error_code::overlap, error_code::invalid_argument, error_code::invalid_argument,
        error_code::invalid_argument, error_code::invalid_argument, error_code::invalid_argument, error_code::wrong_memory_space};
    CHECK(codes[0] == expected);
    CHECK(codes[1] == expected);
}
