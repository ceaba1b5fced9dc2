#include <gradcomp/comm/in_process.hpp>

#include <doctest/doctest.h>

#include <bit>
#include <cstdint>
#include <stdexcept>
#include <thread>
#include <vector>

namespace gc = gradcomp;
using gc::error_code;
using gc::host_view;
using gc::comm::in_process;

namespace {

const std::size_t sizes[] = {0, 1, 2, 3, 7, 8, 9, 100, 1023, 1024, 1025, 8191, 20011};

/// Values of many magnitudes whose float sums depend on the order of addition.
template <class T> std::vector<T> uneven(std::size_t count, int rank)
{
    std::vector<T> out(count);
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint64_t bits = gc::comm::mix(gc::comm::mix(i) + static_cast<std::uint64_t>(rank));
        const double fraction = static_cast<double>(bits >> 11) * 0x1p-53 - 0.5;
        out[i] = static_cast<T>(fraction * static_cast<double>(1u << (bits % 24)));
    }
    return out;
}

/// A ring all-reduce as the textbook has it: n - 1 hops that add, n - 1 hops that copy, one message per rank and hop.
template <class T> std::vector<std::vector<T>> textbook_ring(std::vector<std::vector<T>> data)
{
    const std::size_t n = data.size(), count = data[0].size();
    const auto begin_of = [&](std::size_t c) { return c * (count / n) + std::min(c, count % n); };
    for (int adding = 1; adding >= 0; --adding)
        for (std::size_t hop = 0; hop + 1 < n; ++hop) {
            const std::vector<std::vector<T>> before = data;
            for (std::size_t rank = 0; rank < n; ++rank) {
                const std::size_t chunk = (rank + (adding ? 0 : 1) + n - hop) % n, next = (rank + 1) % n;
                for (std::size_t i = begin_of(chunk); i < begin_of(chunk + 1); ++i)
                    data[next][i] = adding ? before[rank][i] + before[next][i] : before[rank][i];
            }
        }
    return data;
}

template <class T> std::vector<std::byte> bytes_of(const std::vector<T>& values)
{
    const auto* first = reinterpret_cast<const std::byte*>(values.data());
    return {first, first + values.size() * sizeof(T)};
}

/// `size` bytes that tell rank and position.
std::vector<std::byte> pattern(std::size_t size, int rank)
{
    std::vector<std::byte> out(size);
    for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::byte>(gc::comm::mix(i * 31 + static_cast<std::uint64_t>(rank)) & 255);
    return out;
}

std::size_t index(int rank) { return static_cast<std::size_t>(rank); }

} // namespace

TEST_CASE_TEMPLATE("all_reduce adds whole numbers exactly on 1 to 8 ranks, out of place and in place", T, float, double, std::uint32_t, std::uint64_t)
{
    for (int ranks = 1; ranks <= 8; ++ranks) {
        std::vector<int> wrong(index(ranks));
        gc::comm::run_ranks(ranks, [&](in_process communicator) {
            const int rank = communicator.rank();
            for (const std::size_t count : sizes) {
                std::vector<T> in(count), out(count, T(99));
                for (std::size_t i = 0; i < count; ++i) in[i] = static_cast<T>(i % 1000 + index(rank));
                const std::vector<T> before = in;
                communicator.all_reduce<T>(in, out);
                if (in != before) ++wrong[index(rank)];
                communicator.all_reduce(host_view<T>(in), host_view<T>(in));
                for (std::size_t i = 0; i < count; ++i) {
                    const T sum = static_cast<T>(index(ranks) * (i % 1000) + index(ranks) * index(ranks - 1) / 2);
                    if (out[i] != sum || in[i] != sum) ++wrong[index(rank)];
                }
            }
        });
        CHECK(wrong == std::vector<int>(index(ranks), 0));
    }
}

TEST_CASE_TEMPLATE("all_reduce gives the bits of a textbook ring on every rank, and the same bits again", T, float, double)
{
    for (int ranks = 1; ranks <= 8; ++ranks) {
        for (const std::size_t count : sizes) {
            std::vector<std::vector<T>> inputs, first(index(ranks)), second(index(ranks));
            for (int rank = 0; rank < ranks; ++rank) inputs.push_back(uneven<T>(count, rank));
            gc::comm::run_ranks(ranks, [&](in_process communicator) {
                const std::size_t me = index(communicator.rank());
                first[me].resize(count);
                second[me].resize(count);
                communicator.all_reduce<T>(inputs[me], first[me]);
                communicator.all_reduce<T>(inputs[me], second[me]);
            });
            const auto expected = textbook_ring(inputs);
            for (std::size_t rank = 0; rank < index(ranks); ++rank) {
                CHECK(bytes_of(first[rank]) == bytes_of(expected[0]));
                CHECK(bytes_of(second[rank]) == bytes_of(first[rank]));
                CHECK(bytes_of(expected[rank]) == bytes_of(expected[0]));
            }
        }
    }
}

TEST_CASE("all_gather, gather, broadcast and all_to_all move every byte to its place on 1 to 8 ranks")
{
    for (int ranks = 1; ranks <= 8; ++ranks) {
        std::vector<int> wrong(index(ranks));
        gc::comm::run_ranks(ranks, [&](in_process communicator) {
            const int rank = communicator.rank();
            int& bad = wrong[index(rank)];
            for (const std::size_t size : {0u, 1u, 5u, 64u, 1001u}) {
                std::vector<std::byte> expected;
                for (int peer = 0; peer < ranks; ++peer) {
                    const auto part = pattern(size, peer);
                    expected.insert(expected.end(), part.begin(), part.end());
                }
                const std::vector<std::byte> mine = pattern(size, rank), blank(size * index(ranks));
                std::vector<std::byte> all = blank;
                communicator.all_gather(mine, all);
                bad += all != expected;

                all = blank; // the same with the own message already in its place
                std::copy(mine.begin(), mine.end(), all.begin() + static_cast<std::ptrdiff_t>(index(rank) * size));
                communicator.all_gather(host_view<const std::byte>(all).part(index(rank) * size, size), all);
                bad += all != expected;

                for (int root = 0; root < ranks; ++root) {
                    all = blank;
                    communicator.gather(mine, rank == root ? host_view<std::byte>(all) : host_view<std::byte>(), root);
                    bad += all != (rank == root ? expected : blank);
                    std::vector<std::byte> data = mine;
                    communicator.broadcast(data, root);
                    bad += data != pattern(size, root);
                }

                const std::vector<std::byte> in = pattern(size * index(ranks), rank);
                std::vector<std::byte> out(in.size()), exchanged;
                communicator.all_to_all(in, out);
                for (int peer = 0; peer < ranks; ++peer) {
                    const auto theirs = pattern(size * index(ranks), peer);
                    exchanged.insert(exchanged.end(), theirs.begin() + static_cast<std::ptrdiff_t>(index(rank) * size),
                        theirs.begin() + static_cast<std::ptrdiff_t>(index(rank + 1) * size));
                }
                bad += out != exchanged;
            }
        });
        CHECK(wrong == std::vector<int>(index(ranks), 0));
    }
}

TEST_CASE("no rank leaves a barrier before the last one has come")
{
    for (int ranks = 1; ranks <= 8; ++ranks) {
        std::atomic<int> came = 0;
        std::vector<int> early(index(ranks));
        gc::comm::run_ranks(ranks, [&](in_process communicator) {
            for (int round = 1; round <= 50; ++round) {
                ++came;
                communicator.barrier();
                early[index(communicator.rank())] += came < round * ranks;
                communicator.barrier();
            }
        });
        CHECK(early == std::vector<int>(index(ranks), 0));
    }
}

TEST_CASE("bytes_sent counts what the operation of that name sends over links between ranks")
{
    for (int ranks = 1; ranks <= 8; ++ranks) {
        const std::uint64_t others = index(ranks) - 1;
        std::vector<int> wrong(index(ranks));
        gc::comm::run_ranks(ranks, [&](in_process communicator) {
            const int rank = communicator.rank();
            std::uint64_t before = 0;
            const auto check_sent = [&](std::uint64_t bytes) {
                wrong[index(rank)] += communicator.bytes_sent() - before != bytes;
                before = communicator.bytes_sent();
            };
            for (const std::size_t count : {0u, 1u, 3u, 7u, 840u, 841u, 1025u}) {
                std::vector<float> values(count);
                communicator.all_reduce<float>(values, values);
                std::uint64_t elements = 0; // what leaves this rank, hop by hop
                for (int hop = 0; hop + 1 < ranks; ++hop)
                    for (const int start : {rank, rank + 1}) {
                        const std::size_t n = index(ranks), chunk = (index(start) + n - index(hop)) % n;
                        elements += count / n + (chunk < count % n ? 1 : 0);
                    }
                check_sent(elements * sizeof(float));
                std::vector<double> wide(count);
                communicator.all_reduce<double>(wide, wide);
                check_sent(elements * sizeof(double));
            }
            const std::vector<std::byte> mine(11);
            std::vector<std::byte> all(11 * index(ranks)), data(7);
            communicator.all_gather(mine, all);
            check_sent(11 * others);
            communicator.gather(mine, all, ranks - 1);
            check_sent(rank == ranks - 1 ? 0 : 11);
            communicator.broadcast(data, ranks - 1);
            check_sent(ranks == 1 || (rank + 1) % ranks == ranks - 1 ? 0 : 7);
            std::vector<std::byte> out(all.size());
            communicator.all_to_all(all, out);
            check_sent(11 * others);
            communicator.barrier();
            check_sent(0);
        });
        CHECK(wrong == std::vector<int>(index(ranks), 0));
    }
}

TEST_CASE("arguments that cannot be right are errors of this rank alone, and the next call works")
{
    gc::comm::run_ranks(2, [](in_process communicator) {
        std::vector<float> four(4), five(5);
        std::vector<std::byte> bytes(6), twelve(12), odd(3);
        const auto code_of = [](auto&& call) {
            try {
                call();
            } catch (const gc::error& problem) {
                return std::string(gc::name_of(problem.code())) + " " + problem.field();
            }
            return std::string("none");
        };
        std::vector<std::string> found{
            code_of([&] { communicator.all_reduce<float>(four, five); }),
            code_of([&] { communicator.all_reduce<float>(host_view<float>(nullptr, 4), four); }),
            code_of([&] { communicator.all_reduce<float>(host_view<float>(five).part(0, 4), host_view<float>(five).part(1, 4)); }),
            code_of([&] { communicator.all_gather(bytes, bytes); }),
            code_of([&] { communicator.all_gather(host_view<const std::byte>(twelve).part(3, 6), twelve); }),
            code_of([&] { communicator.gather(bytes, twelve, 2); }),
            code_of([&] { communicator.broadcast(bytes, -1); }),
            code_of([&] { communicator.all_to_all(odd, odd); }),
            code_of([&] { communicator.all_to_all(bytes, bytes); }),
            code_of([&] { communicator.broadcast(host_view<std::byte>(nullptr, 1), 0); }),
        };
        const std::vector<std::string> expected{"invalid_argument all_reduce.out", "invalid_argument all_reduce.in", "overlap all_reduce.out",
            "invalid_argument all_gather.all", "overlap all_gather.all", "invalid_argument gather.root", "invalid_argument broadcast.root",
            "invalid_argument all_to_all.in", "overlap all_to_all.out", "invalid_argument broadcast.data"};
        four.assign(4, 1.0f);
        communicator.all_reduce<float>(four, four);
        if (found != expected || four != std::vector<float>(4, 2.0f)) throw std::runtime_error("unexpected: " + found[0]);
    });
    CHECK_THROWS_AS(gc::comm::run_ranks(0, [](in_process) {}), gc::error);
    gc::comm::in_process_group group(2);
    CHECK_THROWS_AS(in_process(group, 2), gc::error);
    CHECK_THROWS_AS(in_process(group, -1), gc::error);
    CHECK_THROWS_AS(gc::comm::in_process_group(2, {.deadline = std::chrono::microseconds(0)}), gc::error);
    CHECK_THROWS_AS(gc::comm::in_process_group(2, {.faults = {.delay_probability = 1.5}}), gc::error);
    CHECK_THROWS_AS(gc::comm::in_process_group(2, {.faults = {.kill_rank = 2}}), gc::error);
}

TEST_CASE("two threads that use one rank at a time are told so, and the group goes on")
{
    gc::comm::in_process_group group(2);
    std::atomic<int> refused = 0;
    const auto use_rank_0 = [&] {
        try {
            in_process(group, 0).barrier();
        } catch (const gc::error& problem) {
            if (problem.code() == error_code::invalid_argument && problem.value() == "rank 0") ++refused;
            in_process(group, 1).barrier(); // lets the other thread pass
        }
    };
    std::thread one(use_rank_0), two(use_rank_0);
    one.join();
    two.join();
    CHECK(refused == 1);
    CHECK_FALSE(group.poisoned());
}

TEST_CASE("copies of a handle speak for the same rank")
{
    gc::comm::in_process_group group(1);
    const in_process first(group, 0);
    const in_process second = first;
    std::vector<float> values{3.0f, 4.0f}, out(2);
    second.all_reduce<float>(values, out);
    CHECK(out == values);
    CHECK(second.rank() == 0);
    CHECK(first.bytes_sent() == second.bytes_sent());
}
