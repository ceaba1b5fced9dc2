/// @file Reducers: what goes over the wire, that they agree where sums are exact, and that damaged messages stop every rank before x moves.
#include "../stack/toy.hpp"

#include <doctest/doctest.h>

#include <array>
#include <mutex>

namespace gc = gradcomp;

namespace {

/// Small integers and a learning rate of 1: every sum is exact, whatever its order.
template <class Reducer> std::vector<double> exact_run(int ranks, Reducer reducer_of, std::uint64_t* bytes = nullptr)
{
    std::vector<double> end;
    gc::comm::run_ranks(ranks, [&](gc::comm::in_process c) {
        const gc::policy_stack stack{.compressor = gc::random_block{.ratio = 4}, .memory = gc::ef{}, .reducer = reducer_of(c)};
        std::vector<double> x(toy::size, 0.0), g(toy::size);
        auto exchange = stack.attach(toy::tensors, x);
        for (int t = 0; t < 20; ++t) {
            for (std::size_t i = 0; i < toy::size; ++i) g[i] = static_cast<double>((i * 31 + static_cast<std::size_t>(t * 17 + c.rank() * 7)) % 64) * 8;
            exchange.step(g, 1);
        }
        if (bytes) bytes[c.rank()] = c.bytes_sent();
        if (c.rank() == 0) end = x;
    });
    return end;
}
constexpr auto over_ring = [](auto c) { return gc::ring{c}; };
constexpr auto by_all = [](auto c) { return gc::all_gather{c}; };
constexpr auto at_root = [](auto c) { return gc::gather_to_root{c}; };

} // namespace

TEST_CASE("ring, all-gather and gather agree exactly where sums are exact, on 1, 2, 4 and 8 ranks")
{
    for (const int ranks : {1, 2, 4, 8}) {
        CAPTURE(ranks);
        const std::vector<double> ring = exact_run(ranks, over_ring);
        CHECK(ring == exact_run(ranks, by_all));
        CHECK(ring == exact_run(ranks, at_root));
        CHECK(ring[3] != 0);
    }
}

TEST_CASE("message and wire bytes are exact, and the communicator sends what the reducers' formulas say")
{
    constexpr int ranks = 4, steps = 20;
    // 50 + 5 + 0 + 75 elements of 8 bytes
    constexpr std::uint64_t payload = 130 * 8, sparse = payload + 100 + 12 + 152; // 16 bits an index, each tensor's padded to 4 bytes
    gc::comm::run_ranks(1, [](gc::comm::in_process c) {
        std::vector<double> x(toy::size);
        const auto sizes = [&](auto compressor, auto reducer) {
            const gc::policy_stack stack{.compressor = compressor, .memory = gc::ef{}, .reducer = reducer};
            const auto exchange = stack.attach(toy::tensors, x);
            return std::array{exchange.message_bytes(), exchange.header_bytes(), exchange.wire_bytes()};
        };
        CHECK(sizes(gc::random_block{.ratio = 4}, gc::ring{c}) == std::array<std::size_t, 3>{payload, 8, payload + 8});
        CHECK(sizes(gc::random_block{.ratio = 4}, gc::all_gather{c}) == std::array<std::size_t, 3>{payload, 16, payload + 16});
        CHECK(sizes(gc::top_k{.ratio = 4}, gc::all_gather{c}) == std::array<std::size_t, 3>{sparse, 24, sparse + 24});
        CHECK(sizes(gc::rand_k<gc::indices::own, gc::scaling::none>{.ratio = 4}, gc::gather_to_root{c}) == std::array<std::size_t, 3>{sparse, 24, sparse + 24});
        CHECK(sizes(gc::identity{}, gc::ring{c}) == std::array<std::size_t, 3>{toy::size * 8, 8, toy::size * 8 + 8});
    });
    std::uint64_t sent[ranks];
    exact_run(ranks, over_ring, sent);
    // 131 elements in chunks of 33, 33, 33, 32: a rank sends all chunks but one in each half of the ring
    std::uint64_t all = 0;
    for (const std::uint64_t bytes : sent) {
        all += bytes;
        CHECK(bytes >= steps * 2 * (131 - 33) * 8);
        CHECK(bytes <= steps * 2 * (131 - 32) * 8);
    }
    CHECK(all == steps * 2 * (ranks - 1) * (payload + 8));
    exact_run(ranks, by_all, sent);
    for (const std::uint64_t bytes : sent) CHECK(bytes == steps * (ranks - 1) * (16 + payload));
    exact_run(ranks, at_root, sent);
    // the messages to the root, and x with a header down a pipelined ring, whose last rank sends nothing
    CHECK(sent[0] == steps * (16 + toy::size * 8));
    CHECK(sent[1] == steps * ((16 + payload) + (16 + toy::size * 8)));
    CHECK(sent[3] == steps * (16 + payload));
}

namespace {

/// Turns a chosen byte of what rank 1 sends in its third gathering call.
struct tampering : gc::comm::in_process {
    std::size_t byte = 0;
    std::byte turn{};
    int* calls = nullptr;
    tampering(gc::comm::in_process inner, std::size_t which, std::byte how, int* count) : in_process(inner), byte(which), turn(how), calls(count) {}
    std::vector<std::byte> spoilt(gc::host_view<const std::byte> mine) const
    {
        std::vector<std::byte> out(mine.data(), mine.data() + mine.size());
        if (++*calls == 3 && rank() == 1) out[byte] ^= turn;
        return out;
    }
    void all_gather(gc::host_view<const std::byte> mine, gc::host_view<std::byte> all) const { in_process::all_gather(spoilt(mine), all); }
    void gather(gc::host_view<const std::byte> mine, gc::host_view<std::byte> all, int root) const { in_process::gather(spoilt(mine), all, root); }
};

/// Errors of the three ranks in the third step, and whether x stood still; then two more steps must work.
template <class Reducer> std::vector<gc::error> tampered(std::size_t byte, std::byte turn, Reducer reducer_of)
{
    std::vector<gc::error> out(3, gc::error(gc::error_code::device, "nothing", "", ""));
    gc::comm::run_ranks(3, [&](gc::comm::in_process inner) {
        int calls = 0;
        const tampering c{inner, byte, turn, &calls};
        const gc::policy_stack stack{.compressor = gc::top_k{.ratio = 4}, .memory = gc::def<gc::staged>{}, .reducer = reducer_of(c)};
        std::vector<float> x = toy::start<float>();
        auto exchange = stack.attach(toy::tensors, x);
        for (std::uint64_t t = 0; t < 5; ++t) {
            const std::vector<float> g = toy::gradient<float>(exchange.gradient_point(), inner.rank(), t), before = x, owed = toy::copy(exchange.error());
            const auto e = toy::error_of([&] { exchange.step(g, 0.1); });
            if (e.has_value() != (t == 2)) throw std::runtime_error("step " + std::to_string(t));
            if (!e) continue;
            out[static_cast<std::size_t>(inner.rank())] = *e;
            if (x != before || !toy::same_bits<float>(exchange.error(), owed)) throw std::runtime_error("state changed");
            exchange.step(g, 0.1);
        }
    });
    return out;
}

} // namespace

TEST_CASE("a message of another step, of another size, or with an index out of range stops every rank, and the run can go on")
{
    const std::size_t first_index = 16 + 130 * 4 + 1; // the high byte of the first index, of 16 bits
    struct damage {
        std::size_t byte;
        std::byte turn;
        const char* field;
    };
    for (const damage& d : {damage{0, std::byte{1}, "step"}, damage{9, std::byte{8}, "bytes"}, damage{first_index, std::byte{64}, "index[0]"}}) {
        CAPTURE(d.field);
        for (const gc::error& e : tampered(d.byte, d.turn, [](auto c) { return gc::all_gather{c}; })) {
            CHECK(e.code() == gc::error_code::bad_message);
            CHECK(e.field() == d.field);
            CHECK(e.step() == 2);
        }
        const std::vector<gc::error> at_root_errors = tampered(d.byte, d.turn, [](auto c) { return gc::gather_to_root{c, 2}; });
        CHECK(at_root_errors[2].field() == d.field);
        CHECK(at_root_errors[0].field() == "root"); // they learn that the root could not read it
        CHECK(at_root_errors[1].code() == gc::error_code::bad_message);
    }
}
