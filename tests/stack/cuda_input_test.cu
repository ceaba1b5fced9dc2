// What goes into a step on the GPU: loss scales, gradients tensor by tensor; what the guard sees of it; and attach() on a device without memory.
#include "cuda_compare.cuh"

#include <cmath>
#include <cstdlib>
#include <limits>
#include <span>

using namespace cuda_stack;

// Every cudaMalloc of this program comes here (the linker's --wrap).
namespace {
int until_failure = -1, taken = 0, live = 0;
}
extern "C" {
cudaError_t __real_cudaMalloc(void** memory, std::size_t bytes);
cudaError_t __real_cudaFree(void* memory);
cudaError_t __wrap_cudaMalloc(void** memory, std::size_t bytes)
{
    if (until_failure == 0) return cudaErrorMemoryAllocation;
    if (until_failure > 0) --until_failure;
    const cudaError_t status = __real_cudaMalloc(memory, bytes);
    if (status == cudaSuccess) ++taken, ++live;
    return status;
}
cudaError_t __wrap_cudaFree(void* memory)
{
    live -= memory != nullptr;
    return __real_cudaFree(memory);
}
}

namespace {

template <class Gradient> struct run_on_gpu {
    own_stream stream;
    gc::exec::device_buffer<float> x{toy::size};
    gc::exec::device_buffer<Gradient> gradient{toy::size};
    gc::device_view<const Gradient> view() const { return {gradient.data(), gradient.size()}; }
    template <class Compressor, class Memory> auto attach(const Compressor& compressor, const Memory& memory)
    {
        const auto start = toy::start<float>();
        x.fill_from(start.data(), start.size());
        gc::policy_stack stack{.compressor = compressor, .memory = memory, .reducer = gc::all_gather{gc::comm::alone(stream.handle)}, .executor = gc::exec::cuda{stream.handle}};
        return stack.attach(toy::tensors, gc::device_view<float>(x.data(), x.size()));
    }
};

} // namespace

TEST_CASE("a loss scale that is a power of two leaves every bit, set by the host or read from the device")
{
    std::vector<float> results[3];
    for (int way = 0; way < 3; ++way) {
        run_on_gpu<float> gpu;
        auto run = gpu.attach(gc::random_block{.ratio = 4, .block = 16}, gc::def<>{});
        gc::exec::device_buffer<float> scale(1);
        const float by = way == 0 ? 1.0f : 1024.0f;
        scale.fill_from(&by, 1);
        if (way == 1) run.set_loss_scale(by);
        if (way == 2) run.set_loss_scale(gc::device_view<const float>(scale.data(), 1));
        for (std::uint64_t step = 0; step < 5; ++step) {
            auto g = toy::gradient<float>(read<float>(run.gradient_point()), 0, step);
            for (float& v : g) v *= by;
            gpu.gradient.fill_from(g.data(), g.size());
            run.step(gpu.view(), 0.1);
            run.wait();
        }
        results[way] = read<float>(run.parameters());
    }
    CHECK(results[1] == results[0]);
    CHECK(results[2] == results[0]);
}

TEST_CASE("a scaled half gradient that overflowed skips the step, and the next one counts")
{
    run_on_gpu<__half> gpu;
    auto run = gpu.attach(gc::identity{}, gc::none<>{});
    run.set_loss_scale(65536);
    std::vector<__half> g(toy::size, __half(1.0f));
    g[3] = __half(std::numeric_limits<float>::infinity());
    gpu.gradient.fill_from(g.data(), g.size());
    run.step(gpu.view(), 0.5);
    const auto error = toy::error_of([&] { run.wait(); });
    REQUIRE(error);
    CHECK(error->code() == gc::error_code::non_finite);
    const auto start = toy::start<float>();
    CHECK(read<float>(run.parameters()) == start);
    run.set_loss_scale(2);
    g[3] = __half(1.0f);
    gpu.gradient.fill_from(g.data(), g.size());
    run.step(gpu.view(), 0.5);
    run.wait();
    const auto x = read<float>(run.parameters());
    for (std::size_t i = 0; i < x.size(); ++i) CHECK(x[i] == std::fma(-0.5f, 0.5f, start[i]));
    for (const double wrong : {0.0, -1.0, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN(), 1e-45}) {
        const auto refused = toy::error_of([&] { run.set_loss_scale(wrong); });
        REQUIRE(refused);
        CHECK(refused->field() == "loss_scale");
    }
}

TEST_CASE("gradients that lie tensor by tensor, off the grid of packs, give the bits of packed ones, top-k's reading again included")
{
    const auto compare_both = [](const auto& compressor, const auto& memory) {
        run_on_gpu<float> packed, apart;
        auto one = packed.attach(compressor, memory);
        auto two = apart.attach(compressor, memory);
        gc::exec::device_buffer<float> space(2 * toy::size);
        for (std::uint64_t step = 0; step < 4; ++step) {
            const auto g = toy::gradient<float>(read<float>(one.gradient_point()), 0, step);
            packed.gradient.fill_from(g.data(), g.size());
            std::vector<gc::device_view<const float>> views;
            std::vector<float> spread(2 * toy::size, 99.0f);
            for (std::size_t t = 0; t < toy::tensors.count(); ++t) {
                const std::size_t at = 2 * toy::tensors.offset(t) + 2 * t + 1, n = toy::tensors.size(t);
                std::copy_n(g.begin() + static_cast<std::ptrdiff_t>(toy::tensors.offset(t)), n, spread.begin() + static_cast<std::ptrdiff_t>(at));
                views.push_back({space.data() + at, n});
            }
            space.fill_from(spread.data(), spread.size());
            one.step(packed.view(), 0.1);
            two.set_learning_rate(0.1);
            two.step(std::span<const gc::device_view<const float>>(views));
            one.wait();
            two.wait();
        }
        return read<float>(one.error()) == read<float>(two.error());
    };
    CHECK(compare_both(gc::top_k{.ratio = 10}, gc::ef<>{}));
    CHECK(compare_both(gc::qsgd<>{.bits = 4}, gc::ef<>{}));
    run_on_gpu<float> gpu;
    auto run = gpu.attach(gc::identity{}, gc::none<>{});
    std::vector<gc::device_view<const float>> views(toy::tensors.count(), gpu.view());
    const auto error = toy::error_of([&] { run.step(std::span<const gc::device_view<const float>>(views)); });
    REQUIRE(error);
    CHECK(error->code() == gc::error_code::size_changed);
    CHECK(error->tensor() == "matrix");
}

TEST_CASE("the guard on the device calls a growing direction diverging, and a steady one not")
{
    for (const bool grows : {false, true}) {
        run_on_gpu<float> gpu;
        auto run = gpu.attach(gc::random_block{.ratio = 4, .block = 16}, gc::ef<>{});
        for (int step = 0; step < 200; ++step) {
            const std::vector<float> g(toy::size, grows ? std::pow(1.1f, static_cast<float>(step)) : 1.0f);
            gpu.gradient.fill_from(g.data(), g.size());
            run.step(gpu.view(), 0.01);
            run.wait();
        }
        const auto health = run.health();
        CHECK(health.diverging == grows);
        CHECK(health.text.empty() != grows);
        CHECK(health.update_norm > 0);
        CHECK(health.error_norm > 0);
    }
}

namespace {

/// Lets each allocation of attach() fail in turn: the error is named, nothing is kept, the parameters are as they were, and the next attach() works.
template <class Compressor, class Memory, class Server, class ReducerOf> void survives_failures(const Compressor& compressor, const Memory& memory, const Server& server, const ReducerOf& reducer_of)
{
    own_stream stream;
    gc::exec::device_buffer<float> x(toy::size);
    const auto start = toy::start<float>();
    x.fill_from(start.data(), start.size());
    const gc::policy_stack stack{.compressor = compressor, .memory = memory, .reducer = reducer_of(gc::comm::alone(stream.handle)), .server = server, .executor = gc::exec::cuda{stream.handle}};
    const auto attach = [&] { return stack.attach(toy::tensors, gc::device_view<float>(x.data(), x.size())); };
    const int before = live;
    until_failure = -1;
    taken = 0;
    { auto run = attach(); }
    const int allocations = taken;
    CHECK(allocations > 5);
    CHECK(live == before);
    const int stride = std::getenv("GRADCOMP_UNDER_SANITIZER") != nullptr ? 7 : 1; // each allocation takes long there
    for (int n = 0; n < allocations; n += stride) {
        CAPTURE(n);
        until_failure = n;
        const auto error = toy::error_of([&] { attach(); });
        until_failure = -1;
        REQUIRE(error);
        CHECK(error->code() == gc::error_code::out_of_memory);
        CHECK(live == before);
        CHECK(read<float>({x.data(), x.size()}) == start);
    }
    auto run = attach();
    CHECK_NOTHROW(run.wait());
}

} // namespace

TEST_CASE("attach() reports the failure of any of its allocations, frees what it took, leaves the parameters, and works the next time: choices, quantizers, factors, and every reducer")
{
    const auto gathered = [](auto c) { return gc::all_gather{c}; };
    const auto summed = [](auto c) { return gc::ring{c}; };
    const auto rooted = [](auto c) { return gc::gather_to_root{c}; };
    survives_failures(gc::top_k{.ratio = 10}, gc::def<gc::staged>{}, gc::descent{}, gathered);
    survives_failures(gc::random_block{.ratio = 4}, gc::def<>{}, gc::server_momentum{.beta = 0.5}, summed);
    survives_failures(gc::top_k{.ratio = 10}, gc::ef<>{}, gc::amsgrad{}, rooted);
    survives_failures(gc::low_rank{.rank = 2}, gc::ef<>{}, gc::descent{}, summed);
    survives_failures(gc::qsgd<>{}, gc::saef<>{.averaging_period = 3}, gc::descent{}, gathered);
}
