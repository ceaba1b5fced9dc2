/// @file Top-k sparsification: the k elements of the largest magnitude, exactly.
#pragma once

#include <gradcomp/core/coder.hpp>
#include <gradcomp/core/concepts.hpp>
#include <gradcomp/core/kept.hpp>
#include <gradcomp/exec/engines.hpp>
#include <gradcomp/theory/operators.hpp>

#include <optional>

namespace gradcomp {
inline namespace compress {

/// C(x) = the k largest |x_i|, 0 elsewhere. Ties go to the lowest index; NaN > Inf > finite where non-finite values propagate.
///
/// k = min(d, max(1, floor(d / ratio))). Bytes on the wire: (sizeof(T) + 4) a kept element: all values, then all indices, both in index
/// order, 32-bit and counted within the group. One sweep, then work on about 1.05 k candidates. The same bytes for any instruction set and
/// any number of threads. In B1(k/d, 1), B2(k/d, 1), B3(d/k).
/// @cite Beznosikov et al., JMLR 24(276), table 1, (d).
struct top_k {
    double ratio = 1;                                    ///< elements of the original over elements sent, at least 1
    std::optional<std::size_t> k = {};                   ///< elements sent a selection, instead of ratio
    gradcomp::scope scope = gradcomp::scope::per_tensor; ///< over what one choice is made

    static constexpr bool unbiased = false, contractive = true, shared_support = false, additive = false;
    static constexpr int passes = 1, rounds = 1;
    /// @throws error invalid_option.
    void check() const { check_ratio(ratio); }
    std::size_t kept(std::size_t d) const { return kept_of(d, ratio, k); } ///< elements of d that a message carries
    theory::membership classes(std::size_t d) const { return d == 0 ? theory::identity() : theory::top_k(d, kept_of(d, ratio, k)); }

    template <class T, class Executor> class coder {
    public:
        coder(const top_k& options, const Executor& executor, const coder_start& start)
            : layout_(checked(make_layout(*start.list, *start.tensors, options.scope, [&](std::size_t d) { return kept_of(d, options.ratio, options.k); }))),
              key_{start.seed, start.rank + 1}, engine_(executor, layout_)
        {
        }
        std::size_t elements() const { return 0; }
        std::size_t bytes() const { return layout_.kept * (sizeof(T) + sizeof(std::uint32_t)); }
        const layout& where() const { return layout_; } ///< what is chosen among, and how much of it
        std::size_t fallbacks() const { return engine_.fallbacks(); }

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
                throw error(error_code::size_overflow, "size", std::to_string(all.size), "top_k numbers the elements of its tensors with 32 bits");
            return all;
        }

        layout layout_;
        exec::choice_key key_;
        exec::top_k_engine<Executor, T> engine_;
    };
    template <class T, class Executor> auto start(const Executor& executor, const coder_start& with) const { return coder<T, Executor>(*this, executor, with); }
};
static_assert(compressor<top_k>);

} // namespace compress
} // namespace gradcomp
