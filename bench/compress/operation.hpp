/// @file One operator's encode and decode on one tensor, in turns with a bare kernel of the same traffic.
#pragma once

#include "floor.hpp"
#include "harness.hpp"
#include "inputs.hpp"

#include <gradcomp/gradcomp.hpp>

#include <cmath>
#include <functional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace bench {

using namespace gradcomp;
using namespace gradcomp::exec;

/// p = e + eta * g, e' = p - c, in place; without a memory p = g.
template <bool Memory> struct feedback_rule : rule_streams<float, float, Memory, Memory> {
    static constexpr int error_in = 0;
    static constexpr float decay = 1;
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
    std::string name;
    what does;
    double bits; ///< an element, parameters not counted; 0: what the message has
    double parameters; ///< bytes of parameters an element
    double gate, aim;
    std::size_t d;
    int threads;
    std::size_t rows = 0; ///< of a matrix; 0: a vector

    std::vector<std::size_t> shape() const { return rows > 0 ? std::vector{rows, d / rows} : std::vector{d}; }
    double streams() const { return does == what::encode_with_memory ? 12 : does == what::update ? 8 : 4; }
    std::string text() const
    {
        const char* words[] = {"ef+", "none+", "none+", "none+", "none+"};
        const char* verbs[] = {".encode", ".encode", ".decode", ".decode", ".update"};
        std::ostringstream out;
        out << words[static_cast<int>(does)] << name << verbs[static_cast<int>(does)] << "/cpu/float/gauss/d:" << d << "/threads:" << threads;
        return out.str();
    }
    record empty_record() const
    {
        const char* words[] = {"ef + ", "", "decode ", "decode ", "x -= decode "};
        const char* floors[] = {"m += s * g and a write of the codes", "read, and a write of the codes", "stores past the caches and a read of the codes", "a fill past the caches, 1 in 100 not 0",
            "x -= c and a read of the codes"};
        record r;
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
        : of_(of), g_(input(data::gauss, of.d)), e_(of.d), team_(static_cast<std::size_t>(of.threads)), list_{{"all", of.shape()}},
          coder_(policy.template start<float>(team_, coder_start{&list_, &tensors_, 1, 0})), message_(coder_.bytes())
    {
        if (of_.bits == 0) of_.bits = 8.0 * static_cast<double>(coder_.bytes()) / static_cast<double>(of_.d);
    }
    const code_case& settings() const { return of_; }
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
        on_team(team_, of_.d / 512 * 512, [&](std::size_t first, std::size_t count) {
            return code_kernel{g_.data() + first, e_.data() + first, message_.data() + first / 512 * bytes, bytes, 1e-9f, count};
        });
    }
    void read_floor()
    {
        on_team(team_, of_.d, [&](std::size_t first, std::size_t count) { return read_kernel{g_.data() + first, count, &seen_}; });
    }
    void fill_floor()
    {
        on_team(team_, of_.d, [&](std::size_t first, std::size_t count) { return fill_kernel{e_.data() + first, 100, count}; });
    }
    template <bool Update> void decode_floor()
    {
        const auto bytes = static_cast<std::size_t>(of_.bits * 64);
        on_team(team_, of_.d / 512 * 512, [&](std::size_t first, std::size_t count) {
            return decode_kernel<Update>{message_.data() + first / 512 * bytes, e_.data() + first, bytes, count, &seen_};
        });
    }
    /// What was left behind and what the message says add up to p; nothing when they do.
    const char* mistake()
    {
        prepare();
        encode<true>();
        for (std::size_t i = 0; i < of_.d; ++i) e_[i] = without_sign(e_[i], scale_); // what stands apart from e; else 0
        const huge_array<float> x(of_.d);
        coder_.decode(team_, last_message(), dense_target<float>{x.data()});
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
        const step_state<float> now{1, step_++};
        [[maybe_unused]] auto tally = coder_.encode(team_, rules, now, message_.data(), {});
        if constexpr (Policy::rounds > 1) { // one rank: its message is the sum
            coder_.encode_next(team_, rules, now, 1, reinterpret_cast<const float*>(message_.data()), last_message(), {}, tally);
            coder_.accept(team_, now, reinterpret_cast<const float*>(last_message()));
        }
    }
    /// What decode() reads: of several rounds the last one's.
    std::byte* last_message() const
    {
        if constexpr (Policy::rounds > 1) return message_.data() + coder_.bytes(0);
        else return message_.data();
    }
    using coder_type = decltype(std::declval<const Policy&>().template start<float>(std::declval<const cpu_team&>(), std::declval<const coder_start&>()));

    code_case of_;
    const huge_array<float>& g_;
    const huge_array<float> e_;
    cpu_team team_;
    tensor_list list_;
    std::vector<std::size_t> tensors_{0};
    coder_type coder_;
    huge_array<std::byte> message_;
    std::uint32_t step_ = 0, seen_ = 0;
    float scale_ = 0, next_ = 0; ///< of a postponed sign
};

template <class Policy> void run(benchmark::State& state, const Policy& policy, const code_case& of)
{
    operation<Policy> op(policy, of);
    record as = op.settings().empty_record();
    if (const char* wrong = op.mistake()) return state.SkipWithError(wrong);
    std::vector<std::function<void()>> floors;
    if (of.does == what::encode_with_memory) floors.push_back([&] { op.floor(); });
    if (of.does == what::encode) floors.push_back([&] { op.read_floor(); });
    if (of.does == what::decode) floors.push_back([&] { op.template decode_floor<false>(); });
    if (of.does == what::fill) floors.push_back([&] { op.fill_floor(); });
    if (of.does == what::update) floors.push_back([&] { op.template decode_floor<true>(); });
    take_turns(state, floors, [&] { if (of.does == what::encode_with_memory) op.prepare(); }, [&] { op(); }, as);
}

template <class Policy> void add(const settings& chosen, const Policy& policy, code_case of)
{
    for (const int threads : {1, 2}) {
        of.threads = threads;
        if (threads > 1) of.gate = of.aim = 0;
        benchmark::RegisterBenchmark(of.text().c_str(), [policy, of](benchmark::State& state) { run(state, policy, of); })
            ->Iterations(chosen.repetitions)->UseManualTime()->Unit(benchmark::kMillisecond);
    }
}

} // namespace bench
