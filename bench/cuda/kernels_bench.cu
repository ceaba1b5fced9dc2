// Each fused kernel against a bare kernel of the same traffic, and rivals. Results are checked against exec::cpu before anything is timed.
#include "harness.cuh"
#include "inputs.cuh"
#include "rivals.cuh"

#include <gradcomp/cuda.cuh>

#include <cstring>
#include <deque>
#include <map>
#include <string>

namespace gc = gradcomp;
using namespace gpu_bench;

namespace {

using plain = gc::plain_gradient::direction<float, false>;
using local_momentum = gc::momentum::direction<float, false>;
using ef_rule = gc::recurrence_rule<float, float, plain, true, false, false>;

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

/// Values that a message begins with; the rest are indices or codes.
template <class Compressor> std::size_t values_of(const Compressor& compressor, std::size_t n)
{
    if constexpr (requires { compressor.kept(n); }) return compressor.kept(n);
    else return 0;
}

/// Equal in every bit, or both NaN, whose payload is each processor's own.
bool same(float a, float b) { return gc::bits_of(a) == gc::bits_of(b) || (a != a && b != b); }

/// The message and the memory of one step against exec::cpu. @return where they first differ; empty: nowhere
template <class Compressor> std::string difference(const Compressor& compressor, input kind, cudaStream_t stream, gc::exec::non_finite policy)
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
    const std::size_t values = values_of(compressor, n);
    for (std::size_t j = 0; j < values; ++j) {
        float one, two;
        std::memcpy(&one, got.data() + 4 * j, 4);
        std::memcpy(&two, expected.data() + 4 * j, 4);
        if (!same(one, two)) return "value " + std::to_string(j) + " of the message differs from exec::cpu's";
    }
    for (std::size_t j = 4 * values; j < got.size(); ++j)
        if (got[j] != expected[j]) return "byte " + std::to_string(j) + " of the message differs from exec::cpu's";
    for (std::size_t i = 0; i < n; ++i)
        if (!same(left[i], e[i])) return "element " + std::to_string(i) + " of the memory differs from exec::cpu's";
    return {};
}

/// What a case is judged by, at the middle size and from 100M on.
struct targets {
    double gate = 0, large_gate = 0, aim = 0, large_aim = 0;
    double small_gate_us = 0, small_aim_us = 0; ///< at 1M
    target gate_at(std::size_t n) const { return n < 20000000 ? target{0, small_gate_us} : target{n < 100000000 ? gate : large_gate, 0}; }
    target aim_at(std::size_t n) const { return n < 20000000 ? target{0, small_aim_us} : target{n < 100000000 ? aim : large_aim, 0}; }
};

void write(const char* file, const std::vector<record>& records)
{
    const std::string fresh = std::string(file) + ".part"; // whoever stops the program finds whole records
    std::FILE* out = std::fopen(fresh.c_str(), "w");
    if (out == nullptr) throw gc::error(gc::error_code::invalid_argument, "file", file, "cannot be written");
    std::fputs("[\n", out);
    for (std::size_t i = 0; i < records.size(); ++i) records[i].print(out, i + 1 == records.size());
    std::fputs("]\n", out);
    if (std::fclose(out) != 0 || std::rename(fresh.c_str(), file) != 0) throw gc::error(gc::error_code::invalid_argument, "file", file, "cannot be written");
}

class bench {
public:
    std::vector<record> records;
    cudaStream_t stream = nullptr;

    /// @param file for the records, written anew after each; null: none
    explicit bench(const char* file) : file_(file) { gc::exec::detail::check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags"); }

    /// All figures at one size.
    void run(std::size_t n)
    {
        bandwidth_ = 0;
        const targets selects{1.5, 1.25, 1.3, 1.10, 25, 15}, hard{3, 3, 2, 2};
        attempt("plain streams, 2 read, 1 written", n, [&](record& r) { plain_streams(r); });
        fused("ef + random_block ratio 64", gc::random_block{.ratio = 64, .block = 1024}, n, 4.0 / 64, {1.10, 1.05, 1.02, 1.02});
        fused("ef + top_k ratio 1000", gc::top_k{.ratio = 1000}, n, 0, selects);
        fused("ef + top_k ratio 100", gc::top_k{.ratio = 100}, n, 0, selects);
        fused("ef + top_k ratio 10", gc::top_k{.ratio = 10}, n, 0, {1.7, 1.4, 1.4, 1.2, 25, 15});
        fused("ef + top_k ratio 100, ties", gc::top_k{.ratio = 100}, n, 0, hard, input::ties);
        fused("ef + top_k ratio 100, 95 percent zeros", gc::top_k{.ratio = 100}, n, 0, hard, input::zeros);
        fused("ef + top_k ratio 100, NaN every 97th", gc::top_k{.ratio = 100}, n, 0, hard, input::nan);
        // Quantizers: no gate; the floor is that of the streams and the message. Sign's scale takes a second sweep, of 8 bytes.
        fused("ef + sign, exact scale", gc::sign<>{}, n, 1.0 / 8, {});
        fused("ef + natural, 9 bits", gc::natural<>{}, n, 9.0 / 8, {});
        fused("ef + qsgd 8 bits", gc::qsgd<>{}, n, 1, {});
        fused("ef + min_max 8 bits, nearest", gc::min_max<gc::rounding::nearest>{}, n, 1, {});
        const targets alone_targets{2.5, 1.4, 1.8, 1.2}, step_targets{1.25, 1.15, 1.05, 1.05}, update_targets{1.15, 1.05, 1.05, 1.05};
        attempt("top_k ratio 100", n, [&](record& r) { alone(r, alone_targets); });
        attempt("step def+momentum+random_block ratio 64", n, [&](record& r) { whole_step(r, step_targets); });
        attempt("decode and update, dense", n, [&](record& r) { dense_update(r, update_targets); });
        time_rivals(records, n, 100, stream);
        save();
    }

private:
    void save() const
    {
        if (file_ != nullptr) write(file_, records);
    }

    const char* file_;
    gc::exec::device_buffer<float> sink_{4};
    double bandwidth_ = 0; ///< bytes a microsecond of plain streams at the present size
    std::map<std::string, std::string> checked_; ///< what was found wrong with each case, before it was timed

    /// A case that does not fit the memory is listed without a figure; every other failure ends the program.
    template <class Case> void attempt(const std::string& name, std::size_t n, const Case& one)
    {
        record found{name, n, 0};
        try {
            one(found);
            found.failed = !found.missing.empty();
            if (bandwidth_ > 0) found.predicted_us = found.bytes * static_cast<double>(n) / bandwidth_;
        } catch (const gc::error& e) {
            if (e.code() != gc::error_code::out_of_memory) throw;
            found.missing = "does not fit the memory";
        }
        found.show();
        records.push_back(found);
        save();
    }

    std::vector<streams> rotation(std::size_t n, input kind)
    {
        std::vector<streams> all;
        for (std::size_t b = 0; b < buffers_for(8 * n); ++b) all.emplace_back(n, kind, static_cast<std::uint32_t>(3 * b), stream);
        return all;
    }

    /// The bandwidth that all predictions of a size are made with.
    void plain_streams(record& found)
    {
        const std::size_t n = found.elements;
        auto all = rotation(n, input::gauss);
        const auto pass = [&](std::size_t b) { bare(bare_streams<2, 1>{{all[b].g.data(), all[b].e.data()}, {all[b].e.data()}}, n, sink_.data(), stream); };
        found.bytes = 12;
        measure(found, stream, all.size(), pass, pass);
        bandwidth_ = 12.0 * static_cast<double>(n) / found.floor_us;
    }

    /// ef + a compressor: 12 bytes an element, and `message_bytes` where the floor counts the message.
    template <class Compressor>
    void fused(const std::string& name, const Compressor& compressor, std::size_t n, double message_bytes, const targets& wanted, input kind = input::gauss)
    {
        attempt(name, n, [&](record& found) {
            const auto policy = kind == input::nan ? gc::exec::non_finite::propagate : gc::exec::non_finite::reject;
            if (!checked_.contains(name)) checked_[name] = difference(compressor, kind, stream, policy);
            found.missing = checked_[name];
            if (!found.missing.empty()) return; // nothing is timed that is wrong
            auto all = rotation(n, kind);
            operation<Compressor> op(compressor, n, stream);
            gc::exec::device_buffer<float> message(message_bytes > 0 ? op.coder.bytes() / sizeof(float) : 0);
            found.bytes = 12 + message_bytes;
            found.gate = wanted.gate_at(n);
            found.aim = wanted.aim_at(n);
            measure(
                found, stream, all.size(), [&](std::size_t b) { op.encode(rule_over(all[b].g.data(), all[b].e.data()), policy); },
                [&](std::size_t b) { bare(bare_streams<2, 1>{{all[b].g.data(), all[b].e.data()}, {all[b].e.data()}, message.data(), message.size() / 4}, n, sink_.data(), stream); });
            found.fallbacks = op.on.read_counts().fallbacks;
        });
    }

    /// top_k of a stream that nothing is added to: floor one read.
    void alone(record& found, const targets& wanted)
    {
        const std::size_t n = found.elements;
        std::vector<gc::exec::device_buffer<float>> all;
        for (std::size_t b = 0; b < buffers_for(4 * n); ++b) {
            all.emplace_back(n);
            fill(all.back(), static_cast<std::uint32_t>(b), input::gauss, stream);
        }
        operation<gc::top_k> op(gc::top_k{.ratio = 100}, n, stream);
        const gc::exec::device_step<float> at{op.now.data()};
        found.bytes = 4;
        found.gate = wanted.gate_at(n);
        found.aim = wanted.aim_at(n);
        measure(
            found, stream, all.size(),
            [&](std::size_t b) {
                gc::recurrence_rule<float, float, plain, false, false, false> rule{plain(gc::plain_gradient{})};
                rule.gradient = all[b].data();
                const auto bound = gc::exec::bind_step(op.on, rule, at);
                op.coder.encode(op.on, gc::exec::packed_rule<std::remove_const_t<decltype(bound)>>{bound}, at, op.message.data(), {});
            },
            [&](std::size_t b) { bare(bare_streams<1, 0>{{all[b].data()}, {}}, n, sink_.data(), stream); });
    }

    /// def + momentum + random_block + update: reads g, m, e, x, writes m, e, z: 28 bytes an element.
    void whole_step(record& found, const targets& wanted)
    {
        const std::size_t n = found.elements;
        gc::policy_stack stack{.compressor = gc::random_block{.ratio = 64, .block = 1024}, .memory = gc::def<>{}, .reducer = gc::ring{gc::comm::alone{stream}}, .local = gc::momentum{},
            .executor = gc::exec::cuda{stream}};
        const gc::tensor_list list{{"all", {n}}};
        struct place {
            streams s;
            gc::exec::device_buffer<float> x;
            decltype(stack.attach(list, gc::device_view<float>())) exchange;
            place(const decltype(stack)& stack, const gc::tensor_list& list, std::uint32_t seed, cudaStream_t stream)
                : s(list.total(), input::gauss, seed, stream), x(list.total()), exchange(stack.attach(list, gc::device_view<float>(x.data(), x.size())))
            {
            }
        };
        std::deque<place> all; // an exchange does not move
        for (std::size_t b = 0; b < std::max<std::size_t>(1, (std::size_t{1} << 28) / (28 * n)); ++b)
            all.emplace_back(stack, list, static_cast<std::uint32_t>(5 + b), stream).exchange.set_learning_rate(1e-4);
        gc::exec::device_buffer<float> m(n), z(n);
        found.bytes = 28;
        found.gate = wanted.gate_at(n);
        found.aim = wanted.aim_at(n);
        measure(
            found, stream, all.size(), [&](std::size_t b) { all[b].exchange.step(gc::device_view<const float>(all[b].s.g.data(), n)); },
            [&](std::size_t b) {
                place& p = all[b];
                bare(bare_streams<4, 3>{{p.s.g.data(), m.data(), p.s.e.data(), p.x.data()}, {m.data(), p.s.e.data(), z.data()}}, n, sink_.data(), stream);
            });
        for (place& p : all) p.exchange.wait();
    }

    /// x <- x - mean of a dense message: 12 bytes an element.
    void dense_update(record& found, const targets& wanted)
    {
        const std::size_t n = found.elements;
        auto all = rotation(n, input::gauss);
        operation<gc::identity> op(gc::identity{}, n, stream);
        const gc::exec::device_step<float> at{op.now.data()};
        found.bytes = 12;
        found.gate = wanted.gate_at(n);
        found.aim = wanted.aim_at(n);
        measure(
            found, stream, all.size(),
            [&](std::size_t b) {
                const auto update = gc::exec::bind_step(op.on, gc::stack::update_target<float, false>{all[b].e.data(), nullptr, nullptr, {}, 1.0f}, at);
                op.coder.decode(op.on, reinterpret_cast<const std::byte*>(all[b].g.data()), update); // a dense message is a plain array
            },
            [&](std::size_t b) { bare(bare_streams<2, 1>{{all[b].g.data(), all[b].e.data()}, {all[b].e.data()}}, n, sink_.data(), stream); });
    }
};

} // namespace

/// gradcomp_cuda_bench [FILE.json [quick]]: 1M and 25.6M elements when quick, else up to 10^9.
int main(int argc, char** argv)
{
    int devices = 0;
    if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
        std::puts("not run: no CUDA device");
        return 77;
    }
    const bool quick = argc > 2 && std::strcmp(argv[2], "quick") == 0;
    try {
        bench all(argc > 1 ? argv[1] : nullptr);
        for (const std::size_t n : quick ? std::vector<std::size_t>{1000000, 25600000} : std::vector<std::size_t>{1000000, 25600000, 110000000, 1000000000}) all.run(n);
        for (const record& one : all.records)
            if (one.failed) return 1;
    } catch (const gc::error& e) {
        std::fprintf(stderr, "gradcomp_cuda_bench: %s\n", e.what());
        return 1;
    }
    return 0;
}
