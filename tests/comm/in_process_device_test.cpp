#include "stand_in/ranks.hpp"

#include <gradcomp/comm/in_process_device.hpp>

#include <doctest/doctest.h>

#include <bit>
#include <chrono>
#include <cstring>
#include <stdexcept>
#include <thread>
#include <vector>

namespace gc = gradcomp;
using gc::error_code;
using gc::comm::in_process;
using stand_in::device_array;
using namespace std::chrono_literals;

namespace {

/// The kernel's stand-in: adds on the stream, some time later.
struct late_sum {
    template <class T> void operator()(cudaStream_t stream, const T* const* sources, int first, int ranks, std::size_t count, T* out) const
    {
        std::vector<const T*> all(sources, sources + ranks);
        stand_in::launch(stream, [=, all = std::move(all)] {
            std::this_thread::sleep_for(std::chrono::microseconds(50 * first));
            gc::comm::sum_in_ring_order([&](int rank) { return all[static_cast<std::size_t>(rank)]; }, first, ranks, count, out);
        });
    }
};
using on_device = gc::comm::in_process_device<late_sum>;

struct failing_sum {
    template <class T> void operator()(cudaStream_t, const T* const*, int first, int, std::size_t, T*) const
    {
        if (first == 1) throw gc::error(error_code::device, "sum kernel", "cudaErrorInvalidConfiguration", "was not launched"); // on rank 0
    }
};

std::size_t index(int rank) { return static_cast<std::size_t>(rank); }

/// Values whose sums depend on the order of addition.
std::vector<float> uneven(std::size_t count, int rank)
{
    std::vector<float> out(count);
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint64_t bits = gc::comm::mix(gc::comm::mix(i) + static_cast<std::uint64_t>(rank));
        out[i] = static_cast<float>((static_cast<double>(bits >> 11) * 0x1p-53 - 0.5) * static_cast<double>(1u << (bits % 24)));
    }
    return out;
}

std::vector<std::byte> pattern(std::size_t size, int rank)
{
    std::vector<std::byte> out(size);
    for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::byte>((i * 31 + index(rank) * 101) & 255);
    return out;
}

/// A rank, and the stream on which the test puts work of its own.
struct session {
    on_device communicator;
    cudaStream_t stream;
};

/// As run_ranks_on_device, with the stream for the test's own work.
template <class Body> void run(int ranks, const Body& body, gc::comm::in_process_options options = {})
{
    gc::comm::device_links links(ranks);
    options.memory = [&](std::size_t bytes) { return links.memory(bytes); };
    gc::comm::run_ranks(ranks, [&](in_process host) {
        const stand_in::owned_stream stream;
        body(session{on_device(host, links, stream), stream});
    }, options);
}

struct seen {
    error_code code = error_code::non_finite;
    std::string value, text;
    int completed = 0;
};

} // namespace

TEST_CASE("in_process_device models the concept over device memory")
{
    CHECK(gc::comm::communicator<on_device, float>);
    CHECK(gc::comm::communicator<on_device, double>);
    CHECK(on_device::space == gc::memory_space::device);
    CHECK(gc::comm::spreads_failure<on_device>);
    CHECK(gc::comm::finishes_later<on_device>);
    CHECK(gc::comm::reaches_device<on_device>);
    CHECK(gc::comm::counts_bytes_sent<on_device>);
}

TEST_CASE("sums on one device have the bits of in_process on 1 to 8 ranks, out of place and in place, and bytes are counted alike")
{
    for (int ranks = 1; ranks <= 8; ++ranks) {
        std::vector<int> wrong(index(ranks));
        for (const std::size_t count : {0u, 1u, 7u, 1025u}) {
            std::vector<float> expected(count);
            std::vector<std::uint64_t> bytes(index(ranks));
            gc::comm::run_ranks(ranks, [&](in_process host) {
                std::vector<float> in = uneven(count, host.rank());
                host.all_reduce(gc::host_view<const float>(in), gc::host_view<float>(in));
                if (host.rank() == 0) expected = in;
                bytes[index(host.rank())] = host.bytes_sent();
            });
            run(ranks, [&](const session& s) {
                const int rank = s.communicator.rank();
                const device_array<float> in(s.stream, uneven(count, rank)), out(s.stream, count);
                s.communicator.all_reduce<float>(in, out.view());
                wrong[index(rank)] += s.communicator.bytes_sent() != bytes[index(rank)];
                s.communicator.all_reduce<float>(in, in.view());
                for (const device_array<float>* found : {&in, &out}) {
                    const std::vector<float> values = found->values();
                    wrong[index(rank)] += count > 0 && std::memcmp(values.data(), expected.data(), count * sizeof(float)) != 0;
                }
            });
        }
        CHECK(wrong == std::vector<int>(index(ranks), 0));
    }
}

TEST_CASE("all_gather, gather, broadcast and all_to_all on one device move every byte to its place")
{
    for (const int ranks : {1, 2, 3, 8}) {
        std::vector<int> wrong(index(ranks));
        run(ranks, [&](const session& s) {
            const int rank = s.communicator.rank();
            int& bad = wrong[index(rank)];
            for (const std::size_t size : {0u, 1u, 64u, 1001u}) {
                std::vector<std::byte> everything, blocks, expected;
                for (int peer = 0; peer < ranks; ++peer) {
                    const auto theirs = pattern(size, peer), given = pattern(size, 10 * rank + peer), got = pattern(size, 10 * peer + rank);
                    everything.insert(everything.end(), theirs.begin(), theirs.end());
                    blocks.insert(blocks.end(), given.begin(), given.end());
                    expected.insert(expected.end(), got.begin(), got.end());
                }
                const device_array<std::byte> mine(s.stream, pattern(size, rank)), all(s.stream, size * index(ranks));
                s.communicator.all_gather(mine, all.view());
                bad += all.values() != everything;
                for (int root = 0; root < ranks; ++root) {
                    const device_array<std::byte> collected(s.stream, size * index(ranks)), spread(s.stream, pattern(size, rank));
                    s.communicator.gather(mine, collected.view(), root);
                    bad += rank == root && collected.values() != everything;
                    s.communicator.broadcast(spread.view(), root);
                    bad += spread.values() != pattern(size, root);
                }
                const device_array<std::byte> in(s.stream, blocks), out(s.stream, blocks.size());
                s.communicator.all_to_all(in, out.view());
                bad += out.values() != expected;
            }
            s.communicator.barrier();
        });
        CHECK(wrong == std::vector<int>(index(ranks), 0));
    }
}

TEST_CASE("nothing waits on the host: buffers refilled at once after a call, by streams of very different speed, give the right sums")
{
    constexpr int ranks = 4, steps = 30;
    std::vector<int> wrong(ranks);
    run(ranks, [&](const session& s) {
        const int rank = s.communicator.rank();
        device_array<double> x(s.stream, 65), sum(s.stream, 65), total(s.stream, std::vector<double>(65));
        double expected = 0;
        for (int step = 0; step < steps; ++step) {
            stand_in::launch(s.stream, [pause = std::chrono::microseconds(gc::comm::mix(index(step * ranks + rank)) % 500)] { std::this_thread::sleep_for(pause); });
            x.fill(std::vector<double>(65, step * 10 + rank));
            if (step % 3 == 0) s.communicator.all_reduce<double>(x, x.view()); // in place: the next fill overwrites what the others may be reading
            else s.communicator.all_reduce<double>(x, sum.view());
            stand_in::launch(s.stream, [from = step % 3 == 0 ? x.data() : sum.data(), to = total.data()] {
                for (int i = 0; i < 65; ++i) to[i] += from[i];
            });
            expected += ranks * step * 10 + 6;
        }
        wrong[index(rank)] = total.values() != std::vector<double>(65, expected);
    });
    CHECK(wrong == std::vector<int>(ranks, 0));
}

TEST_CASE("small parts of device memory are written and read in order, and a growing message keeps the old sums' memory alive")
{
    std::vector<int> wrong(3);
    run(3, [&](const session& s) {
        int& bad = wrong[index(s.communicator.rank())];
        for (std::size_t count = 1; count <= 4096; count *= 4) {
            const device_array<std::uint32_t> x(s.stream, std::vector<std::uint32_t>(count, 1));
            gc::comm::write_small(s.communicator, x.data() + count - 1, static_cast<std::uint32_t>(count));
            s.communicator.all_reduce<std::uint32_t>(x, x.view());
            bad += gc::comm::read_one<std::uint32_t>(s.communicator, x.data() + count - 1) != 3 * count;
        }
    });
    CHECK(wrong == std::vector<int>(3, 0));
}

TEST_CASE("a rank killed before or inside any call on a device is named to all survivors, and its buffers are not read after it has gone")
{
    constexpr int ranks = 3;
    for (int operation = 0; operation < 6; ++operation)
        for (const bool inside : {false, true}) {
            std::vector<seen> survivors(ranks);
            run(ranks, [&](const session& s) {
                const device_array<float> x(s.stream, uneven(60, s.communicator.rank())), y(s.stream, 60);
                auto* const in = reinterpret_cast<std::byte*>(x.data());
                auto* const out = reinterpret_cast<std::byte*>(y.data());
                seen& mine = survivors[index(s.communicator.rank())];
                try {
                    for (; mine.completed < 4; ++mine.completed) switch (operation) {
                        case 0: s.communicator.all_reduce<float>(x, y.view()); break;
                        case 1: s.communicator.all_gather({in, 80}, {out, 240}); break;
                        case 2: s.communicator.gather({in, 80}, {out, 240}, 1); break;
                        case 3: s.communicator.broadcast({in, 80}, 2); break;
                        case 4: s.communicator.all_to_all({in, 240}, {out, 240}); break;
                        default: s.communicator.barrier();
                        }
                } catch (const gc::error& e) {
                    mine.code = e.code();
                    mine.value = e.value();
                }
            }, {.faults = {.kill_rank = 2, .kill_at_call = 2, .kill_inside = inside}});
            const int completed = operation == 5 && inside ? 3 : 2;
            for (const int rank : {0, 1}) {
                CHECK(survivors[index(rank)].code == error_code::peer_lost);
                CHECK(survivors[index(rank)].value == "2");
                CHECK(survivors[index(rank)].completed == completed);
            }
            CHECK(survivors[2].code == error_code::non_finite);
        }
}

TEST_CASE("delays and orders of arrival change no result on a device")
{
    std::vector<int> wrong(4);
    run(4, [&](const session& s) {
        for (int step = 0; step < 10; ++step) {
            const device_array<std::uint64_t> x(s.stream, std::vector<std::uint64_t>(50, index(s.communicator.rank() + step)));
            s.communicator.all_reduce<std::uint64_t>(x, x.view());
            wrong[index(s.communicator.rank())] += x.values() != std::vector<std::uint64_t>(50, index(6 + 4 * step));
        }
    }, {.faults = {.seed = 3, .delay_probability = 0.5, .reorder = true}});
    CHECK(wrong == std::vector<int>(4, 0));
}

TEST_CASE("a kernel that CUDA refuses on one rank ends the call on every rank, with the cause")
{
    gc::comm::device_links links(3);
    std::vector<seen> found(3);
    const auto options = gc::comm::in_process_options{.memory = [&](std::size_t bytes) { return links.memory(bytes); }};
    CHECK_THROWS_AS(gc::comm::run_ranks(3, [&](in_process host) {
        const stand_in::owned_stream stream;
        const gc::comm::in_process_device<failing_sum> communicator(host, links, stream);
        const device_array<float> x(stream, uneven(30, 0));
        try {
            communicator.all_reduce<float>(x, x.view());
        } catch (const gc::error& e) {
            found[index(host.rank())] = {e.code(), e.value(), e.what()};
        }
    }, options), gc::error);
    CHECK(found[0].code == error_code::device);
    for (const int rank : {1, 2}) {
        CHECK(found[index(rank)].code == error_code::peer_failed);
        CHECK(found[index(rank)].text.find("was not launched") != std::string::npos);
    }
}

TEST_CASE("a stream that does not end is peer_timeout on its rank and peer_failed on the others; no device memory is out_of_memory")
{
    std::vector<seen> found(2);
    std::atomic<bool> go_on = false;
    const auto body = [&](const session& s) {
        seen& mine = found[index(s.communicator.rank())];
        try {
            if (s.communicator.rank() == 0) {
                stand_in::launch(s.stream, [&] {
                    while (!go_on) std::this_thread::sleep_for(1ms);
                });
                s.communicator.wait(30ms);
            } else {
                s.communicator.barrier();
            }
        } catch (const gc::error& e) {
            mine = {e.code(), e.value(), e.what()};
        }
        go_on = true;
    };
    CHECK_THROWS_AS(run(2, body), gc::error);
    CHECK(found[0].code == error_code::peer_timeout);
    CHECK(found[1].code == error_code::peer_failed);

    const auto reduce = [&](const session& s) {
        const device_array<float> x(s.stream, uneven(30, 0));
        s.communicator.barrier();
        if (s.communicator.rank() == 0) stand_in::cuda().fail_allocation = 0;
        s.communicator.barrier();
        try {
            s.communicator.all_reduce<float>(x, x.view());
        } catch (const gc::error& e) {
            found[index(s.communicator.rank())] = {e.code(), e.value(), e.what()};
        }
    };
    run(2, reduce);
    for (const seen& one : found) {
        CHECK(one.code == error_code::out_of_memory);
        CHECK(one.value == "120 bytes");
    }
    stand_in::cuda().fail_allocation = -1;
}

TEST_CASE("run_ranks_on_device makes streams and links itself, and rethrows what a rank threw")
{
    std::vector<float> sums(3);
    gc::comm::run_ranks_on_device<late_sum>(3, [&](on_device communicator) {
        const gc::comm::device_block x(sizeof(float), communicator.rank());
        gc::comm::write_small(communicator, x.data(), static_cast<float>(communicator.rank() + 1));
        const gc::device_view<float> all(reinterpret_cast<float*>(x.data()), 1);
        communicator.all_reduce<float>(all, all);
        sums[index(communicator.rank())] = gc::comm::read_one<float>(communicator, x.data());
    });
    CHECK(sums == std::vector<float>(3, 6.0f));
    CHECK_THROWS_AS(gc::comm::run_ranks_on_device<late_sum>(2, [](on_device c) {
        if (c.rank() == 1) throw std::logic_error("the user's");
        c.barrier();
    }), std::logic_error);
    CHECK_THROWS_AS(gc::comm::run_ranks_on_device<late_sum>(17, [](on_device) {}), gc::error);
}
