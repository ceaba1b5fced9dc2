/// @file Random-k sparsification: k coordinates chosen uniformly, with or without the factor that makes it unbiased.
#pragma once

#include <gradcomp/core/coder.hpp>
#include <gradcomp/core/concepts.hpp>
#include <gradcomp/core/kept.hpp>
#include <gradcomp/exec/engines.hpp>
#include <gradcomp/theory/operators.hpp>

#include <optional>

namespace gradcomp {
inline namespace compress {

/// Who chooses the coordinates.
enum class indices {
    shared_seed, ///< all ranks choose the same ones from the seed: messages add, no indices are sent
    own          ///< each rank chooses and sends its own
};
/// Whether the kept values are multiplied by d / k.
enum class scaling {
    none,    ///< biased and contractive: for error feedback
    unbiased ///< E C(x) = x, variance d / k: without error feedback
};

/// C(x) = s * x on a uniformly random k-subset, 0 elsewhere; s = d / k when unbiased, else 1.
///
/// k = min(d, max(1, floor(d / ratio))). Bytes on the wire: sizeof(T) a kept element, and with own indices those of top_k.
/// Unbiased: U(d/k). Biased: B1(k/d, 1), B2(k/d, 1), B3(d/k). Deterministic in (seed, step, tensor) and, with own indices, the rank.
/// @cite Beznosikov et al., JMLR 24(276), table 1, (a) and (b).
template <indices Indices = indices::shared_seed, scaling Scaling = scaling::unbiased> struct rand_k {
    double ratio = 1;                                    ///< elements of the original over elements sent, at least 1
    std::optional<std::size_t> k = {};                   ///< elements sent a selection, instead of ratio
    gradcomp::scope scope = gradcomp::scope::per_tensor; ///< over what one choice is made

    static constexpr bool unbiased = Scaling == scaling::unbiased, contractive = !unbiased;
    static constexpr bool shared_support = Indices == indices::shared_seed, additive = shared_support;
    static constexpr int passes = 1, rounds = 1;
    /// @throws error invalid_option.
    void check() const { check_ratio(ratio); }
    std::size_t kept(std::size_t d) const { return kept_of(d, ratio, k); } ///< elements of d that a message carries
    theory::membership classes(std::size_t d) const
    {
        if (d == 0) return theory::identity();
        return unbiased ? theory::rand_k_unbiased(d, kept_of(d, ratio, k)) : theory::rand_k(d, kept_of(d, ratio, k));
    }

    template <class T, class Executor> class coder {
    public:
        coder(const rand_k& options, const Executor& executor, const coder_start& start)
            : layout_(checked(make_layout(*start.list, *start.tensors, options.scope, [&](std::size_t d) { return kept_of(d, options.ratio, options.k); }), *start.list)),
              key_{start.seed, shared_support ? 0 : start.rank + 1}, engine_(executor, layout_, factor_of)
        {
        }
        std::size_t elements() const { return additive ? layout_.kept : 0; }
        std::size_t bytes() const { return values_bytes() + (shared_support ? 0 : engine_.index_bytes()); }
        const layout& where() const { return layout_; } ///< what is chosen among, and how much of it
        std::size_t fallbacks() const { return 0; }

        template <class Rules>
        auto encode(const Executor& executor, const Rules& rules, const typename Executor::template step<T>& now, std::byte* message, const exec::sweep_options& options)
        {
            std::byte* const index = shared_support ? nullptr : message + values_bytes();
            return engine_.encode(executor, layout_, rules, now, key_, reinterpret_cast<T*>(message), index, options);
        }

        /// @throws error bad_message for indices that are out of range or not ascending.
        void check(const Executor& executor, const std::byte* message) const
        {
            if constexpr (!shared_support) engine_.check(executor, layout_, message + values_bytes());
        }

        /// With a shared seed the coordinates are those that encode() drew last.
        template <class Target> void decode(const Executor& executor, const std::byte* message, const Target& target) const
        {
            if constexpr (shared_support) engine_.decode(executor, layout_, target, reinterpret_cast<const T*>(message));
            else engine_.scatter(executor, layout_, target, reinterpret_cast<const T*>(message), message + values_bytes());
        }
        template <class Target> void decode_all(const Executor& executor, const gathered_messages& all, const Target& target) const
            requires(Executor::decodes_together)
        {
            if constexpr (shared_support) engine_.decode_all(executor, layout_, target, all);
            else engine_.scatter_all(executor, layout_, target, all, values_bytes());
        }

    private:
        std::size_t values_bytes() const { return layout_.kept * sizeof(T); }
        static T factor_of(const selection& s) { return unbiased && s.kept > 0 ? static_cast<T>(static_cast<double>(s.size) / static_cast<double>(s.kept)) : T(1); }
        static layout checked(layout all, const tensor_list& list)
        {
            for (const selection& s : all.selections)
                if (s.size > std::size_t{1} << 31)
                    throw error(error_code::size_overflow, "size", std::to_string(s.size), "rand_k chooses among at most 2^31 elements",
                        {.tensor = list.name(all.segments[s.begin].tensor)});
            return all;
        }

        layout layout_;
        exec::choice_key key_;
        exec::subset_engine<Executor, T> engine_;
    };
    template <class T, class Executor> auto start(const Executor& executor, const coder_start& with) const { return coder<T, Executor>(*this, executor, with); }
};
static_assert(compressor<rand_k<>> && compressor<rand_k<indices::own, scaling::none>>);

} // namespace compress
} // namespace gradcomp
