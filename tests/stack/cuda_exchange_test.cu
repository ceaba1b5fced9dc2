// Whole steps on the GPU against the same stack on the CPU: one rank, the same gradients, bit for bit; graphs; rejected steps.
#include "cuda_compare.cuh"

#include <cmath>
#include <cstdlib>
#include <limits>

using namespace cuda_stack;

TEST_CASE("every memory of the family moves as on the CPU")
{
    const gc::random_block blocks{.ratio = 4, .block = 16};
    const gc::plain_gradient plain;
    compare<gc::ring>(gc::identity{}, gc::none<>{}, plain, gc::descent{}, 1);
    compare<gc::ring>(blocks, gc::ef<>{}, plain, gc::descent{}, 1);
    compare<gc::ring>(blocks, gc::ef<gc::staged>{}, gc::momentum{}, gc::descent{}, 1);
    compare<gc::ring>(blocks, gc::def<>{}, gc::momentum{.beta = 0.9, .weight_decay = 1e-2}, gc::descent{}, 1);
    compare<gc::ring>(blocks, gc::def<gc::staged>{}, gc::momentum{}, gc::descent{}, 1);
    compare<gc::ring>(blocks, gc::saef<>{.averaging_period = 3}, plain, gc::descent{}, 1);
    compare<gc::ring>(gc::delta_scaling{.delta = 0.1}, gc::def_a<>{.lambda = 1}, plain, gc::descent{}, 1);
}

TEST_CASE("local steps, gradient units, a server with momentum and gathered messages move as on the CPU")
{
    const gc::random_block run{.ratio = 4};
    compare<gc::ring>(run, gc::def<>{.units = gc::units::gradient}, gc::momentum{}, gc::descent{}, 3);
    compare<gc::ring>(run, gc::ef<>{}, gc::plain_gradient{}, gc::server_momentum{.beta = 0.5, .nesterov = true}, 1);
    compare<gc::all_gather>(run, gc::ef<>{}, gc::plain_gradient{}, gc::descent{}, 1);
    compare<gc::ring>(gc::identity{}, gc::none<>{}, gc::plain_gradient{}, gc::descent{}, 2);
}

TEST_CASE("resets of the error every few exchanges, and votes of signs, move as on the CPU")
{
    const gc::random_block blocks{.ratio = 4, .block = 16};
    compare<gc::ring>(blocks, gc::cser{.reset = gc::random_block{.ratio = 3}, .every = 2}, gc::momentum{}, gc::descent{}, 1);
    compare<gc::ring>(blocks, gc::cser<gc::random_block, gc::staged>{.reset = {.ratio = 3}}, gc::momentum{.beta = 0.9, .weight_decay = 1e-2}, gc::descent{}, 1);
    compare<gc::all_gather>(gc::top_k{.ratio = 8}, gc::cser{.reset = gc::top_k{.ratio = 4}, .every = 3, .units = gc::units::gradient}, gc::momentum{}, gc::descent{}, 1);
    compare<gc::all_gather>(gc::chain{gc::top_k{.ratio = 8}, gc::qsgd<>{.bits = 6}}, gc::cser{.reset = blocks, .every = 3}, gc::momentum{}, gc::descent{}, 1);
    compare<gc::ring>(gc::nothing{}, gc::cser{.reset = blocks}, gc::momentum{.beta = 0}, gc::descent{}, 1);
    compare<gc::ring>(blocks, gc::cser{.reset = gc::random_block{.ratio = 3}, .every = 2}, gc::nesterov_momentum{.weight_decay = 1e-2}, gc::descent{}, 1);
    compare<gc::all_gather>(gc::sign<gc::sign_scale::none>{}, gc::none_accepting_bias{}, gc::momentum{.beta = 0.9, .dampened = true}, gc::majority_vote{.weight_decay = 1e-3}, 1);
}

TEST_CASE("the rules' state may be written between steps, as one-bit Adam's variance is")
{
    own_stream stream;
    gc::comm::in_process_group group(1);
    gc::policy_stack cpu{.compressor = gc::block_sign{.bucket = 64}, .memory = gc::ef{.units = gc::units::gradient}, .reducer = gc::all_gather{gc::comm::in_process(group, 0)},
        .local = gc::momentum{.beta = 0.9, .dampened = true}, .server = gc::server_adam{.frozen = true}};
    gc::policy_stack gpu{.compressor = cpu.compressor, .memory = cpu.memory, .reducer = gc::all_gather{gc::comm::alone(stream.handle)}, .local = cpu.local, .server = cpu.server,
        .executor = gc::exec::cuda{stream.handle}};
    std::vector<float> x = toy::start<float>();
    gc::exec::device_buffer<float> dx(toy::size), dg(toy::size);
    dx.fill_from(x.data(), x.size());
    auto host = cpu.attach(toy::tensors, x);
    auto device = gpu.attach(toy::tensors, gc::device_view<float>(dx.data(), dx.size()));
    const std::vector<float> variance(toy::size, 0.25f), m(toy::size, 0.5f);
    REQUIRE(device.server_state(1).size() == toy::size);
    REQUIRE(host.server_state(1).size() == toy::size);
    std::copy(variance.begin(), variance.end(), host.server_state(1).begin());
    std::copy(m.begin(), m.end(), host.local_state(0).begin());
    REQUIRE(cudaMemcpy(device.server_state(1).data(), variance.data(), variance.size() * sizeof(float), cudaMemcpyHostToDevice) == cudaSuccess);
    REQUIRE(cudaMemcpy(device.local_state(0).data(), m.data(), m.size() * sizeof(float), cudaMemcpyHostToDevice) == cudaSuccess);
    for (std::uint64_t step = 0; step < 5; ++step) {
        const auto g = toy::gradient<float>(host.gradient_point(), 0, step);
        dg.fill_from(g.data(), g.size());
        host.step(g, 0.01);
        device.step(gc::device_view<const float>(dg.data(), dg.size()), 0.01);
        device.wait();
        REQUIRE(read<float>(device.parameters()) == toy::copy(host.parameters()));
        REQUIRE(read<float>(device.error()) == toy::copy(host.error()));
    }
}

TEST_CASE("two rounds of messages move as on the CPU, in place and staged, through a ring and gathered")
{
    const gc::low_rank factors{.rank = 2};
    compare<gc::ring>(factors, gc::ef<>{}, gc::plain_gradient{}, gc::descent{}, 1);
    compare<gc::ring>(factors, gc::def<gc::staged>{}, gc::momentum{.beta = 0.9, .weight_decay = 1e-2}, gc::descent{}, 1);
    compare<gc::all_gather>(factors, gc::def<>{}, gc::momentum{}, gc::server_momentum{.beta = 0.5}, 2);
}

TEST_CASE("a step that is rejected in its first round leaves in the memory what was owed, in every bit, and the factors as they were")
{
    own_stream stream;
    gc::policy_stack gpu{.compressor = gc::low_rank{.rank = 2}, .memory = gc::ef<>{}, .reducer = gc::ring{gc::comm::alone(stream.handle)}, .executor = gc::exec::cuda{stream.handle}};
    const std::vector<float> x = toy::start<float>();
    gc::exec::device_buffer<float> dx(toy::size), dg(toy::size);
    dx.fill_from(x.data(), x.size());
    auto device = gpu.attach(toy::tensors, gc::device_view<float>(dx.data(), dx.size()));
    const auto step = [&](std::vector<float> g) {
        dg.fill_from(g.data(), g.size());
        device.step(gc::device_view<const float>(dg.data(), dg.size()), 0.125);
        return toy::error_of([&] { device.wait(); });
    };
    REQUIRE(!step(toy::gradient<float>(x, 0, 0)));
    const auto moved = read<float>(device.parameters()), owed = read<float>(device.error());
    std::vector<float> g(toy::size, 1.0f);
    g[3] = std::numeric_limits<float>::quiet_NaN();
    const auto error = step(g);
    REQUIRE(error);
    CHECK(error->code() == gc::error_code::non_finite);
    CHECK(read<float>(device.parameters()) == moved);
    const auto kept = read<float>(device.error());
    for (std::size_t i = 0; i < kept.size(); ++i) REQUIRE(kept[i] == (i == 3 ? owed[i] : std::fma(0.125f, 1.0f, owed[i])));
    CHECK(!step(toy::gradient<float>(x, 0, 1)));
}

TEST_CASE("a rejected step leaves x, and wait() says so")
{
    own_stream stream;
    gc::policy_stack gpu{.compressor = gc::random_block{.ratio = 4}, .memory = gc::def<>{}, .reducer = gc::ring{gc::comm::alone(stream.handle)}, .executor = gc::exec::cuda{stream.handle}};
    std::vector<float> x = toy::start<float>(), g(toy::size, 1);
    gc::exec::device_buffer<float> dx(toy::size), dg(toy::size);
    dx.fill_from(x.data(), x.size());
    auto device = gpu.attach(toy::tensors, gc::device_view<float>(dx.data(), dx.size()));
    g[17] = std::numeric_limits<float>::quiet_NaN();
    dg.fill_from(g.data(), g.size());
    device.step(gc::device_view<const float>(dg.data(), dg.size()), 0.1);
    const auto error = toy::error_of([&] { device.wait(); });
    REQUIRE(error);
    CHECK(error->code() == gc::error_code::non_finite);
    CHECK(read<float>(device.parameters()) == x);
    CHECK(device.bad_elements() == 1);
    g[17] = 1;
    dg.fill_from(g.data(), g.size());
    device.step(gc::device_view<const float>(dg.data(), dg.size()), 0.1);
    CHECK_NOTHROW(device.wait());
}

TEST_CASE("a captured step replayed 1000 times equals 1000 eager steps, with fresh random choices, a new learning rate and another lambda on the way")
{
    own_stream stream;
    const int steps = std::getenv("GRADCOMP_UNDER_SANITIZER") != nullptr ? 20 : 1000; // each launch takes milliseconds there
    const auto run = [&](bool captured) {
        gc::policy_stack gpu{.compressor = gc::random_block{.ratio = 8, .block = 16}, .memory = gc::def<>{}, .reducer = gc::ring{gc::comm::alone(stream.handle)},
            .local = gc::momentum{}, .executor = gc::exec::cuda{stream.handle}};
        std::vector<float> x = toy::start<float>(), g = toy::gradient<float>(x, 0, 0);
        gc::exec::device_buffer<float> dx(toy::size), dg(toy::size);
        dx.fill_from(x.data(), x.size());
        dg.fill_from(g.data(), g.size());
        auto device = gpu.attach(toy::tensors, gc::device_view<float>(dx.data(), dx.size()));
        const gc::device_view<const float> gradient(dg.data(), dg.size());
        cudaGraph_t graph = nullptr;
        cudaGraphExec_t ready = nullptr;
        if (captured) {
            REQUIRE(cudaStreamBeginCapture(stream.handle, cudaStreamCaptureModeGlobal) == cudaSuccess);
            device.step(gradient);
            REQUIRE(cudaStreamEndCapture(stream.handle, &graph) == cudaSuccess);
            REQUIRE(cudaGraphInstantiate(&ready, graph, 0) == cudaSuccess);
        }
        for (int i = 0; i < steps; ++i) {
            if (i % (steps / 2) == 0) device.set_learning_rate(i == 0 ? 0.01 : 0.005);
            if (i % (steps / 4) == 3) device.set_lambda(i < steps / 2 ? 0.75 : 0.5);
            if (captured) REQUIRE(cudaGraphLaunch(ready, stream.handle) == cudaSuccess);
            else device.step(gradient);
        }
        device.wait();
        if (captured) cudaGraphExecDestroy(ready), cudaGraphDestroy(graph);
        auto all = read<float>(device.parameters());
        const auto e = read<float>(device.error());
        const auto z = read<float>(device.gradient_point());
        all.insert(all.end(), e.begin(), e.end());
        all.insert(all.end(), z.begin(), z.end());
        return all;
    };
    const auto eager = run(false), replayed = run(true);
    CHECK(toy::same_bits<float>(eager, replayed));
}

TEST_CASE("work is ordered on the user's stream: a gradient that is written late, on that stream, is the one that counts")
{
    own_stream stream;
    gc::policy_stack gpu{.compressor = gc::identity{}, .reducer = gc::ring{gc::comm::alone(stream.handle)}, .executor = gc::exec::cuda{stream.handle}};
    constexpr std::size_t n = std::size_t{1} << 22;
    gc::exec::device_buffer<float> dx(n), dg(n);
    const std::vector<float> poison(n, 1e30f);
    dg.fill_from(poison.data(), n);
    auto device = gpu.attach(gc::tensor_list{{"a", {n}}}, gc::device_view<float>(dx.data(), n));
    std::vector<float> one(n, 1.0f);
    for (int i = 0; i < 50; ++i) cudaMemsetAsync(dg.data(), 0x7f, n * sizeof(float), stream.handle); // work that takes a while
    REQUIRE(cudaMemcpyAsync(dg.data(), one.data(), n * sizeof(float), cudaMemcpyHostToDevice, stream.handle) == cudaSuccess);
    device.step(gc::device_view<const float>(dg.data(), n), 0.5);
    REQUIRE(cudaMemsetAsync(dg.data(), 0x7f, n * sizeof(float), stream.handle) == cudaSuccess); // the step must have read it by then
    device.wait();
    const auto x = read<float>(device.parameters());
    CHECK(std::all_of(x.begin(), x.end(), [](float v) { return v == -0.5f; }));
}

TEST_CASE("an executor and a communicator on different streams are refused")
{
    own_stream one, two;
    gc::policy_stack gpu{.compressor = gc::identity{}, .reducer = gc::ring{gc::comm::alone(one.handle)}, .executor = gc::exec::cuda{two.handle}};
    gc::exec::device_buffer<float> dx(toy::size);
    const auto error = toy::error_of([&] { gpu.attach(toy::tensors, gc::device_view<float>(dx.data(), dx.size())); });
    REQUIRE(error);
    CHECK(error->code() == gc::error_code::invalid_option);
}
