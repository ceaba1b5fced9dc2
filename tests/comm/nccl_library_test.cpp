/// @file The real libnccl and CUDA runtime: the clean error without a GPU, a group of one rank with one.
#include <gradcomp/nccl.hpp>

#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

namespace gc = gradcomp;
using gc::comm::nccl;
using gc::comm::nccl_session;

namespace {

bool has_device()
{
    int count = 0;
    const bool found = cudaGetDeviceCount(&count) == cudaSuccess && count > 0;
    static_cast<void>(cudaGetLastError()); // the question is no failure of the program
    return found;
}

ncclUniqueId no_id() { return {}; }

} // namespace

TEST_CASE("the library that was linked is the one that the headers are of, and new enough")
{
    int version = 0;
    CHECK(ncclGetVersion(&version) == ncclSuccess);
    CHECK(version / 100 == NCCL_VERSION_CODE / 100);
    CHECK_NOTHROW(gc::comm::check_nccl_version(0));
}

TEST_CASE("without a GPU a session is a clean error that names rank and cause")
{
    if (has_device()) {
        std::puts("not run: the error without a GPU (there is one)");
        return;
    }
    try {
        nccl_session session(no_id(), 3, 4);
        FAIL("a session without a GPU");
    } catch (const gc::error& e) {
        CHECK(e.code() == gc::error_code::device);
        CHECK(e.field() == "CUDA device");
        CHECK(e.rank() == 3);
        CHECK(std::string(e.what()).find("needs an NVIDIA GPU and its driver") != std::string::npos);
    }
    // Over a bootstrap as well, and before rank 0 listens or writes anything.
    CHECK_THROWS_AS(nccl_session(gc::comm::tcp_bootstrap{.port = "1"}, 0, 2), gc::error);
}

TEST_CASE("a group of one rank on a GPU sums, gathers, waits and ends")
{
    if (!has_device()) {
        std::puts("not run: NCCL with one rank (no GPU)");
        return;
    }
    cudaStream_t stream{};
    REQUIRE(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == cudaSuccess);
    ncclUniqueId id;
    REQUIRE(ncclGetUniqueId(&id) == ncclSuccess);
    nccl_session session(id, 0, 1, {.stream = stream});
    const nccl communicator(session);
    std::vector<float> values(1000, 2.5f), back(1000);
    const gc::comm::device_block in(4000, 0), out(4000, 0);
    REQUIRE(cudaMemcpy(in.data(), values.data(), 4000, cudaMemcpyHostToDevice) == cudaSuccess);
    REQUIRE(cudaStreamSynchronize(nullptr) == cudaSuccess); // the copy may return early, and the session's stream does not wait for it
    communicator.all_reduce<float>({reinterpret_cast<float*>(in.data()), 1000}, gc::device_view<float>{reinterpret_cast<float*>(out.data()), 1000});
    communicator.wait();
    REQUIRE(cudaMemcpy(back.data(), out.data(), 4000, cudaMemcpyDeviceToHost) == cudaSuccess);
    CHECK(back == values);
    communicator.all_gather({in.data(), 400}, {out.data(), 400});
    communicator.gather({in.data(), 400}, {out.data(), 400}, 0);
    communicator.broadcast({out.data(), 400}, 0);
    communicator.all_to_all({in.data(), 400}, {out.data() + 400, 400});
    gc::comm::write_small(communicator, out.data(), 42u);
    CHECK(gc::comm::read_one<unsigned>(communicator, out.data()) == 42u);
    communicator.barrier();
    session.close();
    CHECK(session.state() == gc::comm::nccl_state::closed);
    static_cast<void>(cudaStreamDestroy(stream));
}

TEST_CASE("two ranks share one GPU where NCCL can do that")
{
    int version = 0;
    if (!has_device() || ncclGetVersion(&version) != ncclSuccess || version < NCCL_VERSION(2, 30, 0)) {
        std::printf("not run: two ranks of NCCL on one GPU (%s)\n", has_device() ? "NCCL before 2.30 does not allow it" : "no GPU");
        return;
    }
    setenv("NCCL_MULTI_RANK_GPU_ENABLE", "1", 1);
    ncclUniqueId id;
    REQUIRE(ncclGetUniqueId(&id) == ncclSuccess);
    std::vector<std::string> problems(2);
    std::vector<std::vector<float>> sums(2, std::vector<float>(1000));
    const auto body = [&](int rank) {
        try {
            cudaStream_t stream{};
            gc::comm::check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags", rank);
            nccl_session session(id, rank, 2, {.stream = stream});
            const nccl communicator(session);
            const std::vector<float> mine(1000, static_cast<float>(rank + 1));
            const gc::comm::device_block x(4000, rank);
            gc::comm::check_cuda(cudaMemcpyAsync(x.data(), mine.data(), 4000, cudaMemcpyHostToDevice, stream), "cudaMemcpyAsync", rank);
            const gc::device_view<float> all(reinterpret_cast<float*>(x.data()), 1000);
            communicator.all_reduce<float>(all, all);
            communicator.wait();
            gc::comm::check_cuda(cudaMemcpy(sums[static_cast<std::size_t>(rank)].data(), x.data(), 4000, cudaMemcpyDeviceToHost), "cudaMemcpy", rank);
            session.close();
        } catch (const gc::error& e) {
            problems[static_cast<std::size_t>(rank)] = e.what();
        }
    };
    std::thread other(body, 1);
    body(0);
    other.join();
    for (const std::string& problem : problems) CHECK(problem == "");
    for (const auto& sum : sums) CHECK(sum == std::vector<float>(1000, 3.0f));
}
