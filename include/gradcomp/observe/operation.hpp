/// @file Any compressor as a function x -> C(x): what theory::measure() takes.
#pragma once

#include <gradcomp/core/coder.hpp>
#include <gradcomp/core/concepts.hpp>
#include <gradcomp/exec/cpu/engines.hpp>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace gradcomp {
inline namespace observe {

/// p = x, nothing kept: the sweep of a compressor that is looked at by itself.
template <class T> struct operand_rule : rule_streams<T, T, 0, 0> {
    GRADCOMP_INLINE T value(T x, const T*) const { return x; }
    GRADCOMP_INLINE void leave(T, const T*, T, T, T*) const {}
    GRADCOMP_INLINE void settle(std::size_t, T, T) const {}
    operand_rule again() const { return *this; }
};

/// C on vectors of one model, by one rank on the CPU, encoded and decoded as in an exchange; every draw is a step of its own.
///
///     gc::operation<float, gc::top_k> c(gc::top_k{.ratio = 10}, {{"x", {1000}}});
///     const auto seen = gc::theory::measure<float>(c, x, 10000);
///
/// What a compressor carries from step to step (low_rank's warm start) is left out, so that a draw depends on x and its number alone. NaN and Inf travel.
/// Memory: the compressor's and its message; a call allocates nothing. Not thread-safe.
template <std::floating_point T, compressor C> class operation {
    using coder_type = decltype(std::declval<const C&>().template start<T>(std::declval<const exec::cpu_team&>(), std::declval<const coder_start&>()));

public:
    /// @throws error as the compressor's options do.
    operation(const C& compressor, const tensor_list& list, std::uint64_t seed = 1)
        : list_(list), tensors_(list_.numbers()), coder_((compressor.check(), compressor.template start<T>(team_, coder_start{&list_, &tensors_, seed, 0}))), message_(bytes_of(C::rounds - 1)),
          first_(C::rounds > 1 ? bytes_of(0) : 0)
    {
    }
    operation(const operation&) = delete; // its coder may point into it
    operation& operator=(const operation&) = delete;

    /// out = C(x), both of all tensors packed in list order.
    /// @throws error size_changed for vectors of another length.
    void operator()(std::span<const T> x, std::span<T> out, std::uint64_t draw)
    {
        require_size("x", x.size());
        require_size("out", out.size());
        const auto rules = [x](const segment& piece) {
            operand_rule<T> rule;
            rule.gradient = x.data() + piece.offset;
            return rule;
        };
        const step_state<T> now{T(1), static_cast<std::uint32_t>(draw)};
        const exec::sweep_options options{.bad_elements = exec::non_finite::propagate};
        if constexpr (C::rounds == 1) {
            coder_.encode(team_, rules, now, message_.data(), options);
        } else { // the sum of one rank's messages is its message
            static_assert(C::rounds == 2, "gradcomp: gc::operation takes compressors of one or two rounds.");
            auto tally = coder_.encode(team_, rules, now, first_.data(), options);
            coder_.encode_next(team_, rules, now, 1, reinterpret_cast<const T*>(first_.data()), message_.data(), options, tally);
        }
        std::fill(out.begin(), out.end(), T(0));
        T* const to = out.data();
        coder_.decode(team_, message_.data(), [to](std::size_t i, T c) __attribute__((always_inline)) { to[i] = c; });
    }

    std::size_t message_bytes() const { return message_.size() + first_.size(); } ///< of one draw, all rounds

private:
    std::size_t bytes_of([[maybe_unused]] int round) const
    {
        if constexpr (C::rounds == 1) return coder_.bytes();
        else return coder_.bytes(round);
    }
    void require_size(const char* field, std::size_t size) const
    {
        if (size != list_.total()) throw error(error_code::size_changed, field, std::to_string(size), "must be " + std::to_string(list_.total()) + ", the elements of the list");
    }

    exec::cpu_team team_{1};
    tensor_list list_;
    std::vector<std::size_t> tensors_;
    coder_type coder_;
    exec::host_buffer<std::byte> message_, first_;
};
/// T cannot be deduced; this names it alone: operation_of<float>(compressor, list).
template <std::floating_point T, compressor C> operation<T, C> operation_of(const C& compressor, const tensor_list& list, std::uint64_t seed = 1) { return operation<T, C>(compressor, list, seed); }

} // namespace observe
} // namespace gradcomp
