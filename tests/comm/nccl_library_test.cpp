/// @file The real libnccl and CUDA runtime: the clean error without a GPU, a group of one rank with one.
#include <gradcomp/nccl.hpp>

#include <doctest/doctest.h>

#include <cstdio>
#include <string>
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
