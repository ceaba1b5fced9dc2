// Each fused kernel against a bare kernel of the same traffic. Results are checked against exec::cpu before anything is timed.
#include "harness.cuh"
#include "rivals.cuh"

#include <gradcomp/cuda.cuh>

#include <cub/device/device_radix_sort.cuh>

#include <cmath>
#include <cstring>
#include <random>

namespace gc = gradcomp;
using namespace gpu_bench;

namespace {

/// Reads and writes as many streams as an operation, four floats at a time, and computes nothing worth mentioning.
template <int In, int Out> struct bare_streams {
    const float* in[In];
    float* out[Out > 0 ? Out : 1];
};
template <int In, int Out> __global__ void __launch_bounds__(256) bare_kernel(bare_streams<In, Out> s, std::size_t packs, float* sink)
{
    float4 sum{0, 0, 0, 0};
    const std::size_t first = std::size_t{blockIdx.x} * 1024 + threadIdx.x;
#pragma unroll
    for (int v = 0; v < 4; ++v) {
        const std::size_t i = first + static_cast<std::size_t>(v) * 256;
        if (i >= packs) break;
        float4 all{0, 0, 0, 0};
#pragma unroll
        for (int j = 0; j < In; ++j) {
            const float4 x = __ldcs(reinterpret_cast<const float4*>(s.in[j]) + i);
            all = {all.x + x.x, all.y + x.y, all.z + x.z, all.w + x.w};
        }
#pragma unroll
        for (int j = 0; j < Out; ++j) __stwb(reinterpret_cast<float4*>(s.out[j]) + i, all);
        sum = {sum.x + all.x, sum.y + all.y, sum.z + all.z, sum.w + all.w};
    }
    if (Out == 0 && sum.x + sum.y + sum.z + sum.w == 12345.678f) *sink = 1; // so that reads alone are not removed
}
template <int In, int Out> void bare(const bare_streams<In, Out>& s, std::size_t n, float* sink, cudaStream_t stream)
{
    const std::size_t packs = n / 4;
    bare_kernel<In, Out><<<static_cast<unsigned>((packs + 1023) / 1024), 256, 0, stream>>>(s, packs, sink);
}

/// Gradient-like values by counters: heavy tails, or ties, zeros, NaN.
enum class input { gauss, ties, zeros, nan };
__global__ void fill_kernel(float* x, std::size_t n, std::uint32_t seed, input kind)
{
    for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += std::size_t{gridDim.x} * blockDim.x) {
        const gc::word4 w = gc::philox({{static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(i >> 32), 0, 0}}, {{seed, 1}});
        const float u = (static_cast<float>(w.at[0]) + 1.0f) * 2.3283064e-10f, angle = static_cast<float>(w.at[1]) * 1.4629180e-9f;
        const float normal = sqrtf(-2.0f * logf(u)) * cosf(angle);
        x[i] = kind == input::ties ? rintf(normal) : kind == input::zeros && w.at[2] % 20 != 0 ? 0.0f : kind == input::nan && i % 97 == 0 ? __int_as_float(0x7fc00000) : normal;
    }
}

using plain = gc::plain_gradient::direction<float, false>;
using local_momentum = gc::momentum::direction<float, false>;
using ef_rule = gc::recurrence_rule<float, float, plain, true, false, false>;

/// Streams of one rotation.
struct streams {
    gc::exec::device_buffer<float> g, e;
    streams(std::size_t n, input kind, std::uint32_t seed, cudaStream_t stream) : g(n), e(n)
    {
        fill_kernel<<<1024, 256, 0, stream>>>(g.data(), n, seed, kind);
        fill_kernel<<<1024, 256, 0, stream>>>(e.data(), n, seed + 1, input::zeros);
    }
};

/// One tensor, one compressor, on the device.
template <class Compressor> struct operation {
    gc::tensor_list list;
    std::vector<std::size_t> all{0};
    gc::exec::cuda_stream on;
    decltype(std::declval<const Compressor&>().template start<float>(std::declval<const gc::exec::cuda_stream&>(), std::declval<const gc::coder_start&>())) coder;
    gc::exec::device_buffer<gc::step_state<float>> now{1};
    gc::exec::device_buffer<std::byte> message;

    operation(const Compressor& compressor, std::size_t n, cudaStream_t stream)
        : list{{"all", {n}}}, on(stream), coder(compressor.template start<float>(on, gc::coder_start{&list, &all, 1, 0})), message(coder.bytes())
    {
        const gc::step_state<float> first{0.5f, 3};
        now.fill_from(&first, 1);
    }
    void encode(ef_rule rule, gc::exec::non_finite policy = gc::exec::non_finite::reject)
    {
        const gc::exec::device_step<float> at{now.data()};
        const auto bound = gc::exec::bind_step(on, rule, at);
        coder.encode(on, gc::exec::packed_rule<std::remove_const_t<decltype(bound)>>{bound}, at, message.data(), {.bad_elements = policy});
    }
};

ef_rule rule_over(float* g, float* e)
{
    ef_rule rule{plain(gc::plain_gradient{})};
    rule.gradient = g;
    rule.in[rule.error_in] = rule.out[rule.error_out] = e;
    return rule;
}

/// The message and the memory of one step against exec::cpu, or the program ends.
template <class Compressor> void check(const Compressor& compressor, input kind, cudaStream_t stream, gc::exec::non_finite policy)
{
    constexpr std::size_t n = 1000003;
    streams s(n, kind, 9, stream);
    operation<Compressor> device(compressor, n, stream);
    std::vector<float> g(n), e(n), left(n);
    cudaStreamSynchronize(stream);
    cudaMemcpy(g.data(), s.g.data(), n * 4, cudaMemcpyDeviceToHost);
    cudaMemcpy(e.data(), s.e.data(), n * 4, cudaMemcpyDeviceToHost);
    device.encode(rule_over(s.g.data(), s.e.data()), policy);
    device.on.read_counts();
    std::vector<std::byte> got(device.coder.bytes()), expected(device.coder.bytes());
    cudaMemcpy(got.data(), device.message.data(), got.size(), cudaMemcpyDeviceToHost);
    cudaMemcpy(left.data(), s.e.data(), n * 4, cudaMemcpyDeviceToHost);
    const gc::exec::cpu_team team(4);
    auto coder = compressor.template start<float>(team, gc::coder_start{&device.list, &device.all, 1, 0});
    ef_rule rule = rule_over(g.data(), e.data());
    rule.at_step({0.5f, 3});
    coder.encode(team, [&](const gc::segment&) { return rule; }, {0.5f, 3}, expected.data(), {.bad_elements = policy});
    bool same = got == expected;
    for (std::size_t i = 0; i < n; ++i) same &= gc::bits_of(left[i]) == gc::bits_of(e[i]) || (left[i] != left[i] && e[i] != e[i]);
    if (!same) {
        std::fprintf(stderr, "an encoding differs from exec::cpu: nothing is timed\n");
        std::exit(1);
    }
}

struct bench {
    std::vector<record> records;
    cudaStream_t stream = nullptr;
    gc::exec::device_buffer<float> sink{4};

    /// ef + a compressor, floor 12 bytes an element and the message.
    template <class Compressor> void fused(const std::string& name, const Compressor& compressor, std::size_t n, double gate, double aim, input kind = input::gauss)
    {
        const auto policy = kind == input::nan ? gc::exec::non_finite::propagate : gc::exec::non_finite::reject;
        check(compressor, kind, stream, policy);
        const std::size_t buffers = std::clamp<std::size_t>((std::size_t{1} << 28) / (8 * n), 2, 64);
        std::vector<streams> all;
        for (std::size_t b = 0; b < buffers; ++b) all.emplace_back(n, kind, static_cast<std::uint32_t>(3 * b), stream);
        operation<Compressor> op(compressor, n, stream);
        const double bytes = 12; // of the message, the issue's floor counts blocks only, and those are below 1 percent here
        records.push_back(measure(
            name, n, bytes, gate, aim, stream, buffers, [&](std::size_t b) { op.encode(rule_over(all[b].g.data(), all[b].e.data()), policy); },
            [&](std::size_t b) { bare(bare_streams<2, 1>{{all[b].g.data(), all[b].e.data()}, {all[b].e.data()}}, n, sink.data(), stream); }));
        op.on.read_counts();
    }

    /// top_k of a stream that nothing is added to: floor one read.
    void alone(std::size_t n, double gate, double aim)
    {
        streams s(n, input::gauss, 1, stream), t(n, input::gauss, 2, stream);
        operation<gc::top_k> op(gc::top_k{.ratio = 100}, n, stream);
        const gc::exec::device_step<float> at{op.now.data()};
        records.push_back(measure(
            "top_k ratio 100", n, 4, gate, aim, stream, 2,
            [&](std::size_t b) {
                gc::recurrence_rule<float, float, plain, false, false, false> rule{plain(gc::plain_gradient{})};
                rule.gradient = b ? s.g.data() : t.g.data();
                const auto bound = gc::exec::bind_step(op.on, rule, at);
                op.coder.encode(op.on, gc::exec::packed_rule<std::remove_const_t<decltype(bound)>>{bound}, at, op.message.data(), {});
            },
            [&](std::size_t b) { bare(bare_streams<1, 0>{{b ? s.g.data() : t.g.data()}, {}}, n, sink.data(), stream); }));
        // The rival that every CUDA toolkit has: sort all pairs by magnitude, take the first.
        std::size_t bytes = 0;
        gc::exec::device_buffer<std::uint32_t> keys(n), numbers(n);
        cub::DeviceRadixSort::SortPairsDescending(nullptr, bytes, reinterpret_cast<std::uint32_t*>(s.g.data()), keys.data(), numbers.data(), numbers.data(), n, 0, 31, stream);
        gc::exec::device_buffer<std::byte> work(bytes);
        gc::exec::device_buffer<std::uint32_t> sorted(n);
        stopwatch time;
        std::vector<double> us;
        for (int round = 0; round < 7; ++round)
            us.push_back(1e3 * time(stream, [&] {
                cub::DeviceRadixSort::SortPairsDescending(work.data(), bytes, reinterpret_cast<std::uint32_t*>(s.g.data()), keys.data(), numbers.data(), sorted.data(), n, 0, 31, stream);
            }));
        records.push_back({"rival: cub radix sort pairs", n, 4, median(us), 0, 0, 0});
        std::printf("%-46s d %11zu  %10.2f us\n", "rival: cub radix sort pairs", n, median(us));
        for (const record& rival : rivals_of_top_k(s.g.data(), n, stream)) records.push_back(rival);
    }

    /// def + momentum + random_block + update: reads g, m, e, x, writes m, e, z: 28 bytes an element.
    void whole_step(std::size_t n, double gate, double aim)
    {
        gc::policy_stack stack{.compressor = gc::random_block{.ratio = 64, .block = 1024}, .memory = gc::def<>{}, .reducer = gc::ring{gc::comm::alone{stream}}, .local = gc::momentum{},
            .executor = gc::exec::cuda{stream}};
        streams s(n, input::gauss, 5, stream);
        gc::exec::device_buffer<float> x(n), m(n), z(n);
        auto exchange = stack.attach(gc::tensor_list{{"all", {n}}}, gc::device_view<float>(x.data(), n));
        exchange.set_learning_rate(1e-4);
        records.push_back(measure(
            "step def+momentum+random_block ratio 64", n, 28, gate, aim, stream, 1, [&](std::size_t) { exchange.step(gc::device_view<const float>(s.g.data(), n)); },
            [&](std::size_t) { bare(bare_streams<4, 3>{{s.g.data(), m.data(), s.e.data(), x.data()}, {m.data(), s.e.data(), z.data()}}, n, sink.data(), stream); }));
        exchange.wait();
    }

    /// x <- x - mean of a dense message: 12 bytes an element.
    void dense_update(std::size_t n, double gate, double aim)
    {
        streams s(n, input::gauss, 5, stream);
        operation<gc::identity> op(gc::identity{}, n, stream);
        const gc::exec::device_step<float> at{op.now.data()};
        const auto update = gc::exec::bind_step(op.on, gc::stack::update_target<float, false>{s.e.data(), nullptr, nullptr, {}, 1.0f}, at);
        records.push_back(measure(
            "decode and update, dense", n, 12, gate, aim, stream, 1, [&](std::size_t) { op.coder.decode(op.on, op.message.data(), update); },
            [&](std::size_t) { bare(bare_streams<2, 1>{{s.g.data(), s.e.data()}, {s.e.data()}}, n, sink.data(), stream); }));
    }
};

} // namespace

int main(int argc, char** argv)
{
    int devices = 0;
    if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
        std::puts("not run: no CUDA device");
        return 77;
    }
    const bool quick = argc > 2 && std::strcmp(argv[2], "quick") == 0;
    bench b;
    cudaStreamCreateWithFlags(&b.stream, cudaStreamNonBlocking);
    for (const std::size_t n : quick ? std::vector<std::size_t>{1000000, 25600000} : std::vector<std::size_t>{1000000, 25600000, 110000000, 1000000000}) {
        const bool large = n >= 100000000;
        const auto of = [&](double middle, double high) { return n < 20000000 ? 0.0 : large ? high : middle; };
        try {
            b.fused("ef + random_block ratio 64", gc::random_block{.ratio = 64, .block = 1024}, n, of(1.10, 1.05), 1.02);
            b.fused("ef + top_k ratio 1000", gc::top_k{.ratio = 1000}, n, of(1.5, 1.25), of(1.3, 1.1));
            b.fused("ef + top_k ratio 100", gc::top_k{.ratio = 100}, n, of(1.5, 1.25), of(1.3, 1.1));
            b.fused("ef + top_k ratio 10", gc::top_k{.ratio = 10}, n, of(1.7, 1.4), of(1.4, 1.2));
            b.fused("ef + top_k ratio 100, ties", gc::top_k{.ratio = 100}, n, of(3, 3), of(2, 2), input::ties);
            b.fused("ef + top_k ratio 100, 95 percent zeros", gc::top_k{.ratio = 100}, n, of(3, 3), of(2, 2), input::zeros);
            b.fused("ef + top_k ratio 100, NaN every 97th", gc::top_k{.ratio = 100}, n, of(3, 3), of(2, 2), input::nan);
            // The floor is that of the streams; messages of 1 to 9 bits add up to a byte an element. Sign's scale takes a second sweep, of 8 bytes.
            b.fused("ef + sign, exact scale", gc::sign<>{}, n, 0, 0);
            b.fused("ef + natural, 9 bits", gc::natural<>{}, n, 0, 0);
            b.fused("ef + qsgd 8 bits", gc::qsgd<>{}, n, 0, 0);
            b.fused("ef + min_max 8 bits, nearest", gc::min_max<gc::rounding::nearest>{}, n, 0, 0);
            b.alone(n, of(2.5, 1.4), of(1.8, 1.2));
            b.whole_step(n, of(1.25, 1.15), 1.05);
            b.dense_update(n, of(1.15, 1.05), 1.05);
        } catch (const gc::error& e) {
            std::fprintf(stderr, "d = %zu: %s\n", n, e.what());
            if (e.code() != gc::error_code::out_of_memory) return 1;
        }
    }
    std::FILE* out = argc > 1 ? std::fopen(argv[1], "w") : nullptr;
    if (out != nullptr) {
        std::fputs("[\n", out);
        for (std::size_t i = 0; i < b.records.size(); ++i) b.records[i].print(out, i + 1 == b.records.size());
        std::fputs("]\n", out);
        std::fclose(out);
    }
    return 0;
}
