/// @file Where to look for a threshold: exact ranks by counting, and thresholds estimated from a sample.
#pragma once

#include <gradcomp/core/random.hpp>
#include <gradcomp/exec/cpu/compact.hpp>
#include <gradcomp/exec/cpu/team.hpp>

#include <algorithm>
#include <cmath>

namespace gradcomp::exec {
namespace detail {

/// One count of how often each digit occurs. Two tables, so that equal neighbours do not wait for each other.
struct digit_counts {
    std::uint32_t at[2][2048];

    void clear() { std::memset(at, 0, sizeof at); }
    std::size_t of(std::size_t digit) const { return std::size_t{at[0][digit]} + at[1][digit]; }
    /// Moves to the digit that holds rank `rank` (1 is the largest); returns it and leaves the rank within.
    std::size_t find(std::size_t& rank) const
    {
        return find(rank, [this](std::size_t digit) { return of(digit); });
    }
    /// The same over any counts.
    template <class Of> static std::size_t find(std::size_t& rank, const Of& of)
    {
        std::size_t digit = 2047;
        for (std::size_t here; digit > 0 && (here = of(digit)) < rank; --digit) rank -= here;
        return digit;
    }
};

/// The key of rank `rank` (1 is the largest) among those of all lists that lie in [low, high].
///
/// Counts digits of 11 bits from `low` up until few are left. @pre at least `rank` such keys
template <class Key> struct rank_body {
    const std::span<const Key>* lists;
    std::size_t list_count, rank;
    Key low, high;
    digit_counts* counts;
    Key* result;

    template <isa> GRADCOMP_INLINE void run() const
    {
        Key from = low, to = high;
        std::size_t r = rank, population = few + 1;
        while (from != to && population > few) {
            int shift = 0;
            while (((to - from) >> shift) >= 2048) ++shift;
            counts->clear();
            each(from, to, [&](Key key, std::size_t i) __attribute__((always_inline)) { ++counts->at[i & 1][(key - from) >> shift]; });
            const std::size_t digit = counts->find(r);
            population = counts->of(digit);
            from += static_cast<Key>(digit) << shift;
            to = std::min(to, static_cast<Key>(from + ((Key{1} << shift) - 1)));
        }
        *result = from == to ? from : sorted(from, to, r);
    }

private:
    static constexpr std::size_t few = 1024;

    /// f(key, place) for each key in [from, to]; one test rules out 16 keys at once.
    template <class F> GRADCOMP_INLINE void each(Key from, Key to, F f) const
    {
        const Key span = to - from;
        for (std::size_t l = 0; l < list_count; ++l) {
            const Key* keys = lists[l].data();
            const std::size_t n = lists[l].size();
            std::size_t i = 0;
            for (; i + 16 <= n; i += 16) {
                Key inside = 0;
                for (std::size_t j = 0; j < 16; ++j) inside |= static_cast<Key>(keys[i + j] - from <= span);
                if (inside == 0) continue;
                for (std::size_t j = 0; j < 16; ++j)
                    if (keys[i + j] - from <= span) f(keys[i + j], j);
            }
            for (; i < n; ++i)
                if (keys[i] - from <= span) f(keys[i], i);
        }
    }
    GRADCOMP_INLINE Key sorted(Key from, Key to, std::size_t r) const
    {
        Key left[few];
        std::size_t n = 0;
        each(from, to, [&](Key key, std::size_t) __attribute__((always_inline)) { left[n++] = key; });
        std::nth_element(left, left + (r - 1), left + n, std::greater<>());
        return left[r - 1];
    }
};

template <class Key> Key find_rank(isa level, std::span<const std::span<const Key>> lists, std::size_t rank, Key low, Key high, digit_counts& counts)
{
    Key result = low;
    at_level(level, rank_body<Key>{lists.data(), lists.size(), rank, low, high, &counts, &result});
    return result;
}

/// The random place of each stratum; four strata share a block of the stream.
struct strata {
    std::size_t n, count;
    random_stream random;
    std::size_t block = ~std::size_t{0};
    word4 words = {};

    std::size_t place(std::size_t stratum)
    {
        if (stratum / 4 != block) words = random.block(static_cast<std::uint32_t>(block = stratum / 4));
        const std::size_t begin = n / count * stratum + n % count * stratum / count;
        const std::size_t end = n / count * (stratum + 1) + n % count * (stratum + 1) / count;
        return begin + static_cast<std::size_t>(std::uint64_t{words.at[stratum % 4]} * (end - begin) >> 32);
    }
};

/// Magnitudes of 16 neighbours at a random place of each stratum: a cache line where the streams are aligned.
template <class T, class RuleOf> struct sample_body {
    static constexpr std::size_t line = 16, batch = 32;
    std::span<const segment> segments;
    const RuleOf* rule_of;
    strata pick;
    std::size_t first, last; ///< this member's strata
    non_finite policy;
    bits_t<T>* keys;

    template <isa> GRADCOMP_INLINE void run()
    {
        std::size_t element[batch], s = 0, begin = 0;
        for (std::size_t l = first; l < last;) {
            const std::size_t place = pick.place(l);
            while (place - begin >= segments[s].size) begin += segments[s++].size;
            const auto rule = (*rule_of)(s);
            const std::size_t size = segments[s].size, end = std::min(last, l + batch);
            std::size_t count = 0;
            for (; l + count < end && pick.place(l + count) - begin < size; ++count) { // each line is a cache miss: ask for all of them first
                element[count] = (pick.place(l + count) - begin) / line * line;
                prefetch_at(rule, element[count]);
            }
            for (std::size_t b = 0; b < count; ++b) read(rule, element[b], size, keys + (l + b) * line);
            l += count;
        }
    }

private:
    template <class Rule> GRADCOMP_INLINE void read(const Rule& rule, std::size_t at, std::size_t size, bits_t<T>* to) const
    {
        if (at + line <= size)
            for (std::size_t j = 0; j < line; ++j) to[j] = rank_key(value_at(rule, at + j));
        else
            for (std::size_t j = 0; j < line; ++j) to[j] = rank_key(value_at(rule, at + j % (size - at)));
        bits_t<T> largest = 0;
        for (std::size_t j = 0; j < line; ++j) largest = std::max(largest, to[j]);
        if (largest >= key_of<T>::infinity && policy != non_finite::propagate) [[unlikely]]
            for (std::size_t j = 0; j < line; ++j)
                if (to[j] >= key_of<T>::infinity) to[j] = rank_key(value_without_gradient(rule, at + j % (size - at)));
    }
};

/// Spread of the number of sampled elements at or above `key`. Neighbours are often alike, so lines are counted, not elements.
template <class T> struct spread_body {
    const bits_t<T>* keys;
    std::size_t lines;
    bits_t<T> key;
    double* result;

    template <isa> GRADCOMP_INLINE void run() const
    {
        std::uint64_t sum = 0, squares = 0;
        for (std::size_t l = 0; l < lines; ++l) {
            bits_t<T> hits = 0;
            for (std::size_t j = 0; j < 16; ++j) hits += keys[l * 16 + j] >= key;
            sum += hits;
            squares += std::uint64_t{hits} * hits;
        }
        *result = std::sqrt(std::max(0.0, static_cast<double>(squares) - static_cast<double>(sum) * static_cast<double>(sum) / static_cast<double>(lines)));
    }
};

} // namespace detail

/// Memory of sample_bracket, allocated once.
template <class T> struct sample_space {
    static constexpr std::size_t most = std::size_t{1} << 16;
    detail::raw_array<bits_t<T>> keys{most}, top{most};
    std::unique_ptr<detail::digit_counts> counts = std::make_unique<detail::digit_counts>();
};

namespace detail {

/// The bracket of the share `share` of all elements, from the magnitudes of whole lines.
template <class T> bracket<T> bracket_of_sample(isa level, std::span<const bits_t<T>> keys, double share, sample_space<T>& space)
{
    using key = bits_t<T>;
    const auto size = static_cast<double>(keys.size());
    const double rank = share * size, even = std::sqrt(rank * (1 - share));
    const auto key_of_rank = [&](std::span<const key> among, double r, key low) {
        return find_rank<key>(level, std::span(&among, 1), static_cast<std::size_t>(r), low, key_of<T>::sign - 1, *space.counts);
    };
    const double enough = std::min(size, std::ceil(rank + 12 * even + 16)); // the ranks that matter, and few others
    const key floor = key_of_rank(keys, enough, 0);
    key* top = space.top.data();
    std::size_t count = 0;
    for (const key x : keys) {
        top[count] = x;
        count += x >= floor;
    }
    const key middle = key_of_rank({top, count}, std::max(1.0, rank), floor);
    double spread = 0;
    at_level(level, spread_body<T>{keys.data(), keys.size() / 16, middle, &spread});
    spread = std::max(spread, even);
    const double below = std::ceil(rank + 5 * spread + 4), above = std::floor(rank - 2.5 * spread - 2);
    bracket<T> found;
    if (below <= static_cast<double>(count)) found.low = key_of_rank({top, count}, below, floor);
    else if (below < size) found.low = key_of_rank(keys, below, 0);
    if (rank >= 1) found.high = middle;
    if (above >= 1) found.sure = std::max(key_of_rank({top, count}, above, middle), static_cast<key>(found.low + 1));
    return found;
}

} // namespace detail

/// Estimates the threshold of the k largest of n elements from a stratified sample of whole lines.
///
/// Margins: 5 standard deviations below (missing costs more passes), 2.5 above (missing costs a second look at the candidates); the memory
/// lets go at the estimate itself, which leaves the fewest elements to mend. Reads at most 65536 elements; writes nothing but `space`.
template <class T, class RuleOf>
bracket<T> sample_bracket(const cpu_team& team, std::span<const segment> segments, const RuleOf& rule_of, std::size_t n, std::size_t k,
    const random_stream& random, non_finite policy, sample_space<T>& space)
{
    constexpr std::size_t line = 16;
    if (k >= n) return {0, 0, 0};
    if (n <= 8192) return {};
    const std::size_t wanted = k > n / 40 ? n / 16 : n / 32, most = k > n / 40 ? space.most : space.most / 2;
    const std::size_t lines = std::clamp<std::size_t>(wanted, 4096, most) / line, members = team.members_for(lines * line * 4);
    bits_t<T>* keys = space.keys.data();
    team.run(members, [&](std::size_t t) {
        at_level(team.level(), detail::sample_body<T, RuleOf>{segments, &rule_of, {n, lines, random}, lines * t / members, lines * (t + 1) / members, policy, keys});
    });
    return detail::bracket_of_sample<T>(team.level(), {keys, lines * line}, static_cast<double>(k) / static_cast<double>(n), space);
}

} // namespace gradcomp::exec
