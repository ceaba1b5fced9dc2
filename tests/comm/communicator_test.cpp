#include <gradcomp/comm/agreement.hpp>
#include <gradcomp/comm/communicator.hpp>
#include <gradcomp/comm/in_process.hpp>
#include <gradcomp/comm/ring_chunks.hpp>

#include <doctest/doctest.h>

#include <array>
#include <vector>

namespace gc = gradcomp;
using gc::comm::call_request;
using gc::comm::operation;

namespace {

/// A communicator of one rank in device memory, as a later one will look; without a barrier when Complete is false.
template <bool Complete> struct lonely {
    static constexpr gc::memory_space space = gc::memory_space::device;
    int rank() const { return 0; }
    int size() const { return 1; }
    template <gc::comm::summable T> void all_reduce(gc::device_view<const T>, gc::device_view<T>) const {}
    void all_gather(gc::device_view<const std::byte>, gc::device_view<std::byte>) const {}
    void gather(gc::device_view<const std::byte>, gc::device_view<std::byte>, int) const {}
    void broadcast(gc::device_view<std::byte>, int) const {}
    void all_to_all(gc::device_view<const std::byte>, gc::device_view<std::byte>) const {}
    void barrier() const requires Complete {}
};

} // namespace

TEST_CASE("a communicator in device memory models the concept, and one without a barrier does not")
{
    CHECK(gc::comm::communicator<lonely<true>, float>);
    CHECK(gc::comm::communicator<lonely<true>, double>);
    CHECK_FALSE(gc::comm::communicator<lonely<false>, float>);
    CHECK(gc::comm::broadcasts_bytes<lonely<false>>);
    CHECK_FALSE(gc::comm::waits_for_all<lonely<false>>);
    CHECK_FALSE(gc::comm::counts_bytes_sent<lonely<true>>);
    CHECK_FALSE(gc::comm::communicator<int, float>);
}

TEST_CASE("in_process models the concept for float and double and does not add bytes")
{
    CHECK(gc::comm::communicator<gc::comm::in_process, float>);
    CHECK(gc::comm::communicator<gc::comm::in_process, double>);
    CHECK_FALSE(gc::comm::sums<gc::comm::in_process, std::byte>);
    CHECK(gc::comm::spreads_failure<gc::comm::in_process>);
}

TEST_CASE("operations and elements carry the names of their declarations")
{
    CHECK(gc::comm::name_of(operation::all_reduce) == "all_reduce");
    CHECK(gc::comm::name_of(operation::barrier) == "barrier");
    CHECK(gc::comm::element_name<float> == "float");
    CHECK(gc::comm::element_name<std::uint64_t> == "uint64");
}

TEST_CASE("ring chunks cover a message without gap or overlap and differ in size by at most one")
{
    for (int ranks = 1; ranks <= 8; ++ranks)
        for (std::size_t count : {0u, 1u, 2u, 5u, 7u, 8u, 9u, 63u, 64u, 65u, 1025u}) {
            std::size_t next = 0, least = count, most = 0;
            for (int c = 0; c < ranks; ++c) {
                const gc::comm::ring_chunk chunk = gc::comm::chunk_of(count, ranks, c);
                REQUIRE(chunk.offset == next);
                next += chunk.size;
                least = std::min(least, chunk.size);
                most = std::max(most, chunk.size);
                REQUIRE(gc::comm::owner_of(gc::comm::chunk_owned_by(c, ranks), ranks) == c);
            }
            CHECK(next == count);
            CHECK(most - least <= 1);
        }
}

TEST_CASE("a ring sends 2 (n - 1) / n of a divisible message from each rank and 2 (n - 1) messages in all")
{
    for (int ranks = 1; ranks <= 8; ++ranks)
        for (std::size_t count : {0u, 1u, 3u, 7u, 840u, 841u, 1025u}) {
            std::uint64_t total = 0;
            for (int rank = 0; rank < ranks; ++rank) {
                const std::uint64_t sent = gc::comm::ring_elements_sent(count, ranks, rank);
                total += sent;
                const auto n = static_cast<std::size_t>(ranks);
                if (count % n == 0) CHECK(sent == 2 * (n - 1) * (count / n));
            }
            CHECK(total == 2 * static_cast<std::uint64_t>(ranks - 1) * count);
        }
}

TEST_CASE("a disagreement names the first field that differs with the value of each rank, and equal requests have none")
{
    std::array<call_request, 3> wanted;
    for (call_request& one : wanted) one = {.what = operation::all_reduce, .element = "float", .count = 10};
    const auto at = [&](int rank) -> const call_request& { return wanted[static_cast<std::size_t>(rank)]; };
    CHECK_FALSE(gc::comm::find_disagreement(3, at).has_value());

    wanted[2].count = 11;
    auto found = gc::comm::find_disagreement(3, at);
    REQUIRE(found.has_value());
    CHECK(found->field == "all_reduce.size");
    CHECK(found->value == "10 on rank 0, 11 on rank 2");

    wanted[1].element = "double";
    CHECK(gc::comm::find_disagreement(3, at)->field == "all_reduce.element");
    CHECK(gc::comm::find_disagreement(3, at)->value == "float on rank 0, double on rank 1");

    wanted[1].what = operation::barrier;
    CHECK(gc::comm::find_disagreement(3, at)->field == "all_reduce.operation");
    CHECK(gc::comm::find_disagreement(3, at)->value == "all_reduce on rank 0, barrier on rank 1");

    for (call_request& one : wanted) one = {.what = operation::broadcast, .count = 4, .root = 0};
    wanted[1].root = 1;
    CHECK(gc::comm::find_disagreement(3, at)->field == "broadcast.root");
    CHECK(gc::comm::find_disagreement(3, at)->value == "0 on rank 0, 1 on rank 1");
}
