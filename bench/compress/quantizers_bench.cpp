/// @file Quantizers with error feedback, and decoding of codes and of sparse messages, against bare kernels of the same traffic.
#include "floor.hpp"
#include "harness.hpp"
#include "inputs.hpp"

#include <gradcomp/gradcomp.hpp>

#include <cmath>
#include <sstream>
#include <tuple>

namespace {

using namespace gradcomp;
using namespace gradcomp::exec;
using bench::data;

/// p = e + eta * g, e' = p - c, in place; without a memory p = g.
template <bool Memory> struct feedback_rule : rule_streams<float, float, Memory, Memory> {
    static constexpr int error_in = 0;
    float eta = 1;
    GRADCOMP_INLINE float value(float g, const float* x) const
    {
        if constexpr (Memory) return multiply_add(eta, g, x[0]);
        else return g;
    }
    GRADCOMP_INLINE void leave(float, const float*, float p, float c, float* y) const
    {
        if constexpr (Memory) y[0] = p - c;
    }
    GRADCOMP_INLINE void settle(std::size_t i, float p, float c) const
    {
        if constexpr (Memory) this->out[0][i] = p - c;
    }
    GRADCOMP_INLINE auto again() const
    {
        read_rule<float> rule;
        rule.gradient = Memory ? this->out[0] : this->gradient;
        return rule;
    }
};

enum class what { encode_with_memory, encode, decode, fill, update }; ///< fill: decode what is zeros but for 1 in 100

struct code_case {
    const char* name;
    what does;
    double bits; ///< an element, parameters not counted
    double parameters; ///< bytes of parameters an element
    double gate, aim;
    std::size_t d;
    int threads;

    double streams() const { return does == what::encode_with_memory ? 12 : does == what::update ? 8 : 4; }
    std::string text() const
    {
        const char* words[] = {"ef+", "none+", "none+", "none+", "none+"};
        const char* verbs[] = {".encode", ".encode", ".decode", ".decode", ".update"};
        std::ostringstream out;
        out << words[static_cast<int>(does)] << name << verbs[static_cast<int>(does)] << "/cpu/float/gauss/d:" << d << "/threads:" << threads;
        return out.str();
    }
    bench::record empty_record() const
    {
        const char* words[] = {"ef + ", "", "decode ", "decode ", "x -= decode "};
        const char* floors[] = {"m += s * g and a write of the codes", "read, and a write of the codes", "stores past the caches and a read of the codes", "a fill past the caches, 1 in 100 not 0",
            "x -= c and a read of the codes"};
        bench::record r;
        r.name = text();
        r.operation = std::string(words[static_cast<int>(does)]) + name;
        r.floor = floors[static_cast<int>(does)];
        r.data = "gauss";
        r.elements = d;
        r.ratio = 32 / bits;
        r.threads = threads;
        r.gate = gate;
        r.aim = aim;
        r.bytes_per_element = streams() + bits / 8 + parameters;
        return r;
    }
};

/// The subtraction that a server makes of a message.
struct subtract_target {
    float* x;
    float scale;
    GRADCOMP_INLINE void operator()(std::size_t i, float v) const { x[i] = multiply_add(-scale, v, x[i]); }
};

/// One policy on one tensor, as a stack would run it.
template <class Policy> class operation {
public:
    operation(const Policy& policy, const code_case& of)
        : of_(of), g_(bench::input(data::gauss, of.d)), e_(of.d), team_(static_cast<std::size_t>(of.threads)), list_{{"all", {of.d}}},
          coder_(policy.template start<float>(team_, coder_start{&list_, &tensors_, 1, 0})), message_(coder_.bytes())
    {
    }
    void prepare()
    {
        e_.clear();
        scale_ = next_ = 0;
    }
    void operator()()
    {
        if (of_.does == what::encode_with_memory) encode<true>();
        else if (of_.does == what::encode) encode<false>();
        else if (of_.does == what::decode || of_.does == what::fill) coder_.decode(team_, message_.data(), dense_target<float>{e_.data()});
        else coder_.decode(team_, message_.data(), subtract_target{e_.data(), 0.25f});
    }
    /// The bare kernel, in the same buffers.
    void floor()
    {
        const auto bytes = static_cast<std::size_t>(of_.bits * 64);
        bench::on_team(team_, of_.d / 512 * 512, [&](std::size_t first, std::size_t count) {
            return bench::code_kernel{g_.data() + first, e_.data() + first, message_.data() + first / 512 * bytes, bytes, 1e-9f, count};
        });
    }
    void read_floor()
    {
        bench::on_team(team_, of_.d, [&](std::size_t first, std::size_t count) { return bench::read_kernel{g_.data() + first, count, &seen_}; });
    }
    void fill_floor()
    {
        bench::on_team(team_, of_.d, [&](std::size_t first, std::size_t count) { return bench::fill_kernel{e_.data() + first, 100, count}; });
    }
    template <bool Update> void decode_floor()
    {
        const auto bytes = static_cast<std::size_t>(of_.bits * 64);
        bench::on_team(team_, of_.d / 512 * 512, [&](std::size_t first, std::size_t count) {
            return bench::decode_kernel<Update>{message_.data() + first / 512 * bytes, e_.data() + first, bytes, count, &seen_};
        });
    }
    /// What was left behind and what the message says add up to p; nothing when they do.
    const char* mistake()
    {
        prepare();
        encode<true>();
        for (std::size_t i = 0; i < of_.d; ++i) e_[i] = without_sign(e_[i], scale_); // what stands apart from e; else 0
        const bench::huge_array<float> x(of_.d);
        coder_.decode(team_, message_.data(), dense_target<float>{x.data()});
        for (std::size_t i = 0; i < of_.d; ++i)
            if (!(std::abs(g_[i] - (x[i] + e_[i])) <= 1e-5f * (std::abs(g_[i]) + std::abs(x[i])))) return "message and memory do not add up to p";
        return nullptr;
    }

private:
    template <bool Memory> void encode()
    {
        feedback_rule<Memory> rule;
        rule.gradient = g_.data();
        rule.in[0] = rule.out[0] = e_.data();
        if constexpr (Memory && scales_late<Policy>) {
            postponed_rule postponed(rule); // as a stack with ef holds it: acc and a scale
            postponed.scale = scale_;
            postponed.next = &next_;
            sweep(postponed);
            scale_ = next_;
        } else {
            sweep(rule);
        }
    }
    template <class Rule> void sweep(const Rule& rule)
    {
        const auto rules = [&](const gradcomp::segment&) { return rule; };
        coder_.encode(team_, rules, step_state<float>{1, step_++}, message_.data(), {});
    }
    using coder_type = decltype(std::declval<const Policy&>().template start<float>(std::declval<const cpu_team&>(), std::declval<const coder_start&>()));

    code_case of_;
    const bench::huge_array<float>& g_;
    const bench::huge_array<float> e_;
    cpu_team team_;
    tensor_list list_;
    std::vector<std::size_t> tensors_{0};
    coder_type coder_;
    bench::huge_array<std::byte> message_;
    std::uint32_t step_ = 0, seen_ = 0;
    float scale_ = 0, next_ = 0; ///< of a postponed sign
};

template <class Policy> void run(benchmark::State& state, const Policy& policy, const code_case& of)
{
    operation<Policy> op(policy, of);
    bench::record record = of.empty_record();
    if (const char* wrong = op.mistake()) return state.SkipWithError(wrong);
    std::vector<std::function<void()>> floors;
    if (of.does == what::encode_with_memory) floors.push_back([&] { op.floor(); });
    if (of.does == what::encode) floors.push_back([&] { op.read_floor(); });
    if (of.does == what::decode) floors.push_back([&] { op.template decode_floor<false>(); });
    if (of.does == what::fill) floors.push_back([&] { op.fill_floor(); });
    if (of.does == what::update) floors.push_back([&] { op.template decode_floor<true>(); });
    bench::take_turns(state, floors, [&] { if (of.does == what::encode_with_memory) op.prepare(); }, [&] { op(); }, record);
}

template <class Policy> void add(const bench::settings& settings, const Policy& policy, code_case of)
{
    for (const int threads : {1, 2}) {
        of.threads = threads;
        if (threads > 1) of.gate = of.aim = 0;
        benchmark::RegisterBenchmark(of.text().c_str(), [policy, of](benchmark::State& state) { run(state, policy, of); })
            ->Iterations(settings.repetitions)->UseManualTime()->Unit(benchmark::kMillisecond);
    }
}

void register_them(const bench::settings& settings)
{
    constexpr std::size_t d = 25'557'032;
    constexpr double one = 4.0 / 512;
    const auto memory = [](const char* name, double bits, double parameters, double gate, double aim) {
        return code_case{name, what::encode_with_memory, bits, parameters, gate, aim, d, 1};
    };
    add(settings, sign<>{}, memory("sign", 1, 0, 1.10, 1.03));
    add(settings, block_sign{}, memory("block_sign", 1, one, 0, 0));
    add(settings, natural<>{}, memory("natural_9", 9, 0, 1.8, 1.2));
    add(settings, natural<exponents::per_bucket>{}, memory("natural_8", 8, one, 1.8, 1.2));
    add(settings, qsgd<norm::infinity>{.bits = 8}, memory("qsgd_8", 8, one, 1.45, 1.2));
    add(settings, qsgd<norm::infinity>{.bits = 4}, memory("qsgd_4", 4, one, 1.65, 1.3));
    add(settings, qsgd<norm::two>{.bits = 8}, memory("qsgd_8_norm_2", 8, one, 0, 0));
    add(settings, min_max<rounding::nearest>{}, memory("min_max_8_nearest", 8, 2 * one, 1.3, 1.1));
    add(settings, min_max<rounding::stochastic>{}, memory("min_max_8_stochastic", 8, 2 * one, 1.5, 1.25));
    add(settings, cast<half>{}, memory("cast_half", 16, one, 0, 0));
    add(settings, cast<fp8_e4m3, rounding::stochastic>{}, memory("cast_e4m3_stochastic", 8, one, 0, 0));
    add(settings, natural_dithering(7), memory("natural_dithering_7", 4, one, 0, 0));
    const auto other = [](const char* name, what does, double bits, double parameters, double gate, double aim) {
        return code_case{name, does, bits, parameters, gate, aim, d, 1};
    };
    add(settings, min_max<rounding::nearest>{}, other("min_max_8_nearest", what::encode, 8, 2 * one, 0, 0));
    add(settings, cast<half>{}, other("cast_half", what::encode, 16, one, 0, 0));
    add(settings, sign<>{}, other("sign", what::decode, 1, 0, 1.10, 1.0));
    add(settings, qsgd<norm::infinity>{.bits = 8}, other("qsgd_8", what::decode, 8, one, 1.10, 1.0));
    add(settings, natural<>{}, other("natural_9", what::decode, 9, 0, 0, 0));
    const auto sparse = [&](const char* name, double ratio, what does, double gate, double aim) { // 4 bytes a value, 2 an index, 4 a tile of indices
        add(settings, top_k{.ratio = ratio}, other(name, does, 48 / ratio, 4.0 / index_tile, gate, aim));
    };
    sparse("top_k_of_100", 100, what::fill, 1.10, 1.0);
    sparse("top_k_of_10", 10, what::decode, 1.4, 1.2);
    add(settings, qsgd<norm::infinity>{.bits = 8}, other("qsgd_8", what::update, 8, one, 1.10, 1.0));
}

const bench::room here(register_them);

} // namespace
