/// @file framed: gathered messages with checksums: the same result as without, and what changed on its way is refused by rank and field.
#include <gradcomp/gradcomp.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace gc = gradcomp;

namespace {

const gc::tensor_list model{{"w", {5, 7}}, {"b", {6}}};

/// A communicator that changes one byte of what rank 1 sends, as a wire may.
struct noisy : gc::comm::in_process {
    std::size_t at = 0;
    bool on = false;
    noisy(gc::comm::in_process with, std::size_t place, bool noise) : in_process(with), at(place), on(noise) {}
    void all_gather(gc::view<const std::byte, space> mine, gc::view<std::byte, space> all) const
    {
        in_process::all_gather(mine, all);
        if (on) all.data()[mine.size() + at] ^= std::byte{0x10};
    }
};

/// Three steps on three ranks; x of rank 0 afterwards.
template <class MakeReducer> std::vector<float> trained(const MakeReducer& make)
{
    std::vector<float> result;
    gc::comm::run_ranks(3, [&](gc::comm::in_process communicator) {
        std::vector<float> x(model.total(), 1), g(model.total());
        gc::policy_stack stack{.compressor = gc::top_k{.ratio = 4}, .memory = gc::ef<>{}, .reducer = make(communicator), .warn = nullptr};
        auto exchange = stack.attach(model, x);
        for (int step = 0; step < 3; ++step) {
            for (std::size_t i = 0; i < g.size(); ++i) g[i] = static_cast<float>((i * 7 + static_cast<std::size_t>(communicator.rank() + step)) % 11) - 5;
            exchange.step(g, 0.1);
        }
        if (communicator.rank() == 0) result = x;
    });
    return result;
}

/// What rank 0 hears after byte `at` of what rank 1 sent was changed; "fine" when nothing was noticed.
std::string heard(std::size_t at, bool noise = true)
{
    std::string text = "fine";
    gc::comm::in_process_group group(2);
    std::vector<std::thread> ranks;
    for (int rank = 0; rank < 2; ++rank)
        ranks.emplace_back([&, rank] {
            std::vector<float> x(model.total()), g(model.total(), 1);
            gc::policy_stack stack{.compressor = gc::identity{}, .reducer = gc::framed{gc::all_gather{noisy(gc::comm::in_process(group, rank), at, noise)}, 7u}, .warn = nullptr};
            try {
                auto exchange = stack.attach(model, x);
                exchange.step(g, 0.5);
            } catch (const gc::error& e) {
                if (rank == 0) text = std::string(gc::name_of(e.code())) + " " + e.field();
                return;
            }
        });
    for (std::thread& one : ranks) one.join();
    return text;
}

} // namespace

TEST_CASE("with frames the result is the same, bit for bit, with all_gather and through a root")
{
    const auto plain = trained([](gc::comm::in_process c) { return gc::all_gather{c}; });
    CHECK(trained([](gc::comm::in_process c) { return gc::framed{gc::all_gather{c}}; }) == plain);
    CHECK(trained([](gc::comm::in_process c) { return gc::framed{gc::gather_to_root{c}, 3u}; }) == trained([](gc::comm::in_process c) { return gc::gather_to_root{c}; }));
}

TEST_CASE("a byte that changed on its way is refused, wherever it is, naming the sender and the field")
{
    CHECK(heard(0, false) == "fine");
    const std::size_t frame = 16 + 8, payload = 16 + 48; // behind the header of gathered messages, and padding
    CHECK(heard(frame) == "bad_message frame of rank 1: magic");
    CHECK(heard(frame + 4) == "bad_message frame of rank 1: version");
    CHECK(heard(frame + 8) == "bad_message frame of rank 1: header_crc");
    for (std::size_t at = 0; at < 4 * model.total(); at += 13) CHECK(heard(payload + at) == "bad_message frame of rank 1: payload_crc");
}

TEST_CASE("ranks of another kind or another model are refused, and the time that frames take is counted")
{
    gc::comm::run_ranks(2, [](gc::comm::in_process c) {
        std::vector<float> x(model.total()), g(model.total(), 1);
        const auto attach = [&](std::uint32_t kind) {
            return gc::policy_stack{.compressor = gc::identity{}, .reducer = gc::framed{gc::all_gather{c}, kind}, .warn = nullptr}.attach(model, x);
        };
        auto exchange = attach(4);
        CHECK(exchange.reduction().frame_seconds() == 0);
        exchange.step(g, 0.5);
        CHECK(exchange.header_bytes() == 16 + 48 + (16 - exchange.message_bytes() % 16) % 16);
        CHECK(x[0] == -0.5f);
        for (int step = 0; step < 1000; ++step) exchange.step(g, 0.5); // on a coarse clock most of them take no time
        CHECK(exchange.reduction().frame_seconds() > 0);
    });
    std::string text;
    gc::comm::in_process_group group(2);
    std::vector<std::thread> ranks;
    for (int rank = 0; rank < 2; ++rank)
        ranks.emplace_back([&, rank] {
            std::vector<float> x(model.total()), g(model.total(), 1);
            try {
                gc::policy_stack{.compressor = gc::identity{}, .reducer = gc::framed{gc::all_gather{gc::comm::in_process(group, rank)}, 5u + static_cast<unsigned>(rank)}, .warn = nullptr}
                    .attach(model, x)
                    .step(g, 0.5);
            } catch (const gc::error& e) {
                if (rank == 0) text = e.field() + " = " + e.value();
            }
        });
    for (std::thread& one : ranks) one.join();
    CHECK(text == "frame of rank 1: kind = 6");
}

TEST_CASE("ranks whose compressors differ in type or options refuse each other, though their messages have the same size, unless they are told one kind")
{
    const auto said = [](const auto& mine, const auto& other, std::optional<std::uint32_t> kind = {}) {
        std::string text = "fine";
        gc::comm::in_process_group group(2);
        const auto run = [&](int rank, const auto& compressor) {
            std::vector<float> x(model.total()), g(model.total(), 1);
            try {
                gc::policy_stack{.compressor = compressor, .memory = gc::ef{}, .reducer = gc::framed{gc::all_gather{gc::comm::in_process(group, rank)}, kind}, .warn = nullptr}
                    .attach(model, x)
                    .step(g, 0.5);
            } catch (const gc::error& e) {
                if (rank == 0) text = e.field();
            }
        };
        std::thread first([&] { run(0, mine); }), second([&] { run(1, other); });
        first.join();
        second.join();
        return text;
    };
    CHECK(said(gc::top_k{.ratio = 4}, gc::top_k{.ratio = 4}) == "fine");
    CHECK(said(gc::top_k{.ratio = 4}, gc::adaptive_random{.ratio = 4}) == "frame of rank 1: kind");
    CHECK(said(gc::qsgd<>{.bits = 8, .bucket = 512}, gc::qsgd<>{.bits = 8, .bucket = 256}) == "frame of rank 1: kind");
    CHECK(said(gc::top_k{.ratio = 4}, gc::adaptive_random{.ratio = 4}, 5u) == "fine");
}

TEST_CASE("the frames of a reset belong to the same model and to the reset's compressor")
{
    std::string text = "fine";
    gc::comm::in_process_group group(2);
    std::vector<std::thread> ranks;
    for (int rank = 0; rank < 2; ++rank)
        ranks.emplace_back([&, rank] {
            std::vector<float> x(model.total()), g(model.total(), 1);
            const gc::cser memory{.reset = gc::random_block{.ratio = 4, .block = rank == 0 ? 0u : 1u}};
            try {
                gc::policy_stack{.compressor = gc::top_k{.ratio = 4}, .memory = memory, .reducer = gc::framed{gc::all_gather{gc::comm::in_process(group, rank)}},
                    .local = gc::momentum{.beta = 0}, .warn = nullptr}
                    .attach(model, x)
                    .step(g, 0.5);
            } catch (const gc::error& e) {
                if (rank == 0) text = e.field();
            }
        });
    for (std::thread& one : ranks) one.join();
    CHECK(text == "frame of rank 1: kind");
}
