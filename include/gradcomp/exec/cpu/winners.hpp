/// @file The last step of a selection: from the candidates and the threshold to the message, and to a memory that agrees with it.
#pragma once

#include <gradcomp/core/index_code.hpp>
#include <gradcomp/exec/cpu/compact.hpp>

#include <algorithm>
#include <atomic>

namespace gradcomp::exec::detail {

/// Whether a rule has a memory that is mended when the message turns out otherwise.
template <class Rule> concept settles = requires(const Rule rule, std::size_t i, typename Rule::value_type p) { rule.settle(i, p, p); };
/// Whether settle() may be called before the choice is final, so that a sweep can let elements go that surely win.
template <class Rule> constexpr bool settles_early()
{
    if constexpr (requires { Rule::settles_late; }) return !Rule::settles_late;
    else return settles<Rule>;
}

template <bool Memory, class T, class Index>
void take(isa level, const T* value, const std::uint16_t* place, std::size_t count, Index base, winner_rule<T>& rule, winner_lists<T, Index>& out)
{
#if GRADCOMP_X86
    if constexpr (sizeof(Index) < 8)
        if (level == isa::avx512) return take_avx512<Memory, T>(value, place, count, base, rule, out);
#endif
    (void)level;
    take_portable<Memory, T>(value, place, count, base, rule, out);
}

/// Mends the memory one batch late: each element is a cache miss of its own, asked for when it is found.
template <class T, class Rule> class mender {
public:
    mender(const Rule& rule, std::size_t element, bits_t<T> left) : rule_(rule), element_(element), left_(left) {}
    std::uint16_t* place() { return place_[now_]; }
    T* value() { return value_[now_]; }
    void add(std::uint32_t count)
    {
        count_[now_] = count;
        for (std::uint32_t w = 0; w < count; ++w)
            for (int j = 0; j < Rule::outputs; ++j) __builtin_prefetch(rule_.out[j] + element_ + place_[now_][w], 1);
        now_ ^= 1;
        settle_batch();
    }
    /// Mends what is left.
    void finish() { add(0); }

private:
    void settle_batch()
    {
        for (std::uint32_t w = 0; w < count_[now_]; ++w) {
            const T p = value_[now_][w];
            rule_.settle(element_ + place_[now_][w], p, magnitude(p) < left_ ? p : T(0));
        }
        count_[now_] = 0;
    }

    const Rule& rule_;
    std::size_t element_;
    bits_t<T> left_;
    int now_ = 0;
    std::uint32_t count_[2] = {};
    std::uint16_t place_[2][tile_size + 16];
    T value_[2][tile_size + 16];
};

/// Where one member's part of a message goes.
template <class T> struct winner_target {
    std::byte* index;
    T* value;
    std::uint32_t* counts; ///< of index tiles, zeroed before; null where there are none
    bool past_caches;
};

/// The entries of a run in the one or two tiles that it touches: each(first entry, last, tile).
template <class T, class Each> void each_tile_of(const candidate_list<T>& list, std::size_t begin, std::size_t end, std::size_t first, Each each)
{
    const std::size_t tile = first / index_tile, left = index_tile - first % index_tile;
    const std::uint16_t* const places = list.places();
    const auto cut = left == index_tile ? end : static_cast<std::size_t>(std::lower_bound(places + begin, places + end, left) - places);
    each(begin, cut, tile);
    if (cut < end) each(cut, end, tile + 1);
}

/// Writes the winners of one list and mends the memory where the pass guessed wrong.
/// @tparam Index what the message holds of an index: places within tiles, modulo 2^16, are what that type keeps
template <class Index, class T, class RuleOf>
void write_winners(isa level, const candidate_list<T>& list, std::span<const segment> segments, const RuleOf& rule_of, winner_rule<T> rule, const winner_target<T>& to)
{
    using rule_type = std::remove_cvref_t<decltype(rule_of(0))>;
    line_writer<Index> indices;
    line_writer<T> values;
    indices.start(level, to.index, to.past_caches);
    values.start(level, reinterpret_cast<std::byte*>(to.value), to.past_caches);
    for (std::size_t r = 0; r < list.runs().size(); ++r) {
        const auto run = list.runs()[r];
        const std::size_t first = segments[run.segment].first + run.element;
        const auto each_batch = [&](auto take_batch) {
            each_tile_of(list, run.start, list.run_end(r), first, [&](std::size_t begin, std::size_t end, std::size_t tile) {
                std::uint32_t winners = 0;
                for (std::size_t i = begin; i < end; i += tile_size) {
                    const winner_lists<T, Index> out = take_batch(i, std::min(tile_size, end - i));
                    indices.add(out.winners);
                    values.add(out.winners);
                    winners += out.winners;
                }
                if (to.counts != nullptr && winners > 0) std::atomic_ref(to.counts[tile]).fetch_add(winners, std::memory_order_relaxed); // members share tiles
            });
        };
        if constexpr (settles<rule_type>) {
            const rule_type source = rule_of(run.segment);
            mender<T, rule_type> mend(source, run.element, rule.left);
            each_batch([&](std::size_t i, std::size_t count) {
                winner_lists<T, Index> out{indices.end(), values.end(), mend.place(), mend.value()};
                take<true>(level, list.values() + i, list.places() + i, count, static_cast<Index>(first), rule, out);
                mend.add(out.wrong);
                return out;
            });
            mend.finish();
        } else {
            each_batch([&](std::size_t i, std::size_t count) {
                winner_lists<T, Index> out{indices.end(), values.end(), nullptr, nullptr};
                take<false>(level, list.values() + i, list.places() + i, count, static_cast<Index>(first), rule, out);
                return out;
            });
        }
    }
    indices.finish();
    values.finish();
}

} // namespace gradcomp::exec::detail
