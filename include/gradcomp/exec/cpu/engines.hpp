/// @file The engines of exec::cpu: what a coder asks of the executor, segment by segment.
#pragma once

#include <gradcomp/exec/cpu/block_norms.hpp>
#include <gradcomp/exec/cpu/chain_engine.hpp>
#include <gradcomp/exec/cpu/chunks.hpp>
#include <gradcomp/exec/cpu/code_engines.hpp>
#include <gradcomp/exec/cpu/dct.hpp>
#include <gradcomp/exec/cpu/gather_blocks.hpp>
#include <gradcomp/exec/cpu/indexed_messages.hpp>
#include <gradcomp/exec/cpu/late_choice.hpp>
#include <gradcomp/exec/cpu/low_rank.hpp>
#include <gradcomp/exec/cpu/scatter.hpp>
#include <gradcomp/exec/cpu/select.hpp>
#include <gradcomp/exec/cpu/send_marked.hpp>
#include <gradcomp/exec/engines.hpp>

#include <algorithm>
#include <vector>

namespace gradcomp::exec {

/// Every element, a share of each, or nothing: one sweep a tensor, no memory.
template <class T> class dense_engine<cpu_team, T> {
public:
    dense_engine(const cpu_team&, const layout&) {}

    template <class Rules, class Share>
    sweep_tally encode(const cpu_team& team, const layout& where, const Rules& rules, const step_state<T>&, Share share, T* message, const sweep_options& options) const
    {
        sweep_tally tally;
        for (const selection& s : where.selections)
            for (std::size_t at = s.begin; at < s.end; ++at) {
                const gradcomp::segment& piece = where.segments[at];
                tally += sweep(team, rules(piece), piece.size, chooser_of(share, message + s.payload + piece.first), options);
            }
        return tally;
    }
    template <class Target> void decode(const cpu_team& team, const layout& where, const Target& target, const T* message) const
    {
        for (const selection& s : where.selections)
            for (std::size_t at = s.begin; at < s.end; ++at) {
                const gradcomp::segment& piece = where.segments[at];
                apply_run(team, target, piece.offset, message + s.payload + piece.first, piece.size);
            }
    }

private:
    static send_all<T> chooser_of(whole_share, T* message)
    {
        send_all<T> send;
        send.payload = message;
        return send;
    }
    static send_scaled<T> chooser_of(scaled_share<T> share, T* message)
    {
        send_scaled<T> send;
        send.payload = message;
        send.factor = share.factor;
        return send;
    }
    static send_none chooser_of(empty_share, T*) { return {}; }
};

/// Random blocks: a table of 4 bytes a block for each selection.
template <class T> class block_engine<cpu_team, T> {
public:
    template <class ChoiceOf> block_engine(const cpu_team&, const layout& where, const ChoiceOf& choice_of)
    {
        for (const selection& s : where.selections) blocks_.emplace_back(choice_of(s));
    }

    template <class Rules>
    sweep_tally encode(const cpu_team& team, const layout& where, const Rules& rules, const step_state<T>& now, const choice_key& key, T* message, const sweep_options& options)
    {
        sweep_tally tally;
        for (std::size_t n = 0; n < where.selections.size(); ++n) {
            const selection& s = where.selections[n];
            blocks_[n].draw(key.stream(now.step, s.key, purpose::random_block));
            clear_padding(blocks_[n], message + s.payload);
            for (std::size_t at = s.begin; at < s.end; ++at) {
                send_blocks<T> send;
                send.blocks = &blocks_[n];
                send.first = where.segments[at].first;
                send.payload = message + s.payload;
                tally += sweep(team, rules(where.segments[at]), where.segments[at].size, send, options);
            }
        }
        return tally;
    }
    template <class Target> void decode(const cpu_team& team, const layout& where, const Target& target, const T* message) const
    {
        if constexpr (is_dense<Target>) clear_dense(team, where, target.to);
        for (std::size_t n = 0; n < where.selections.size(); ++n) {
            const selection& s = where.selections[n];
            for (std::size_t at = s.begin; at < s.end; ++at) {
                const gradcomp::segment& piece = where.segments[at];
                blocks_[n].pieces(piece.first, piece.first + piece.size, [&](std::size_t from, std::size_t count, std::size_t place) {
                    apply_run(team, target, piece.offset + (from - piece.first), message + s.payload + place, count);
                });
            }
        }
    }

private:
    /// A partial last block, when it is sent, ends in zeros.
    static void clear_padding(const chosen_blocks& blocks, T* message)
    {
        const block_choice& c = blocks.choice();
        if (c.block == 0 || c.size % c.block == 0) return;
        blocks.pieces(c.size - c.size % c.block, c.size, [&](std::size_t, std::size_t count, std::size_t at) {
            std::fill(message + at + count, message + at + c.block, T(0));
        });
    }

    std::vector<chosen_blocks> blocks_;
};

/// Random coordinates: one bit an element.
template <class T> class subset_engine<cpu_team, T> : public indexed_messages<T> {
public:
    template <class FactorOf> subset_engine(const cpu_team&, const layout& where, const FactorOf& factor_of) : indexed_messages<T>(where)
    {
        for (const selection& s : where.selections) {
            subsets_.emplace_back(s.size, s.kept);
            factors_.push_back(factor_of(s));
        }
    }

    template <class Rules>
    sweep_tally encode(const cpu_team& team, const layout& where, const Rules& rules, const step_state<T>& now, const choice_key& key,
        T* message, std::byte* index, const sweep_options& options)
    {
        sweep_tally tally;
        for (std::size_t n = 0; n < where.selections.size(); ++n) {
            const selection& s = where.selections[n];
            subsets_[n].draw(key.stream(now.step, s.key, purpose::rand_k));
            if (index) detail::write_indices(this->form(n), subsets_[n], this->indices(n, index));
            for (std::size_t at = s.begin; at < s.end; ++at) {
                send_marked<T> send;
                send.subset = &subsets_[n];
                send.first = where.segments[at].first;
                send.factor = factors_[n];
                send.payload = message + s.payload;
                tally += sweep(team, rules(where.segments[at]), where.segments[at].size, send, options);
            }
        }
        return tally;
    }
    template <class Target> void decode(const cpu_team& team, const layout& where, const Target& target, const T* message) const
    {
        if constexpr (is_dense<Target>) clear_dense(team, where, target.to);
        for (std::size_t n = 0; n < where.selections.size(); ++n) {
            const selection& s = where.selections[n];
            const T* value = message + s.payload;
            for (std::size_t at = s.begin; at < s.end; ++at) {
                const gradcomp::segment& piece = where.segments[at];
                subsets_[n].for_each(piece.first, piece.first + piece.size, [&](std::size_t i) { target(piece.offset + (i - piece.first), *value++); });
            }
        }
    }

private:
    std::vector<marked_subset> subsets_;
    std::vector<T> factors_;
};

/// The k largest of each selection.
template <class T> class top_k_engine<cpu_team, T> : public indexed_messages<T> {
public:
    top_k_engine(const cpu_team& team, const layout& where)
        : indexed_messages<T>(where), workspace_(largest(where, &selection::size), largest(where, &selection::kept), team.threads(), most_segments(where))
    {
        for (const gradcomp::segment& piece : where.segments) pieces_.push_back({piece.size, piece.first});
    }

    template <class Rules>
    sweep_tally encode(const cpu_team& team, const layout& where, const Rules& rules, const step_state<T>& now, const choice_key& key, T* message, std::byte* index,
        const sweep_options& options)
    {
        sweep_tally tally;
        for (std::size_t n = 0; n < where.selections.size(); ++n) {
            const selection& s = where.selections[n];
            const auto rule = [&](std::size_t at) { return rules(where.segments[s.begin + at]); };
            const auto again = [&](std::size_t at) { return rules(where.segments[s.begin + at]).again(); };
            const auto report = select_top_k(team, std::span<const exec::segment>(pieces_).subspan(s.begin, s.end - s.begin), rule, again, s.kept,
                key.stream(now.step, s.key, purpose::sample), this->form(n), this->indices(n, index), message + s.payload, workspace_, options);
            tally += report.tally;
            fallbacks_ += report.fallback;
        }
        return tally;
    }
    std::size_t fallbacks() const { return fallbacks_; }

private:
    static std::size_t largest(const layout& where, std::size_t selection::* what)
    {
        std::size_t most = 0;
        for (const selection& s : where.selections) most = std::max(most, s.*what);
        return most;
    }
    static std::size_t most_segments(const layout& where)
    {
        std::size_t most = 0;
        for (const selection& s : where.selections) most = std::max(most, s.end - s.begin);
        return most;
    }

    top_k_workspace<T> workspace_;
    std::vector<exec::segment> pieces_;
    std::size_t fallbacks_ = 0;
};

} // namespace gradcomp::exec
