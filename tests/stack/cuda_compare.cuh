/// @file One stack on both executors: the same steps, bit for bit.
#pragma once

#include "toy.hpp"

#include <gradcomp/cuda.cuh>

#include <doctest/doctest.h>

namespace cuda_stack {

namespace gc = gradcomp;

template <class T> std::vector<T> read(gc::device_view<const T> from)
{
    std::vector<T> copy(from.size());
    if (!copy.empty()) REQUIRE(cudaMemcpy(copy.data(), from.data(), from.size_bytes(), cudaMemcpyDeviceToHost) == cudaSuccess);
    return copy;
}

/// The user's stream, non-blocking, so that nothing is ordered by accident.
struct own_stream {
    cudaStream_t handle = nullptr;
    own_stream() { REQUIRE(cudaStreamCreateWithFlags(&handle, cudaStreamNonBlocking) == cudaSuccess); }
    ~own_stream() { cudaStreamDestroy(handle); }
};

template <template <class> class Reducer, class Compressor, class Memory, class Local, class Server>
void compare(const Compressor& compressor, const Memory& memory, const Local& local, const Server& server, std::uint32_t period)
{
    own_stream stream;
    gc::comm::in_process_group group(1);
    gc::policy_stack cpu{.compressor = compressor, .memory = memory, .reducer = Reducer<gc::comm::in_process>{gc::comm::in_process(group, 0)}, .local = local, .server = server,
        .period = period};
    gc::policy_stack gpu{.compressor = compressor, .memory = memory, .reducer = Reducer<gc::comm::alone>{gc::comm::alone(stream.handle)}, .local = local, .server = server,
        .period = period, .executor = gc::exec::cuda{stream.handle}};
    std::vector<float> x = toy::start<float>();
    gc::exec::device_buffer<float> dx(toy::size), dg(toy::size);
    dx.fill_from(x.data(), x.size());
    auto host = cpu.attach(toy::tensors, x);
    auto device = gpu.attach(toy::tensors, gc::device_view<float>(dx.data(), dx.size()));
    for (std::uint64_t step = 0; step < 24; ++step) {
        const auto g = toy::gradient<float>(host.gradient_point(), 0, step);
        dg.fill_from(g.data(), g.size());
        const double rate = step < 12 ? 0.1 : 0.05;
        host.step(g, rate);
        device.step(gc::device_view<const float>(dg.data(), dg.size()), rate);
        device.wait();
        CAPTURE(step);
        if constexpr (gc::states_lambda<Memory>) {
            if (step % 5 == 4) { // also between exchanges
                host.set_lambda(step % 2 == 0 ? 0.75 : 0.125);
                device.set_lambda(host.lambda());
                device.wait();
            }
        }
        REQUIRE(read<float>(device.gradient_point()) == toy::copy(host.gradient_point()));
        REQUIRE(read<float>(device.parameters()) == toy::copy(host.parameters()));
        REQUIRE(read<float>(device.error()) == toy::copy(host.error()));
        if constexpr (gc::streams_beside_error<Memory> > 0) REQUIRE(read<float>(device.memory_state(0)) == toy::copy<float>(host.memory_state(0)));
    }
    std::vector<float> at(toy::size);
    gc::exec::device_buffer<float> dat(toy::size);
    host.evaluate_at(at);
    device.evaluate_at({dat.data(), dat.size()});
    device.wait();
    CHECK(read<float>({dat.data(), dat.size()}) == at);
}

} // namespace cuda_stack
