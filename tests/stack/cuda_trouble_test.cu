// What goes wrong on a device: poisoned buffers, wrong pointers, errors of others, peers that do not come; and graphs of every kind of selection.
#include <gradcomp/comm/device_sum.cuh>
#include <gradcomp/cuda.cuh>

#include "cuda_compare.cuh"

#include <doctest/doctest.h>

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

using namespace cuda_stack;
using namespace std::chrono_literals;

namespace {

/// Keeps a stream busy until it is released, as a peer does that never comes. The flag lives as long as somebody looks at it.
class stopper {
    using flag = std::shared_ptr<std::atomic<bool>>;

public:
    explicit stopper(cudaStream_t stream) { REQUIRE(cudaLaunchHostFunc(stream, wait, new flag(released_)) == cudaSuccess); }
    ~stopper() { release(); }
    void release() { *released_ = true; }

private:
    static void wait(void* of)
    {
        const std::unique_ptr<flag> released(static_cast<flag*>(of));
        const auto end = std::chrono::steady_clock::now() + 60s;
        while (!**released && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(1ms);
    }
    flag released_ = std::make_shared<std::atomic<bool>>(false);
};

template <class Compressor, class Memory> auto stack_on(cudaStream_t stream, const Compressor& compressor, const Memory& memory)
{
    return gc::policy_stack{.compressor = compressor, .memory = memory, .reducer = gc::all_gather{gc::comm::alone(stream)}, .local = gc::momentum{}, .executor = gc::exec::cuda{stream}};
}

/// Under compute-sanitizer each launch takes milliseconds; a few steps show it as much as many.
const int many_steps = std::getenv("GRADCOMP_UNDER_SANITIZER") != nullptr ? 20 : 1000;

/// Parameters and memory after that many steps of a constant gradient, enqueued one by one or as replays of `captured` captured steps.
template <class Compressor, class Memory> std::vector<float> after_many(const Compressor& compressor, const Memory& memory, int captured)
{
    own_stream stream;
    const auto gpu = stack_on(stream.handle, compressor, memory);
    const std::vector<float> x = toy::start<float>(), g = toy::gradient<float>(x, 0, 0);
    gc::exec::device_buffer<float> dx(toy::size), dg(toy::size);
    dx.fill_from(x.data(), x.size());
    dg.fill_from(g.data(), g.size());
    auto device = gpu.attach(toy::tensors, gc::device_view<float>(dx.data(), dx.size()));
    const gc::device_view<const float> gradient(dg.data(), dg.size());
    device.set_learning_rate(0.01);
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t ready = nullptr;
    if (captured > 0) {
        REQUIRE(cudaStreamBeginCapture(stream.handle, cudaStreamCaptureModeGlobal) == cudaSuccess);
        for (int i = 0; i < captured; ++i) device.step(gradient);
        REQUIRE(cudaStreamEndCapture(stream.handle, &graph) == cudaSuccess);
        REQUIRE(cudaGraphInstantiate(&ready, graph, 0) == cudaSuccess);
    }
    for (int i = 0; i < many_steps; i += std::max(captured, 1)) {
        if (captured > 0) REQUIRE(cudaGraphLaunch(ready, stream.handle) == cudaSuccess);
        else device.step(gradient);
    }
    device.wait();
    if (captured > 0) cudaGraphExecDestroy(ready), cudaGraphDestroy(graph);
    std::vector<float> all = read(device.parameters());
    const std::vector<float> e = read(device.error());
    all.insert(all.end(), e.begin(), e.end());
    return all;
}

template <class Compressor, class Memory> void replay(const Compressor& compressor, const Memory& memory, int captured)
{
    const std::vector<float> eager = after_many(compressor, memory, 0);
    CHECK(toy::same_bits<float>(eager, after_many(compressor, memory, captured)));
    CHECK_FALSE(toy::same_bits<float>(std::span(eager).first(toy::size), toy::start<float>())); // something moved
}

} // namespace

TEST_CASE("1000 captured steps equal 1000 eager ones for exact selections, random coordinates, dense messages and staged memory")
{
    replay(gc::top_k{.ratio = 10}, gc::ef<>{}, 1);
    replay(gc::rand_k<gc::indices::own, gc::scaling::none>{.ratio = 5}, gc::ef<>{}, 1);
    replay(gc::identity{}, gc::none<>{}, 4);
    replay(gc::low_rank{.rank = 2}, gc::ef<>{}, 1);
    replay(gc::random_block{.ratio = 8, .block = 16}, gc::def<gc::staged>{}, 2); // staged: an even number
}

TEST_CASE("each step reads its gradient when the user's stream comes to it: before and after, the buffer holds NaN")
{
    const std::vector<float> x = toy::start<float>(), g = toy::gradient<float>(x, 0, 0);
    const auto run = [&](bool poisoned) {
        own_stream stream;
        const auto gpu = stack_on(stream.handle, gc::random_block{.ratio = 4, .block = 16}, gc::def<>{});
        gc::exec::device_buffer<float> dx(toy::size), dg(toy::size), clean(toy::size), slow(std::size_t{1} << 24);
        clean.fill_from(g.data(), g.size());
        dx.fill_from(x.data(), x.size());
        dg.fill_from(g.data(), g.size());
        auto device = gpu.attach(toy::tensors, gc::device_view<float>(dx.data(), dx.size()));
        for (int step = 0; step < 20; ++step) {
            if (poisoned) {
                REQUIRE(cudaMemsetAsync(dg.data(), 0xff, dg.size_bytes(), stream.handle) == cudaSuccess);     // NaN: whoever reads it has its step rejected
                REQUIRE(cudaMemsetAsync(slow.data(), step, slow.size_bytes(), stream.handle) == cudaSuccess); // work that takes a while
                REQUIRE(cudaMemcpyAsync(dg.data(), clean.data(), dg.size_bytes(), cudaMemcpyDeviceToDevice, stream.handle) == cudaSuccess);
            }
            device.step(gc::device_view<const float>(dg.data(), dg.size()), 0.05);
            if (poisoned) REQUIRE(cudaMemsetAsync(dg.data(), 0xff, dg.size_bytes(), stream.handle) == cudaSuccess);
        }
        device.wait();
        CHECK(device.bad_elements() == 0);
        return read(device.parameters());
    };
    CHECK(toy::same_bits<float>(run(true), run(false)));
}

TEST_CASE("host pointers are refused by name, for parameters and for gradients, and managed memory is taken")
{
    own_stream stream;
    const auto gpu = stack_on(stream.handle, gc::identity{}, gc::none<>{});
    gc::exec::device_buffer<float> dx(toy::size);
    auto device = gpu.attach(toy::tensors, gc::device_view<float>(dx.data(), dx.size()));
    std::vector<float> host(toy::size, 1.0f);
    float *pinned = nullptr, *managed = nullptr;
    REQUIRE(cudaMallocHost(&pinned, toy::size * sizeof(float)) == cudaSuccess);
    REQUIRE(cudaMallocManaged(&managed, toy::size * sizeof(float)) == cudaSuccess);
    for (float* const wrong : {host.data(), pinned}) {
        const auto at_attach = toy::error_of([&] { gpu.attach(toy::tensors, gc::device_view<float>(wrong, toy::size)); });
        REQUIRE(at_attach);
        CHECK(at_attach->code() == gc::error_code::wrong_memory_space);
        CHECK(at_attach->field() == "parameters");
        const auto at_step = toy::error_of([&] { device.step(gc::device_view<const float>(wrong, toy::size), 0.1); });
        REQUIRE(at_step);
        CHECK(at_step->code() == gc::error_code::wrong_memory_space);
        CHECK(at_step->field() == "gradient");
    }
    CHECK(device.steps() == 0);
    for (std::size_t i = 0; i < toy::size; ++i) managed[i] = 1.0f;
    device.step(gc::device_view<const float>(managed, toy::size), 0.5);
    device.wait();
    CHECK(read(device.parameters()) == std::vector<float>(toy::size, -0.5f));
    cudaFree(managed);
    cudaFreeHost(pinned);
}

TEST_CASE("destinations and loss scales in host memory are refused by name, and so is memory that a step rewrites")
{
    own_stream stream;
    const auto gpu = stack_on(stream.handle, gc::random_block{.ratio = 4, .block = 16}, gc::def<>{});
    gc::exec::device_buffer<float> dx(toy::size), dg(toy::size + 8);
    auto device = gpu.attach(toy::tensors, gc::device_view<float>(dx.data(), dx.size()));
    std::vector<float> host(toy::size);
    const auto refused = [](const auto& f, gc::error_code code, const char* field) {
        const auto found = toy::error_of(f);
        REQUIRE(found);
        CHECK(found->code() == code);
        CHECK(found->field() == field);
    };
    refused([&] { device.evaluate_at(gc::device_view<float>(host.data(), host.size())); }, gc::error_code::wrong_memory_space, "destination");
    refused([&] { device.evaluate_at(gc::device_view<float>(nullptr, toy::size)); }, gc::error_code::invalid_argument, "destination");
    refused([&] { device.evaluate_at(gc::device_view<float>(dx.data(), toy::size - 1)); }, gc::error_code::size_changed, "destination");
    refused([&] { device.evaluate_at(gc::device_view<float>(const_cast<float*>(device.error().data()), toy::size)); }, gc::error_code::overlap, "destination");
    refused([&] { device.set_loss_scale(gc::device_view<const float>(host.data(), 1)); }, gc::error_code::wrong_memory_space, "loss_scale");
    refused([&] { device.set_loss_scale(gc::device_view<const float>(nullptr, 1)); }, gc::error_code::invalid_argument, "loss_scale");
    refused([&] { device.step(gc::device_view<const float>(dx.data(), toy::size), 0.1); }, gc::error_code::overlap, "gradient");
    refused([&] { device.step(device.error(), 0.1); }, gc::error_code::overlap, "gradient");
    CHECK(device.steps() == 0);
    CHECK_NOTHROW(device.evaluate_at(gc::device_view<float>(dx.data(), dx.size()), gc::evaluation_point::parameters)); // the model itself is a place for it
    CHECK_NOTHROW(device.step(gc::device_view<const float>(dg.data() + 1, toy::size), 0.1));
    CHECK_NOTHROW(device.wait());
}

TEST_CASE("an error that a caller left behind is reported as not ours before anything is enqueued, and once it is cleared the same step works")
{
    own_stream stream;
    const auto gpu = stack_on(stream.handle, gc::identity{}, gc::none<>{});
    gc::exec::device_buffer<float> dx(toy::size), dg(toy::size);
    auto device = gpu.attach(toy::tensors, gc::device_view<float>(dx.data(), dx.size()));
    const gc::device_view<const float> gradient(dg.data(), dg.size());
    const auto not_ours = [&](const auto& f) {
        void* nothing = nullptr;
        REQUIRE(cudaMalloc(&nothing, std::size_t{1} << 60) != cudaSuccess);
        const auto found = toy::error_of(f);
        REQUIRE(found);
        CHECK(found->code() == gc::error_code::device);
        CHECK(found->field() == "earlier CUDA call");
        CHECK(cudaGetLastError() == cudaErrorMemoryAllocation); // it is still the caller's
    };
    not_ours([&] { device.set_learning_rate(0.1); });
    not_ours([&] { device.set_loss_scale(2); });
    not_ours([&] { device.step(gradient); });
    not_ours([&] { device.evaluate_at(gc::device_view<float>(dx.data(), dx.size())); });
    not_ours([&] { gpu.attach(toy::tensors, gc::device_view<float>(dx.data(), dx.size())); });
    CHECK(device.steps() == 0);
    CHECK_NOTHROW(device.step(gradient, 0.1));
    CHECK_NOTHROW(device.wait());
    CHECK(device.steps() == 1);
}

TEST_CASE("a wait with a deadline ends while the stream is still at work, and a later one succeeds")
{
    own_stream stream;
    const auto gpu = stack_on(stream.handle, gc::identity{}, gc::none<>{});
    gc::exec::device_buffer<float> dx(toy::size), dg(toy::size);
    auto device = gpu.attach(toy::tensors, gc::device_view<float>(dx.data(), dx.size()));
    stopper stop(stream.handle);
    device.step(gc::device_view<const float>(dg.data(), dg.size()), 0.1);
    const auto late = toy::error_of([&] { device.wait(std::chrono::steady_clock::now() + 30ms); });
    stop.release();
    REQUIRE(late);
    CHECK(late->code() == gc::error_code::peer_timeout);
    CHECK_NOTHROW(device.wait(std::chrono::steady_clock::now() + 60s));
}

TEST_CASE("a peer whose stream never comes ends everybody's wait at the communicator's deadline")
{
    constexpr int ranks = 2;
    std::vector<std::optional<gc::error>> seen(ranks);
    std::atomic<int> over = 0;
    gc::comm::run_ranks_on_device<gc::comm::device_sum>(
        ranks,
        [&](auto communicator) {
            const gc::policy_stack gpu{.compressor = gc::identity{}, .reducer = gc::ring{communicator}, .executor = gc::exec::cuda{communicator.stream()}};
            gc::exec::device_buffer<float> dx(toy::size), dg(toy::size);
            auto device = gpu.attach(toy::tensors, gc::device_view<float>(dx.data(), dx.size()));
            std::optional<stopper> stop;
            if (communicator.rank() == 1) stop.emplace(communicator.stream());
            device.step(gc::device_view<const float>(dg.data(), dg.size()), 0.1);
            seen[static_cast<std::size_t>(communicator.rank())] = toy::error_of([&] { device.wait(); });
            ++over;
            while (over < ranks) std::this_thread::sleep_for(1ms); // the stream stays stopped until both have given up
        },
        {.deadline = 300ms, .faults = {}});
    for (const auto& error : seen) {
        REQUIRE(error);
        CHECK((error->code() == gc::error_code::peer_timeout || error->code() == gc::error_code::poisoned));
    }
    CHECK((seen[0]->code() == gc::error_code::peer_timeout || seen[1]->code() == gc::error_code::peer_timeout));
}

namespace {

__global__ void fail_kernel() { asm("trap;"); }

} // namespace

// A device that has failed for good fails its whole process, so this case runs in a process of its own: the next case starts it.
TEST_CASE("the child: after a failure of somebody else's kernel, attach() says that it was not gradcomp" * doctest::skip())
{
    gc::exec::device_buffer<float> dx(toy::size);
    const auto gpu = stack_on(nullptr, gc::identity{}, gc::none<>{});
    fail_kernel<<<1, 1>>>();
    REQUIRE(cudaDeviceSynchronize() != cudaSuccess);
    const auto error = toy::error_of([&] { gpu.attach(toy::tensors, gc::device_view<float>(dx.data(), dx.size())); });
    REQUIRE(error);
    CHECK(error->code() == gc::error_code::device);
    CHECK(error->field() == "earlier CUDA call");
    CHECK(std::string(error->what()).find("not by it") != std::string::npos);
}

TEST_CASE("an error that stays, of somebody else's kernel, is reported as not ours")
{
    if (std::getenv("GRADCOMP_UNDER_SANITIZER") != nullptr) {
        std::puts("not run: a kernel that fails for good (under compute-sanitizer it would be a finding)");
        return;
    }
    char self[4096] = {};
    REQUIRE(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    const std::string command = "'" + std::string(self) + "' --no-skip --test-case='the child: after a failure*' >/dev/null 2>&1";
    CHECK(std::system(command.c_str()) == 0);
}
