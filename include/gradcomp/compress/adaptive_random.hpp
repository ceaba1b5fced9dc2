/// @file Adaptive random sparsification: coordinates drawn with probability proportional to their magnitude.
#pragma once

#include <gradcomp/core/coder.hpp>
#include <gradcomp/core/concepts.hpp>
#include <gradcomp/core/kept.hpp>
#include <gradcomp/exec/engines.hpp>
#include <gradcomp/theory/operators.hpp>

#include <optional>

namespace gradcomp {
inline namespace compress {

/// C(x) = x on k coordinates, 0 elsewhere, drawn one after the other without replacement, each with probability |x_i| over those left.
///
/// k = min(d, max(1, floor(d / ratio))); k = 1 is the paper's. Message, bytes and indices as top_k. No sum over the elements: the k that arrive
/// first of exponential waiting times / |x_i| (core/arrival.hpp), 32 random bits each, the rank's own; a rate of memory an element. Elements
/// that are 0 come last, lowest index first. In B1(k/d, 1), B2(k/d, 1), B3(d/k).
/// @cite Beznosikov et al., JMLR 24(276), section on compressors, (c).
struct adaptive_random {
    double ratio = 1;                                    ///< elements of the original over elements sent, at least 1
    std::optional<std::size_t> k = {};                   ///< elements sent a selection, instead of ratio
    gradcomp::scope scope = gradcomp::scope::per_tensor; ///< over what one choice is made

    static constexpr bool unbiased = false, contractive = true, shared_support = false, additive = false;
    static constexpr int passes = 2, rounds = 1;
    /// @throws error invalid_option.
    void check() const { check_ratio(ratio); }
    std::size_t kept(std::size_t d) const { return kept_of(d, ratio, k); } ///< elements of d that a message carries
    theory::membership classes(std::size_t d) const { return d == 0 ? theory::identity() : theory::adaptive_random(d, kept(d)); }

    template <class T, class Executor> class coder {
    public:
        coder(const adaptive_random& options, const Executor& executor, const coder_start& start)
            : layout_(checked(make_layout(*start.list, *start.tensors, options.scope, [&](std::size_t d) { return kept_of(d, options.ratio, options.k); }))),
              key_{start.seed, start.rank + 1}, engine_(executor, layout_)
        {
        }
        std::size_t elements() const { return 0; }
        std::size_t bytes() const { return layout_.kept * (sizeof(T) + sizeof(std::uint32_t)); }
        std::size_t fallbacks() const { return engine_.fallbacks(); }
        const layout& where() const { return layout_; } ///< what is chosen among, and how much of it

        template <class Rules>
        auto encode(const Executor& executor, const Rules& rules, const typename Executor::template step<T>& now, std::byte* message, const exec::sweep_options& options)
        {
            return engine_.encode(executor, layout_, rules, now, key_, reinterpret_cast<T*>(message), reinterpret_cast<std::uint32_t*>(message + values_bytes()), options);
        }
        /// @throws error bad_message for indices that are out of range or not ascending.
        void check(const Executor& executor, const std::byte* message) const { engine_.check(executor, layout_, indices(message)); }

        template <class Target> void decode(const Executor& executor, const std::byte* message, const Target& target) const
        {
            engine_.scatter(executor, layout_, target, reinterpret_cast<const T*>(message), indices(message));
        }

    private:
        std::size_t values_bytes() const { return layout_.kept * sizeof(T); }
        const std::uint32_t* indices(const std::byte* message) const { return reinterpret_cast<const std::uint32_t*>(message + values_bytes()); }
        static layout checked(layout all)
        {
            if (all.size > 0xffffffffu)
                throw error(error_code::size_overflow, "size", std::to_string(all.size), "adaptive_random numbers the elements of its tensors with 32 bits");
            return all;
        }

        layout layout_;
        exec::choice_key key_;
        exec::adaptive_engine<Executor, T> engine_;
    };
    template <class T, class Executor> auto start(const Executor& executor, const coder_start& with) const { return coder<T, Executor>(*this, executor, with); }
};
static_assert(compressor<adaptive_random>);

} // namespace compress
} // namespace gradcomp
