/// @file Random block sparsification (RBGS): every rank sends the same random blocks, so messages add and carry no indices.
#pragma once

#include <gradcomp/core/coder.hpp>
#include <gradcomp/core/concepts.hpp>
#include <gradcomp/core/kept.hpp>
#include <gradcomp/exec/engines.hpp>
#include <gradcomp/theory/operators.hpp>

#include <optional>

namespace gradcomp {
inline namespace compress {

/// C(x) = x on the chosen blocks, 0 elsewhere; the choice derives from (seed, step, tensor), never from the rank.
///
/// Keeps k = min(d, max(1, floor(d / ratio))) elements: one run that starts anywhere and wraps, or with `block` above 0 floor(k / block)
/// whole blocks (one run of k where that is 0). Bytes on the wire: sizeof(T) a kept element, no indices. One sweep.
/// In B1(q, 1), B2(q, 1), B3(1/q), q the probability of an element: k / d, or blocks kept / blocks.
/// @cite Xu, Huang, ICML 2022, section 3 (one run); Xie et al., "CSER", NeurIPS 2020 (blocks).
struct random_block {
    double ratio = 1;                                      ///< elements of the original over elements sent, at least 1
    std::optional<std::size_t> k = {};                     ///< elements sent a selection, instead of ratio
    std::uint32_t block = 0;                               ///< elements of a block; 0: one run
    gradcomp::scope scope = gradcomp::scope::per_tensor;   ///< over what one choice is made

    static constexpr bool unbiased = false, contractive = true, shared_support = true, additive = true;
    static constexpr int passes = 1, rounds = 1;
    /// @throws error invalid_option.
    void check() const { check_ratio(ratio); }

    block_choice choice(std::size_t d) const
    {
        const std::size_t wanted = kept_of(d, ratio, k);
        return {.size = d, .kept = block_choice::kept_for(wanted, block), .block = block_choice::block_for(wanted, block)};
    }
    std::size_t kept(std::size_t d) const { return choice(d).kept; } ///< elements of d that a message carries
    theory::membership classes(std::size_t d) const
    {
        const block_choice c = choice(d);
        if (d == 0) return theory::identity();
        return theory::random_block(c.block ? double(c.slots()) / double(c.blocks()) : double(c.kept) / double(d));
    }

    template <class T, class Executor> class coder {
    public:
        coder(const random_block& options, const Executor& executor, const coder_start& start)
            : layout_(make_layout(*start.list, *start.tensors, options.scope, [&](std::size_t d) { return options.choice(d).kept; })), key_{.seed = start.seed},
              engine_(executor, layout_, [&](const selection& s) { return checked(options.choice(s.size), start.list->name(layout_.segments[s.begin].tensor)); })
        {
        }
        std::size_t elements() const { return layout_.kept; }
        std::size_t bytes() const { return layout_.kept * sizeof(T); }
        const layout& where() const { return layout_; } ///< what is chosen among, and how much of it
        std::size_t fallbacks() const { return 0; }

        template <class Rules>
        auto encode(const Executor& executor, const Rules& rules, const typename Executor::template step<T>& now, std::byte* message, const exec::sweep_options& options)
        {
            return engine_.encode(executor, layout_, rules, now, key_, reinterpret_cast<T*>(message), options);
        }

        /// Nothing to check: any bit pattern is a message.
        void check(const Executor&, const std::byte*) const {}

        /// The blocks are those that encode() chose last.
        template <class Target> void decode(const Executor& executor, const std::byte* message, const Target& target) const
        {
            engine_.decode(executor, layout_, target, reinterpret_cast<const T*>(message));
        }
        template <class Target> void decode_all(const Executor& executor, const gathered_messages& all, const Target& target) const
            requires(Executor::decodes_together)
        {
            engine_.decode_all(executor, layout_, target, all);
        }

    private:
        static block_choice checked(const block_choice& choice, const std::string& tensor)
        {
            if (choice.block != 0 && choice.blocks() > std::uint64_t{1} << 31)
                throw error(error_code::size_overflow, "block", std::to_string(choice.block), "makes more than 2^31 blocks", {.tensor = tensor});
            return choice;
        }

        layout layout_;
        exec::choice_key key_;
        exec::block_engine<Executor, T> engine_;
    };
    template <class T, class Executor> auto start(const Executor& executor, const coder_start& with) const { return coder<T, Executor>(*this, executor, with); }
};
static_assert(compressor<random_block>);

} // namespace compress
} // namespace gradcomp
