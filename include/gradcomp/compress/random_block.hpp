/// @file Random block sparsification (RBGS): every rank sends the same random blocks, so messages add and carry no indices.
#pragma once

#include <gradcomp/core/coder.hpp>
#include <gradcomp/core/concepts.hpp>
#include <gradcomp/core/kept.hpp>
#include <gradcomp/exec/cpu/gather_blocks.hpp>
#include <gradcomp/exec/cpu/scatter.hpp>
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
    theory::membership classes(std::size_t d) const
    {
        const block_choice c = choice(d);
        if (d == 0) return theory::identity();
        return theory::random_block(c.block ? double(c.slots()) / double(c.blocks()) : double(c.kept) / double(d));
    }

    template <class T, class Executor> class coder {
    public:
        coder(const random_block& options, const coder_start& start)
            : layout_(make_layout(*start.list, *start.tensors, options.scope, [&](std::size_t d) { return options.choice(d).kept; })), seed_(start.seed)
        {
            for (const selection& s : layout_.selections) {
                const block_choice choice = options.choice(s.size);
                if (choice.block != 0 && choice.blocks() > std::uint64_t{1} << 31)
                    throw error(error_code::size_overflow, "block", std::to_string(choice.block), "makes more than 2^31 blocks",
                        {.tensor = start.list->name(layout_.segments[s.begin].tensor)});
                blocks_.emplace_back(choice);
            }
        }
        std::size_t elements() const { return layout_.kept; }
        std::size_t bytes() const { return layout_.kept * sizeof(T); }
        std::size_t fallbacks() const { return 0; }

        template <class RuleOf>
        exec::sweep_tally encode(const Executor& team, RuleOf rule_of, const step_state<T>& state, std::byte* message, const exec::sweep_options& options)
        {
            exec::sweep_tally tally;
            for (std::size_t n = 0; n < layout_.selections.size(); ++n) {
                const selection& s = layout_.selections[n];
                T* const payload = reinterpret_cast<T*>(message) + s.payload;
                blocks_[n].draw({seed_, state.step, s.key, purpose::random_block, 0});
                clear_padding(blocks_[n], payload);
                for (std::size_t at = s.begin; at < s.end; ++at) {
                    exec::send_blocks<T> send;
                    send.blocks = &blocks_[n];
                    send.first = layout_.segments[at].first;
                    send.payload = payload;
                    tally += sweep(team, rule_of(layout_.segments[at]), layout_.segments[at].size, send, options);
                }
            }
            return tally;
        }

        /// Nothing to check: any bit pattern is a message.
        void check(const std::byte*) const {}

        /// The blocks are those that encode() drew last.
        template <class Target> void decode(const Executor& team, const std::byte* message, const Target& target) const
        {
            for (std::size_t n = 0; n < layout_.selections.size(); ++n) {
                const selection& s = layout_.selections[n];
                const T* const payload = reinterpret_cast<const T*>(message) + s.payload;
                for (std::size_t at = s.begin; at < s.end; ++at) {
                    const segment& piece = layout_.segments[at];
                    blocks_[n].pieces(piece.first, piece.first + piece.size, [&](std::size_t from, std::size_t count, std::size_t place) {
                        apply_run(team, target, piece.offset + (from - piece.first), payload + place, count);
                    });
                }
            }
        }

    private:
        /// A partial last block, when it is sent, ends in zeros.
        static void clear_padding(const exec::chosen_blocks& blocks, T* payload)
        {
            const block_choice& c = blocks.choice();
            if (c.block == 0 || c.size % c.block == 0) return;
            blocks.pieces(c.size - c.size % c.block, c.size, [&](std::size_t, std::size_t count, std::size_t at) {
                std::fill(payload + at + count, payload + at + c.block, T(0));
            });
        }

        layout layout_;
        std::uint64_t seed_;
        std::vector<exec::chosen_blocks> blocks_;
    };
    template <class T, class Executor> auto start(const Executor&, const coder_start& with) const { return coder<T, Executor>(*this, with); }
};
static_assert(compressor<random_block>);

} // namespace compress
} // namespace gradcomp
