// The messages of all ranks, taken tile by tile and rank after rank as a launch takes them: every index once, and sums in the order of ranks.
#include "cuda_threads.hpp"

#include "conformance/indices.hpp"

#include <gradcomp/exec/cuda/index_forms.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

namespace gc = gradcomp;
using cuda_threads::thread_block;

namespace {

/// `count` ascending indices below `size`, a third of them among the first elements.
std::vector<std::size_t> some_of(std::size_t size, std::size_t count, std::uint64_t seed)
{
    std::mt19937_64 random(seed);
    std::vector<std::size_t> all;
    while (all.size() < count) {
        const std::size_t range = all.size() % 3 == 0 ? std::min<std::size_t>(size, 4 * count) : size;
        all.push_back(random() % range);
        if (all.size() < count) continue;
        std::sort(all.begin(), all.end());
        all.erase(std::unique(all.begin(), all.end()), all.end());
    }
    return all;
}

/// One rank's indices on the wire, and where its tiles begin.
struct sent {
    std::vector<std::size_t> plain;
    std::vector<std::uint32_t> wire, starts;
    const std::byte* bytes() const { return reinterpret_cast<const std::byte*>(wire.data()); }
};
sent message_of(const gc::index_form& form, std::size_t count, std::uint64_t seed)
{
    sent one{some_of(form.size, count, seed), {}, std::vector<std::uint32_t>(form.tiles)};
    one.wire = conformance::written_indices(form, {one.plain.begin(), one.plain.end()});
    cuda_threads::run<thread_block>([&](const thread_block& block) {
        if (form.tiles > 0) gc::exec::sum_counts(block, one.wire.data(), form.tiles, count, one.starts.data());
    });
    return one;
}

} // namespace

TEST_CASE("tiles share a message's indices out without leaving or repeating one, in every form, full or with room")
{
    const std::vector<gc::index_form> forms{gc::index_form_of(50, 7), gc::index_form_of(65536, 300), gc::index_form_of(300000, 2000), gc::index_form_of(300000, 5), gc::index_form_of(65537, 3),
        gc::index_form{300000, 77, 0, 8}, gc::index_form_of(1, 1)};
    for (const gc::index_form& form : forms)
        for (const std::size_t count : {form.kept, form.kept / 2, std::size_t{0}}) {
            CAPTURE(form.size);
            CAPTURE(count);
            const sent one = message_of(form, count, form.size + count);
            std::vector<std::size_t> seen;
            std::size_t next = 0;
            for (std::size_t tile = 0; tile * gc::index_tile < form.size; ++tile) {
                const auto span = gc::exec::indices_in_tile(form, one.starts.data(), count, one.bytes(), tile);
                CHECK(span.begin == next);
                next = span.end;
                for (std::size_t j = span.begin; j < span.end; ++j) {
                    seen.push_back(gc::exec::index_in_tile(form, one.bytes(), tile, j));
                    CHECK(seen.back() / gc::index_tile == tile);
                }
            }
            CHECK(next == count);
            CHECK(seen == one.plain);
        }
}

TEST_CASE("an element that several ranks name has the sum in their order, to the bit")
{
    const gc::index_form form = gc::index_form_of(200000, 20000);
    std::vector<sent> ranks;
    for (std::uint64_t r = 0; r < 5; ++r) ranks.push_back(message_of(form, form.kept, r));
    const auto value = [](std::size_t rank, std::size_t j) { return static_cast<float>(rank + 1) * 1.1f + static_cast<float>(j) * 1e-4f; };
    std::vector<float> one_by_one(form.size, 0.3f), together(form.size, 0.3f);
    std::size_t shared = 0;
    std::vector<int> named(form.size);
    for (std::size_t r = 0; r < ranks.size(); ++r)
        for (std::size_t j = 0; j < form.kept; ++j) {
            one_by_one[ranks[r].plain[j]] += value(r, j);
            shared += named[ranks[r].plain[j]]++ == 1;
        }
    for (std::size_t tile = (form.size - 1) / gc::index_tile + 1; tile-- > 0;) // blocks of threads come in any order
        for (std::size_t r = 0; r < ranks.size(); ++r) {
            const auto span = gc::exec::indices_in_tile(form, ranks[r].starts.data(), form.kept, ranks[r].bytes(), tile);
            for (std::size_t j = span.end; j-- > span.begin;) together[gc::exec::index_in_tile(form, ranks[r].bytes(), tile, j)] += value(r, j); // and threads
        }
    CHECK(shared > 1000);
    CHECK(together == one_by_one);
}
