/// @file Exact top-k by magnitude, fused with the sweep that forms p: one pass over the streams, then work on the candidates only.
#pragma once

#include <gradcomp/exec/cpu/bracket.hpp>
#include <gradcomp/exec/cpu/winners.hpp>

#include <optional>
#include <vector>

namespace gradcomp::exec {

/// What a selection did beside its message.
struct select_report {
    sweep_tally tally;
    bool fallback = false; ///< the sampled bracket missed: slower, same result
};

/// Everything that a selection needs beside its streams, allocated once; pages are touched only when used.
template <class T> class top_k_workspace {
public:
    /// For selections of at most k of at most n elements in at most `segments` segments by a team of at most `members` threads.
    top_k_workspace(std::size_t n, std::size_t k, std::size_t members, std::size_t segments = 1) : keys(members), winners(members), ties(members)
    {
        for (std::size_t t = 0; t < members; ++t) {
            lists.emplace_back(n, segments, std::min(n, 2 * k + (std::size_t{1} << 17)));
            counts.push_back(std::make_unique<detail::digit_counts>());
        }
    }

    /// For tests: replaces the sampled bracket of every later selection. Whatever it is, the result stays the same.
    std::optional<bracket<T>> override_bracket;

    std::vector<candidate_list<T>> lists; ///< one per member, as all that follows
    std::vector<std::unique_ptr<detail::digit_counts>> counts;
    std::vector<std::span<const bits_t<T>>> keys;
    std::vector<std::size_t> winners, ties; ///< winners above the threshold; entries that equal it, then how many of those win
    sample_space<T> sample;
};

namespace detail {

/// The share of one member of a selection, cut into pieces of single segments: f(segment, begin, end).
template <class F> void each_piece(std::span<const segment> segments, std::size_t n, std::size_t t, std::size_t members, F f)
{
    constexpr std::size_t grain = tile_size * 16; // the tiles that a sweep samples must not depend on the number of threads
    const auto cut = [n, members](std::size_t member) { return n / members * member + n % members * member / members; };
    const std::size_t from = cut(t), to = cut(t + 1);
    std::size_t first = 0;
    for (std::size_t s = 0; s < segments.size(); first += segments[s++].size) {
        const std::size_t size = segments[s].size;
        const auto inside = [&](std::size_t place) { return place >= first + size ? size : place <= first ? 0 : (place - first) / grain * grain; };
        const std::size_t begin = inside(from), end = t + 1 == members ? size : inside(to);
        if (begin < end) f(s, begin, end);
    }
}

/// One pass over all segments; every member fills its own list.
template <class T, class RuleOf>
sweep_tally list_candidates(const cpu_team& team, std::size_t members, std::span<const segment> segments, std::size_t n, const RuleOf& rule_of,
    std::vector<candidate_list<T>>& lists, const sweep_options& options)
{
    sweep_tally tallies[cpu_team::max_threads];
    team.run(members, [&](std::size_t t) {
        each_piece(segments, n, t, members, [&](std::size_t s, std::size_t begin, std::size_t end) {
            const auto rule = rule_of(s);
            sweep_tally seen;
            lists[t].enter(s);
            at_level(team.level(), sweep_body<std::remove_const_t<decltype(rule)>, candidate_list<T>>{rule, begin, end, &lists[t], options, &seen});
            tallies[t] += seen;
        });
        lists[t].finish();
    });
    sweep_tally total;
    for (std::size_t t = 0; t < members; ++t) total += tallies[t];
    return total;
}

/// Undoes a pass whose candidates do not suffice.
template <class T, class RuleOf> void put_back(const candidate_list<T>& list, const RuleOf& rule_of)
{
    for (std::size_t r = 0; r < list.runs().size(); ++r) {
        const auto run = list.runs()[r];
        const auto rule = rule_of(run.segment);
        for (std::size_t i = run.start; i < list.run_end(r); ++i)
            if (const T p = list.values()[i]; magnitude(p) >= list.limits().high) rule.settle(run.element + list.places()[i], p, T(0));
    }
}

/// One digit of an exact radix selection over p, for one member: counts digit `digit` of those that start with `prefix`.
template <class T, class Rule> struct count_body {
    Rule rule;
    std::size_t begin, end;
    non_finite policy;
    int digit;
    bits_t<T> prefix; ///< the digits before, shifted down
    digit_counts* counts;

    template <isa> GRADCOMP_INLINE void run() const
    {
        Rule at = rule;
        at.advance(begin);
        for (std::size_t base = begin; base < end; base += tile_size, at.advance(tile_size))
            if (end - base >= tile_size) tile(at, tile_size);
            else tile(at, end - base);
    }

private:
    GRADCOMP_INLINE void tile(const Rule& at, std::size_t count) const
    {
        bits_t<T> key[tile_size], largest = 0;
        for (std::size_t i = 0; i < count; ++i) {
            key[i] = rank_key(value_at(at, i));
            largest = std::max(largest, key[i]);
        }
        if (largest >= key_of<T>::infinity && policy != non_finite::propagate) [[unlikely]]
            for (std::size_t i = 0; i < count; ++i)
                if (key[i] >= key_of<T>::infinity) key[i] = rank_key(value_without_gradient(at, i));
        const int above = radix<T>::shift(digit) + radix<T>::width(digit);
        for (std::size_t i = 0; i < count; i += 16) {
            const std::size_t stop = count - i < 16 ? count : i + 16;
            if (digit > 0) {
                bits_t<T> match = 0;
                for (std::size_t j = i; j < stop; ++j) match |= static_cast<bits_t<T>>(key[j] >> above == prefix);
                if (match == 0) continue;
            }
            for (std::size_t j = i; j < stop; ++j)
                if (digit == 0 || key[j] >> above == prefix) ++counts->at[j & 1][radix<T>::value(key[j], digit)];
        }
    }
};

/// The magnitude of rank k over all segments, by radix selection: a few more reads of p, for when the sample missed.
template <class T, class RuleOf>
bits_t<T> exact_threshold(const cpu_team& team, std::size_t members, std::span<const segment> segments, std::size_t n, const RuleOf& again_of,
    std::size_t k, top_k_workspace<T>& workspace, non_finite policy)
{
    bits_t<T> prefix = 0;
    for (int digit = 0; digit < radix<T>::digits; ++digit) {
        team.run(members, [&](std::size_t t) {
            workspace.counts[t]->clear();
            each_piece(segments, n, t, members, [&](std::size_t s, std::size_t begin, std::size_t end) {
                const auto rule = again_of(s);
                at_level(team.level(), count_body<T, std::remove_const_t<decltype(rule)>>{rule, begin, end, policy, digit, prefix, workspace.counts[t].get()});
            });
        });
        const auto of = [&](std::size_t v) {
            std::size_t sum = 0;
            for (std::size_t t = 0; t < members; ++t) sum += workspace.counts[t]->of(v);
            return sum;
        };
        prefix = static_cast<bits_t<T>>(prefix << radix<T>::width(digit)) | static_cast<bits_t<T>>(digit_counts::find(k, of));
    }
    return prefix;
}

/// The magnitude of rank k among the candidates. @pre the lists hold at least k together
template <class T> bits_t<T> listed_threshold(const cpu_team& team, std::size_t members, std::size_t k, top_k_workspace<T>& workspace)
{
    std::size_t above = 0;
    for (std::size_t t = 0; t < members; ++t) above += workspace.lists[t].above();
    bracket<T> limits = workspace.lists[0].limits();
    if (above >= k) { // the threshold is not where it was expected
        limits.low = limits.sure, limits.sure = bracket<T>::never, above = 0;
        team.run(members, [&](std::size_t t) { workspace.lists[t].narrow(limits.low, limits.sure); });
    }
    if (limits.sure - limits.low == 1) return limits.low;
    for (std::size_t t = 0; t < members; ++t) workspace.keys[t] = workspace.lists[t].keys();
    const bits_t<T> highest = std::min<bits_t<T>>(limits.sure, key_of<T>::sign) - 1;
    return find_rank<bits_t<T>>(team.level(), std::span(workspace.keys.data(), members), k - above, limits.low, highest, *workspace.counts[0]);
}

/// Fills workspace.winners and .ties: how many entries of each member's list win.
template <class T> void share_winners(std::size_t members, std::size_t k, bits_t<T> threshold, top_k_workspace<T>& workspace)
{
    std::size_t left = k;
    for (std::size_t t = 0; t < members; ++t) {
        const candidate_list<T>& list = workspace.lists[t];
        std::size_t above = list.above(), equal = 0;
        for (const bits_t<T> key : list.keys()) above += key > threshold, equal += key == threshold;
        if (list.limits().sure - list.limits().low == 1) equal = list.between();
        left -= workspace.winners[t] = above;
        workspace.ties[t] = equal;
    }
    for (std::size_t t = 0; t < members; ++t) left -= workspace.ties[t] = std::min(left, workspace.ties[t]);
}

/// Zeros where a message needs them before its indices are written: counts of tiles, and what lies behind the last of k indices.
inline void clear_around_indices(const index_form& form, std::size_t k, std::byte* at)
{
    const std::size_t end = form.first() + form.width * k;
    if (form.bytes() == 0) return;
    std::memset(at, 0, form.first());
    std::memset(at + end, 0, form.bytes() - end);
}

/// All members write their part of the message at once.
template <class Index, class T, class RuleOf>
void write_message(const cpu_team& team, std::size_t members, std::span<const segment> segments, const RuleOf& rule_of, bits_t<T> threshold, const index_form& form,
    std::byte* index, T* value, std::size_t k, top_k_workspace<T>& workspace)
{
    auto* const counts = form.tiles > 0 ? reinterpret_cast<std::uint32_t*>(index) : nullptr;
    team.run(members, [&](std::size_t t) {
        std::size_t first = 0;
        for (std::size_t before = 0; before < t; ++before) first += workspace.winners[before] + workspace.ties[before];
        const candidate_list<T>& list = workspace.lists[t];
        write_winners<Index, T>(team.level(), list, segments, rule_of, {threshold, list.limits().high, workspace.ties[t]},
            {index + form.first() + first * sizeof(Index), value + first, counts, k > (std::size_t{1} << 18)});
    });
}

} // namespace detail

/// Sweeps all segments as ONE selection and writes the k entries of the largest |p|, in index order: values to value[0..k), indices in their form, with
/// zeros in what room is left.
///
/// NaN > Inf > finite; ties at the threshold go to the lowest index. Segments are in ascending order of `first` and do not overlap.
/// rule_of(s) is segment s's sweep_rule (streams at its element 0). again_of(s) is a sweep_rule without outputs that reads p again after
/// the pass, provided that nothing was sent: read_rule over the memory, or the rule itself where it writes nothing that it reads.
/// A rule with a memory has settle(i, p, c): rewrites what the memory keeps for element i when the message's share of it turns out to be
/// c (0 or p); it may depend on p and c only. One that says settles_late is called once for each winner, after a sweep with c = 0. `sample` changes time, never results. value() must have no effect.
///
/// Set, order, values and memory do not depend on threads, instruction set or sampling. Allocates nothing. Complexity: one pass over the
/// streams and two over about k entries of 6 bytes (float); where the sample misses, four to seven more reads of p.
/// @pre k <= total size < 2^33, k <= form.kept, form.size is above every index, `index` is aligned to 4 bytes, and the workspace is large enough
template <class T, class RuleOf, class AgainOf>
select_report select_top_k(const cpu_team& team, std::span<const segment> segments, const RuleOf& rule_of, const AgainOf& again_of, std::size_t k,
    const random_stream& sample, const index_form& form, std::byte* index, T* value, top_k_workspace<T>& workspace, sweep_options options = {})
{
    using rule_type = std::remove_cvref_t<decltype(rule_of(0))>;
    constexpr bool leaves_early = detail::settles_early<rule_type>();
    std::size_t n = 0, listed = 0;
    for (const segment& s : segments) n += s.size;
    const std::size_t members = team.members_for(n);
    select_report report;
    bracket<T> limits{bracket<T>::never, bracket<T>::never, bracket<T>::never};
    if (k > 0) limits = workspace.override_bracket ? *workspace.override_bracket
                                                   : sample_bracket<T>(team, segments, rule_of, n, k, sample, options.bad_elements, workspace.sample);
    for (std::size_t t = 0; t < members; ++t) workspace.lists[t].start(team.level(), limits, n, k, leaves_early);
    report.tally = detail::list_candidates<T>(team, members, segments, n, rule_of, workspace.lists, options);
    detail::clear_around_indices(form, k, index);
    if (k == 0) return report;
    for (std::size_t t = 0; t < members; ++t) {
        listed += workspace.lists[t].size();
        report.fallback |= workspace.lists[t].overflowed();
    }
    report.fallback |= listed < k;
    bits_t<T> threshold = 0;
    if (report.fallback) {
        if constexpr (leaves_early) team.run(members, [&](std::size_t t) { detail::put_back(workspace.lists[t], rule_of); });
        threshold = k == n ? 0 : detail::exact_threshold<T>(team, members, segments, n, again_of, k, workspace, options.bad_elements);
        for (std::size_t t = 0; t < members; ++t)
            workspace.lists[t].start(team.level(), {threshold, bracket<T>::never, static_cast<bits_t<T>>(threshold + 1)}, n, k, false);
        detail::list_candidates<T>(team, members, segments, n, again_of, workspace.lists, {.bad_elements = options.bad_elements});
    } else if (k < n) {
        threshold = detail::listed_threshold<T>(team, members, k, workspace);
    }
    if (k < n) detail::share_winners<T>(members, k, threshold, workspace);
    else // a threshold of 0 that everything may equal
        for (std::size_t t = 0; t < members; ++t) workspace.winners[t] = 0, workspace.ties[t] = workspace.lists[t].size();
    const auto write = form.width == 2 ? detail::write_message<std::uint16_t, T, RuleOf>
                     : form.width == 4 ? detail::write_message<std::uint32_t, T, RuleOf> : detail::write_message<std::uint64_t, T, RuleOf>;
    write(team, members, segments, rule_of, threshold, form, index, value, k, workspace);
    return report;
}

} // namespace gradcomp::exec
