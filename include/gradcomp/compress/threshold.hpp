/// @file Threshold sparsification: every element of at least a given magnitude, as far as the message has room.
#pragma once

#include <gradcomp/compress/indexed.hpp>
#include <gradcomp/core/concepts.hpp>
#include <gradcomp/core/kept.hpp>
#include <gradcomp/core/text.hpp>
#include <gradcomp/theory/operators.hpp>

#include <optional>

namespace gradcomp {
inline namespace compress {

/// C(x) = x where |x_i| >= limit, 0 elsewhere; limit itself, limit * max |x|, or limit * ||x|| / sqrt(d). Where more than k elements reach it,
/// the k largest: what has no room stays in the memory and is counted (unsent()).
///
/// k = min(d, max(1, floor(d / ratio))) is the room; no step waits for a count. Bytes on the wire: top_k's for k elements and 4 a selection: values,
/// indices, counts, zeros where nothing is. A sweep and, for the relative and absolute limit alike, three more reads of p.
/// Relative, limit <= 1: B1(q, 1), B2(q, 1), B3(1/q) with the q of theory::threshold_of_maximum or threshold_of_norm. With limit > 1 in units of the
/// norm, as with an absolute one, an x of equal small magnitudes sends nothing: no class, and error feedback is refused.
/// @cite The absolute form: Dutta et al., "On the discrepancy between the theoretical analysis and practical implementations", AAAI 2020.
template <limit_unit Unit = limit_unit::maximum> struct threshold {
    double limit = 0.1;                                  ///< in its unit, above 0
    double ratio = 1;                                    ///< elements of the original over elements for which there is room, at least 1
    std::optional<std::size_t> k = {};                   ///< elements for which there is room in a selection, instead of ratio
    gradcomp::scope scope = gradcomp::scope::per_tensor; ///< over what the limit is measured and the room is shared

    static constexpr bool unbiased = false, contractive = Unit != limit_unit::absolute, shared_support = false, additive = false;
    static constexpr bool pads_message = true; ///< where fewer elements reach the limit than there is room for
    static constexpr int passes = 4, rounds = 1;
    /// @throws error invalid_option.
    void check() const
    {
        check_ratio(ratio);
        if (!(is_finite(limit) && limit > 0) || (Unit == limit_unit::maximum && limit > 1))
            throw error(error_code::invalid_option, "limit", text_of(limit), Unit == limit_unit::maximum ? "must be above 0 and at most 1" : "must be finite and above 0");
    }
    std::size_t kept(std::size_t d) const { return kept_of(d, ratio, k); } ///< elements of d for which a message has room
    theory::membership classes(std::size_t d) const
    {
        if (d == 0) return theory::identity();
        const std::size_t room = kept(d);
        if (Unit == limit_unit::maximum) return theory::threshold_of_maximum(d, limit, room);
        return Unit == limit_unit::norm ? theory::threshold_of_norm(d, limit, room) : theory::threshold_absolute();
    }

    template <class T, class Executor> class coder {
    public:
        coder(const threshold& options, const Executor& executor, const coder_start& start)
            : layout_(checked(make_layout(*start.list, *start.tensors, options.scope, [&](std::size_t d) { return options.kept(d); }), *start.list)),
              limit_{Unit, options.limit}, key_{start.seed, start.rank + 1}, engine_(executor, layout_)
        {
        }
        std::size_t elements() const { return 0; }
        std::size_t bytes() const { return counts_at() + layout_.selections.size() * sizeof(std::uint32_t); }
        std::size_t fallbacks() const { return engine_.fallbacks(); }
        const layout& where() const { return layout_; } ///< what is chosen among, and for how much of it there is room
        std::uint64_t unsent() const { return engine_.unsent(); } ///< elements so far that reached the limit and found no room

        template <class Rules>
        auto encode(const Executor& executor, const Rules& rules, const typename Executor::template step<T>& now, std::byte* message, const exec::sweep_options& options)
        {
            return engine_.encode(executor, layout_, rules, now, key_, limit_, reinterpret_cast<T*>(message), message + values_bytes(),
                reinterpret_cast<std::uint32_t*>(message + counts_at()), options);
        }
        /// @throws error bad_message for counts above the room, indices that are out of range or not ascending, room that is not zero.
        void check(const Executor& executor, const std::byte* message) const
        {
            engine_.check(executor, layout_, reinterpret_cast<const T*>(message), message + values_bytes(), counts(message));
        }
        template <class Target> void decode(const Executor& executor, const std::byte* message, const Target& target) const
        {
            engine_.scatter(executor, layout_, target, reinterpret_cast<const T*>(message), message + values_bytes(), counts(message));
        }
        template <class Target> void decode_all(const Executor& executor, const gathered_messages& all, const Target& target) const
            requires(Executor::decodes_together)
        {
            engine_.scatter_all(executor, layout_, target, all, values_bytes(), counts_at());
        }

    private:
        std::size_t values_bytes() const { return layout_.kept * sizeof(T); }
        std::size_t counts_at() const { return values_bytes() + engine_.index_bytes(); }
        const std::uint32_t* counts(const std::byte* message) const { return reinterpret_cast<const std::uint32_t*>(message + counts_at()); }
        static layout checked(layout all, const tensor_list& list)
        {
            for (const selection& s : all.selections)
                if (s.kept > 0xffffffffu) throw error(error_code::size_overflow, "k", std::to_string(s.kept), "threshold counts what it sends with 32 bits");
            return countable(std::move(all), list);
        }

        layout layout_;
        magnitude_limit limit_;
        exec::choice_key key_;
        exec::threshold_engine<Executor, T> engine_;
    };
    template <class T, class Executor> auto start(const Executor& executor, const coder_start& with) const { return coder<T, Executor>(*this, executor, with); }
};
static_assert(compressor<threshold<>> && compressor<threshold<limit_unit::absolute>> && compressor<threshold<limit_unit::norm>>);

} // namespace compress
} // namespace gradcomp
