/// @file Ranks that share a real GPU against the same ranks on the host: the same bits. Prints "not run" where there is no GPU.
#include <gradcomp/comm/device_sum.cuh>

#include <doctest/doctest.h>

#include <cstdio>
#include <cstring>
#include <vector>

namespace gc = gradcomp;
using gc::comm::in_process;
using on_device = gc::comm::in_process_device<gc::comm::device_sum>;

namespace {

bool has_device()
{
    int count = 0;
    const bool found = cudaGetDeviceCount(&count) == cudaSuccess && count > 0;
    static_cast<void>(cudaGetLastError());
    if (!found) std::puts("not run: ranks that share a GPU (no GPU)");
    return found;
}

/// Values whose sums depend on the order of addition.
template <class T> std::vector<T> uneven(std::size_t count, int rank)
{
    std::vector<T> out(count);
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint64_t bits = gc::comm::mix(gc::comm::mix(i) + static_cast<std::uint64_t>(rank));
        out[i] = static_cast<T>((static_cast<double>(bits >> 11) * 0x1p-53 - 0.5) * static_cast<double>(1u << (bits % 24)));
    }
    return out;
}

/// The default stream does not order what the ranks' streams do, and its copies may return early.
void settle(int rank) { gc::comm::check_cuda(cudaStreamSynchronize(nullptr), "cudaStreamSynchronize", rank); }

template <class T> std::vector<T> back_from(const on_device& communicator, const gc::comm::device_block& block, std::size_t count)
{
    communicator.wait();
    std::vector<T> out(count);
    gc::comm::check_cuda(cudaMemcpy(out.data(), block.data(), count * sizeof(T), cudaMemcpyDeviceToHost), "cudaMemcpy", communicator.rank());
    return out;
}

} // namespace

TEST_CASE_TEMPLATE("all_reduce on one GPU has the bits of in_process on 1 to 8 ranks, step after step without waiting", T, float, double)
{
    if (!has_device()) return;
    for (int ranks = 1; ranks <= 8; ++ranks)
        for (const std::size_t count : {std::size_t{1}, std::size_t{1025}, std::size_t{1} << 20}) {
            std::vector<T> expected(count);
            gc::comm::run_ranks(ranks, [&](in_process host) {
                std::vector<T> x = uneven<T>(count, host.rank());
                for (int step = 0; step < 3; ++step) host.all_reduce(gc::host_view<const T>(x), gc::host_view<T>(x));
                if (host.rank() == 0) expected = x;
            });
            std::vector<int> wrong(static_cast<std::size_t>(ranks));
            gc::comm::run_ranks_on_device<gc::comm::device_sum>(ranks, [&](on_device communicator) {
                const gc::comm::device_block block(count * sizeof(T), communicator.rank());
                const std::vector<T> start = uneven<T>(count, communicator.rank());
                gc::comm::check_cuda(cudaMemcpy(block.data(), start.data(), count * sizeof(T), cudaMemcpyHostToDevice), "cudaMemcpy", communicator.rank());
                settle(communicator.rank());
                const gc::device_view<T> x(reinterpret_cast<T*>(block.data()), count);
                for (int step = 0; step < 3; ++step) communicator.template all_reduce<T>(x, x);
                wrong[static_cast<std::size_t>(communicator.rank())] =
                    std::memcmp(back_from<T>(communicator, block, count).data(), expected.data(), count * sizeof(T)) != 0;
            });
            CHECK(wrong == std::vector<int>(static_cast<std::size_t>(ranks), 0));
        }
}

TEST_CASE("all_gather on one GPU moves every byte to its place, and a killed rank is named to the others")
{
    if (!has_device()) return;
    constexpr int ranks = 4;
    std::vector<int> wrong(ranks);
    gc::comm::run_ranks_on_device<gc::comm::device_sum>(ranks,
        [&](on_device communicator) {
            const auto rank = static_cast<std::size_t>(communicator.rank());
            const gc::comm::device_block mine(1000, communicator.rank()), all(1000 * ranks, communicator.rank());
            gc::comm::check_cuda(cudaMemset(mine.data(), static_cast<int>(rank) + 1, 1000), "cudaMemset", communicator.rank());
            settle(communicator.rank());
            communicator.all_gather({mine.data(), 1000}, {all.data(), 1000 * ranks});
            const std::vector<char> found = back_from<char>(communicator, all, 1000 * ranks);
            for (std::size_t i = 0; i < found.size(); ++i) wrong[rank] += found[i] != static_cast<char>(i / 1000 + 1);
            try {
                communicator.barrier();
            } catch (const gc::error& e) {
                wrong[rank] += e.code() != gc::error_code::peer_lost || e.value() != "3";
            }
        },
        {.faults = {.kill_rank = 3, .kill_at_call = 1}});
    CHECK(wrong == std::vector<int>(ranks, 0));
}
