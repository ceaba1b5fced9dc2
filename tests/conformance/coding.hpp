/// @file One compressor of one rank between a memory and a message, without a stack around it: what the conformance suites look at.
#pragma once

#include <gradcomp/gradcomp.hpp>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <vector>

namespace conformance {

namespace gc = gradcomp;

/// p = owed + sweep_scale * gradient in every test that looks at a coder.
inline constexpr double sweep_scale = 0.5;

/// The sweep of a plain error memory, apart from the library's own memories: p = e + sweep_scale * g, e' = p - c.
template <class T> struct memory_rule : gc::rule_streams<T, T, 1, 1> {
    GRADCOMP_INLINE T value(T g, const T* x) const { return gc::multiply_add(static_cast<T>(sweep_scale), g, x[0]); }
    GRADCOMP_INLINE void leave(T, const T*, T p, T c, T* y) const { y[0] = p - c; }
    GRADCOMP_INLINE T owed_at(std::size_t i) const { return this->in[0][i]; }
    GRADCOMP_INLINE void settle(std::size_t i, T p, T c) const { this->out[0][i] = p - c; }
    auto again() const
    {
        gc::read_rule<T> rule;
        rule.gradient = this->out[0];
        return rule;
    }
};

/// What one sweep with a memory gave.
template <class T> struct encoded {
    std::vector<std::byte> message; ///< of the last round
    std::vector<T> left; ///< e'
    gc::exec::sweep_tally tally;
    bool guards_intact = false; ///< nothing around the message was written
};

/// What a message says, element by element.
template <class T> struct decoded {
    std::vector<T> value;              ///< 0 where the message says nothing
    std::vector<std::uint8_t> touched; ///< how often the message named the element
    bool operator==(const decoded&) const = default;
};

/// Where and how a coder runs.
struct setting {
    std::size_t threads = 1;
    std::uint32_t rank = 0;
    std::uint64_t seed = 1;
};

/// One compressor on one rank.
template <class T, class Compressor> class coding {
public:
    coding(const Compressor& compressor, const gc::tensor_list& list, setting with = {})
        : list_(list), tensors_(list.count()), team_(with.threads), coder_(start(compressor, with))
    {
    }
    coding(const coding&) = delete;

    std::size_t bytes() const { return coder_.bytes(); }
    std::size_t elements() const { return coder_.elements(); }
    void check(const std::vector<std::byte>& message) const { coder_.check(team_, message.data()); }

    /// Sweeps p = owed + sweep_scale * gradient; `fill` is what the message held before, so that bytes that are not written show.
    encoded<T> encode(std::span<const T> gradient, std::span<const T> owed, std::uint32_t step, unsigned char fill = 0xa5,
        gc::exec::non_finite policy = gc::exec::non_finite::propagate)
    {
        memory_rule<T> rule;
        encoded<T> out{{}, std::vector<T>(list_.total()), {}, false};
        rule.in[0] = owed.data();
        rule.out[0] = out.left.data();
        const auto rule_of = [&](const gc::segment& piece) {
            auto there = rule;
            there.gradient = gradient.data(); // advance() moves it with the other streams
            there.advance(piece.offset);
            return there;
        };
        gc::exec::sweep_options options{.bad_elements = policy};
        framed_message first(bytes_of(0), fill);
        out.tally = coder_.encode(team_, rule_of, {T(1), step}, first.data(), options);
        out.guards_intact = first.guards_intact(out.message);
        if constexpr (Compressor::rounds > 1)
            for (int round = 1; round < Compressor::rounds; ++round) { // one rank's message is the sum of all
                framed_message next(bytes_of(round), fill);
                gc::exec::host_buffer<T> sum(out.message.size() / sizeof(T));
                if (!out.message.empty()) std::memcpy(sum.data(), out.message.data(), out.message.size());
                coder_.encode_next(team_, rule_of, gc::step_state<T>{T(1), step}, round, sum.data(), next.data(), options, out.tally);
                out.guards_intact &= next.guards_intact(out.message);
            }
        return out;
    }

    decoded<T> decode(const std::vector<std::byte>& message) const
    {
        gc::exec::host_buffer<std::byte> aligned(message.size());
        if (!message.empty()) std::memcpy(aligned.data(), message.data(), message.size());
        decoded<T> out{std::vector<T>(list_.total()), std::vector<std::uint8_t>(list_.total())};
        T* const value = out.value.data();
        std::uint8_t* const touched = out.touched.data();
        coder_.decode(team_, aligned.data(), [value, touched](std::size_t i, T v) __attribute__((always_inline)) {
            value[i] = v;
            touched[i] = static_cast<std::uint8_t>(touched[i] + 1);
        });
        return out;
    }

    /// The same to a dense vector that held something else.
    std::vector<T> decode_dense(const std::vector<std::byte>& message) const
    {
        gc::exec::host_buffer<std::byte> aligned(message.size());
        if (!message.empty()) std::memcpy(aligned.data(), message.data(), message.size());
        std::vector<T> out(list_.total(), T(7));
        coder_.decode(team_, aligned.data(), gc::exec::dense_target<T>{out.data()});
        return out;
    }

    const auto& coder() const { return coder_; }

private:
    /// Room for a message with bytes around it that must not change.
    class framed_message {
    public:
        framed_message(std::size_t bytes, unsigned char fill) : bytes_(bytes), fill_(fill), room_(bytes + 2 * guard) { std::memset(room_.data(), fill, room_.size()); }
        std::byte* data() { return room_.data() + guard; }
        bool guards_intact(std::vector<std::byte>& message)
        {
            const auto kept = [fill = fill_](std::byte b) { return b == std::byte{fill}; };
            message.assign(data(), data() + bytes_);
            return std::all_of(room_.data(), data(), kept) && std::all_of(data() + bytes_, room_.data() + room_.size(), kept);
        }

    private:
        static constexpr std::size_t guard = 64;
        std::size_t bytes_;
        unsigned char fill_;
        gc::exec::host_buffer<std::byte> room_;
    };
    std::size_t bytes_of([[maybe_unused]] int round) const
    {
        if constexpr (Compressor::rounds > 1) return coder_.bytes(round);
        else return coder_.bytes();
    }
    auto start(const Compressor& compressor, setting with)
    {
        for (std::size_t t = 0; t < tensors_.size(); ++t) tensors_[t] = t;
        return compressor.template start<T>(team_, gc::coder_start{&list_, &tensors_, with.seed, with.rank});
    }
    using coder_type = decltype(std::declval<const Compressor&>().template start<T>(std::declval<const gc::exec::cpu_team&>(), std::declval<const gc::coder_start&>()));

    gc::tensor_list list_;
    std::vector<std::size_t> tensors_;
    gc::exec::cpu_team team_;
    coder_type coder_;
};

/// p of every element as the library must see it: bad elements' gradients count as 0 unless they propagate.
template <class T> std::vector<T> expected_p(std::span<const T> gradient, std::span<const T> owed, gc::exec::non_finite policy = gc::exec::non_finite::propagate)
{
    std::vector<T> p(gradient.size());
    for (std::size_t i = 0; i < p.size(); ++i) {
        p[i] = gc::multiply_add(static_cast<T>(sweep_scale), gradient[i], owed[i]);
        if (policy != gc::exec::non_finite::propagate && !gc::is_finite(p[i])) p[i] = owed[i];
    }
    return p;
}

/// Equal in every bit, or both NaN (whose payload no rule promises).
template <class T> bool same_bits(T a, T b) { return gc::bits_of(a) == gc::bits_of(b) || (a != a && b != b); }

inline constexpr std::size_t nowhere = ~std::size_t{0};
/// The first element in which two vectors differ; nowhere when they agree.
template <class T> std::size_t first_difference(const std::vector<T>& a, const std::vector<T>& b)
{
    if (a.size() != b.size()) return std::min(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i)
        if (!same_bits(a[i], b[i])) return i;
    return nowhere;
}

/// Forces an instruction set for the teams that start during its life.
class forced_isa {
public:
    explicit forced_isa(gc::exec::isa level)
    {
        if (const char* before = std::getenv("GRADCOMP_ISA")) before_ = before;
        setenv("GRADCOMP_ISA", std::string(gc::exec::name_of(level)).c_str(), 1);
    }
    forced_isa(const forced_isa&) = delete;
    ~forced_isa()
    {
        if (before_.empty()) unsetenv("GRADCOMP_ISA");
        else setenv("GRADCOMP_ISA", before_.c_str(), 1);
    }

private:
    std::string before_;
};

/// The instruction sets that this processor has.
inline std::vector<gc::exec::isa> supported_isas()
{
    std::vector<gc::exec::isa> levels;
    for (const auto level : {gc::exec::isa::scalar, gc::exec::isa::avx2, gc::exec::isa::avx512})
        if (gc::exec::supports(level)) levels.push_back(level);
    return levels;
}

/// One tensor of n elements.
inline gc::tensor_list one_tensor(std::size_t n) { return gc::tensor_list{{"only", {n}}}; }

} // namespace conformance
