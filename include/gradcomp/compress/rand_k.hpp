/// @file Random-k sparsification: k coordinates chosen uniformly, with or without the factor that makes it unbiased.
#pragma once

#include <gradcomp/core/coder.hpp>
#include <gradcomp/core/concepts.hpp>
#include <gradcomp/core/kept.hpp>
#include <gradcomp/exec/cpu/scatter.hpp>
#include <gradcomp/exec/cpu/send_marked.hpp>
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
/// k = min(d, max(1, floor(d / ratio))). Bytes on the wire: sizeof(T) a kept element, and 4 more for each index that is sent.
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
    theory::membership classes(std::size_t d) const
    {
        if (d == 0) return theory::identity();
        return unbiased ? theory::rand_k_unbiased(d, kept_of(d, ratio, k)) : theory::rand_k(d, kept_of(d, ratio, k));
    }

    template <class T, class Executor> class coder {
    public:
        coder(const rand_k& options, const coder_start& start)
            : layout_(make_layout(*start.list, *start.tensors, options.scope, [&](std::size_t d) { return kept_of(d, options.ratio, options.k); })),
              seed_(start.seed), owner_(shared_support ? 0 : start.rank + 1)
        {
            for (const selection& s : layout_.selections) {
                if (s.size > std::size_t{1} << 31)
                    throw error(error_code::size_overflow, "size", std::to_string(s.size), "rand_k chooses among at most 2^31 elements",
                        {.tensor = start.list->name(layout_.segments[s.begin].tensor)});
                subsets_.emplace_back(s.size, s.kept);
            }
            if (!shared_support && layout_.size > 0xffffffffu)
                throw error(error_code::size_overflow, "size", std::to_string(layout_.size), "rand_k numbers the elements of its tensors with 32 bits");
        }
        std::size_t elements() const { return additive ? layout_.kept : 0; }
        std::size_t bytes() const { return values_bytes() + (shared_support ? 0 : layout_.kept * sizeof(std::uint32_t)); }
        std::size_t fallbacks() const { return 0; }

        template <class RuleOf>
        exec::sweep_tally encode(const Executor& team, RuleOf rule_of, const step_state<T>& state, std::byte* message, const exec::sweep_options& options)
        {
            exec::sweep_tally tally;
            for (std::size_t n = 0; n < layout_.selections.size(); ++n) {
                const selection& s = layout_.selections[n];
                subsets_[n].draw({seed_, state.step, s.key, purpose::rand_k, owner_});
                for (std::size_t at = s.begin; at < s.end; ++at) {
                    exec::send_marked<T> send;
                    send.subset = &subsets_[n];
                    send.first = layout_.segments[at].first;
                    if (unbiased && s.kept > 0) send.factor = static_cast<T>(static_cast<double>(s.size) / static_cast<double>(s.kept));
                    send.payload = reinterpret_cast<T*>(message) + s.payload;
                    if (!shared_support) send.index = reinterpret_cast<std::uint32_t*>(message + values_bytes()) + s.payload;
                    send.index_offset = static_cast<std::uint32_t>(s.position);
                    tally += sweep(team, rule_of(layout_.segments[at]), layout_.segments[at].size, send, options);
                }
            }
            return tally;
        }

        /// @throws error bad_message for indices that are out of range or not ascending.
        void check(const std::byte* message) const
        {
            if constexpr (!shared_support) check_indices(layout_, reinterpret_cast<const std::uint32_t*>(message + values_bytes()));
        }

        /// With a shared seed the coordinates are those that encode() drew last.
        template <class Target> void decode(const Executor& team, const std::byte* message, const Target& target) const
        {
            for (std::size_t n = 0; n < layout_.selections.size(); ++n) {
                const selection& s = layout_.selections[n];
                const T* const value = reinterpret_cast<const T*>(message) + s.payload;
                if constexpr (shared_support) {
                    std::size_t next = 0;
                    for (std::size_t at = s.begin; at < s.end; ++at) {
                        const segment& piece = layout_.segments[at];
                        subsets_[n].for_each(piece.first, piece.first + piece.size,
                            [&](std::size_t i) { target(piece.offset + (i - piece.first), value[next++]); });
                    }
                } else {
                    const std::uint32_t* const index = reinterpret_cast<const std::uint32_t*>(message + values_bytes()) + s.payload;
                    scatter(team, target, index, value, s.kept, place_of(layout_, s));
                }
            }
        }

    private:
        std::size_t values_bytes() const { return layout_.kept * sizeof(T); }

        layout layout_;
        std::uint64_t seed_;
        std::uint32_t owner_;
        std::vector<exec::marked_subset> subsets_;
    };
    template <class T, class Executor> auto start(const Executor&, const coder_start& with) const { return coder<T, Executor>(*this, with); }
};
static_assert(compressor<rand_k<>> && compressor<rand_k<indices::own, scaling::none>>);

} // namespace compress
} // namespace gradcomp
