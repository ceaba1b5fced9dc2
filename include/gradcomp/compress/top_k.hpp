/// @file Top-k sparsification: the k elements of the largest magnitude, exactly.
#pragma once

#include <gradcomp/core/coder.hpp>
#include <gradcomp/core/concepts.hpp>
#include <gradcomp/core/kept.hpp>
#include <gradcomp/exec/cpu/scatter.hpp>
#include <gradcomp/exec/cpu/select.hpp>
#include <gradcomp/theory/operators.hpp>

#include <algorithm>
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
    theory::membership classes(std::size_t d) const { return d == 0 ? theory::identity() : theory::top_k(d, kept_of(d, ratio, k)); }

    template <class T, class Executor> class coder {
    public:
        coder(const top_k& options, const Executor& team, const coder_start& start)
            : layout_(make_layout(*start.list, *start.tensors, options.scope, [&](std::size_t d) { return kept_of(d, options.ratio, options.k); })),
              seed_(start.seed), owner_(start.rank + 1), workspace_(largest(&selection::size), largest(&selection::kept), team.threads(), most_segments())
        {
            if (layout_.size > 0xffffffffu)
                throw error(error_code::size_overflow, "size", std::to_string(layout_.size), "top_k numbers the elements of its tensors with 32 bits");
            for (const segment& piece : layout_.segments) pieces_.push_back({piece.size, static_cast<std::uint32_t>(piece.first)});
        }
        std::size_t elements() const { return 0; }
        std::size_t bytes() const { return layout_.kept * (sizeof(T) + sizeof(std::uint32_t)); }
        std::size_t fallbacks() const { return fallbacks_; }

        template <class RuleOf>
        exec::sweep_tally encode(const Executor& team, RuleOf rule_of, const step_state<T>& state, std::byte* message, const exec::sweep_options& options)
        {
            exec::sweep_tally tally;
            for (const selection& s : layout_.selections) {
                const auto rule = [&](std::size_t at) { return rule_of(layout_.segments[s.begin + at]); };
                const auto again = [&](std::size_t at) { return rule_of(layout_.segments[s.begin + at]).again(); };
                std::uint32_t* const index = indices(message) + s.payload;
                const auto report = select_top_k(team, std::span<const exec::segment>(pieces_).subspan(s.begin, s.end - s.begin), rule, again, s.kept,
                    {seed_, state.step, s.key, purpose::sample, owner_}, index, reinterpret_cast<T*>(message) + s.payload, workspace_, options);
                if (s.position > 0)
                    for (std::size_t j = 0; j < s.kept; ++j) index[j] += static_cast<std::uint32_t>(s.position);
                tally += report.tally;
                fallbacks_ += report.fallback;
            }
            return tally;
        }

        /// @throws error bad_message for indices that are out of range or not ascending.
        void check(const std::byte* message) const { check_indices(layout_, indices(const_cast<std::byte*>(message))); }

        template <class Target> void decode(const Executor& team, const std::byte* message, const Target& target) const
        {
            for (const selection& s : layout_.selections)
                scatter(team, target, indices(const_cast<std::byte*>(message)) + s.payload, reinterpret_cast<const T*>(message) + s.payload, s.kept,
                    place_of(layout_, s));
        }

    private:
        std::uint32_t* indices(std::byte* message) const { return reinterpret_cast<std::uint32_t*>(message + layout_.kept * sizeof(T)); }
        std::size_t largest(std::size_t selection::* what) const
        {
            std::size_t most = 0;
            for (const selection& s : layout_.selections) most = std::max(most, s.*what);
            return most;
        }
        std::size_t most_segments() const
        {
            std::size_t most = 0;
            for (const selection& s : layout_.selections) most = std::max(most, s.end - s.begin);
            return most;
        }

        layout layout_;
        std::uint64_t seed_;
        std::uint32_t owner_;
        exec::top_k_workspace<T> workspace_;
        std::vector<exec::segment> pieces_;
        std::size_t fallbacks_ = 0;
    };
    template <class T, class Executor> auto start(const Executor& team, const coder_start& with) const { return coder<T, Executor>(*this, team, with); }
};
static_assert(compressor<top_k>);

} // namespace compress
} // namespace gradcomp
