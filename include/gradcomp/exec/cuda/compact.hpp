/// @file What one CUDA thread does to list candidates in index order: two phases around a scan over the block of threads.
#pragma once

#include <gradcomp/core/radix.hpp>
#include <gradcomp/exec/cuda/lane.hpp>

namespace gradcomp::exec {

/// Four counts of 16 bits. The order of a tile's elements is (pack, thread, neighbour), so one scan over threads orders all four packs.
struct lane_counts {
    std::uint64_t packed = 0;
    GRADCOMP_HD friend lane_counts operator+(lane_counts a, lane_counts b) { return {a.packed + b.packed}; }
    GRADCOMP_HD std::uint32_t of(int v) const { return static_cast<std::uint32_t>(packed >> (16 * v)) & 0xffffu; }
    GRADCOMP_HD std::uint32_t total() const { return of(0) + of(1) + of(2) + of(3); }
};
static_assert(tile_elements == 16 * tile_threads, "a thread takes four packs of four");

/// Candidates of a selection up to some place: those that only equal `low`, of which the first few are listed, and all others.
struct listed_counts {
    std::uint32_t above, equal;
    /// How many of them stand in the list when it takes `room` of the equal ones: the next candidate's place.
    GRADCOMP_HD std::uint32_t listed(std::uint32_t room) const { return above + (equal < room ? equal : room); }
};

/// Sums of such counts in 64 bits: 32 of those above, 31 of the equal ones, which stop at their largest number, and the highest bit says that a selection
/// starts here. Sums that stop, and sums that start anew, are associative, as the look-back needs it.
struct add_in_selection {
    using word = unsigned long long;
    static constexpr word start = word{1} << 63;
    static constexpr std::uint32_t most_equal = 0x7fffffffu;

    GRADCOMP_HD static word packed(const listed_counts& of, bool starts)
    {
        return of.above | word{of.equal < most_equal ? of.equal : most_equal} << 32 | (starts ? start : word{0});
    }
    GRADCOMP_HD static listed_counts counts(word of) { return {static_cast<std::uint32_t>(of), static_cast<std::uint32_t>(of >> 32) & most_equal}; }
    GRADCOMP_HD word operator()(word a, word b) const
    {
        if (b & start) return b;
        const listed_counts x = counts(a), y = counts(b); // two numbers below 2^31 do not run over 32 bits
        return packed({x.above + y.above, x.equal + y.equal}, (a & start) != 0);
    }
};

/// The candidates of one selection, by their places in it. What does not fit is counted all the same, so that the next kernel sees the overflow.
template <class T> struct lane_list {
    std::uint32_t* index;
    T* value;
    std::uint32_t capacity;
};

namespace detail {
/// Whether a rule has a memory that is mended when the message turns out otherwise.
template <class Rule> concept lane_settles = requires(const Rule rule, std::size_t i, typename Rule::value_type p) { rule.settle(i, p, p); };
/// Whether an element may leave the memory before the choice is final, and be put back.
template <class Rule> concept lane_leaves_early = lane_settles<Rule> && !requires { requires Rule::settles_late; };
} // namespace detail

/// What leaves the memory in the pass: what reaches `high`, but nothing that only equals `low`, so that those that are not listed need no mending. Where NaN
/// are what equals `low`, their magnitudes do not tell them apart, and nothing leaves.
template <class T> GRADCOMP_HD bits_t<T> leaving_from(const bracket<T>& limits)
{
    return limits.low >= key_of<T>::nan ? bracket<T>::never : limits.high > limits.low ? limits.high : static_cast<bits_t<T>>(limits.low + 1);
}
/// Up to which magnitude an element that reaches `low` counts as equal to it; below `low` where none does, for lists that must hold all.
template <class T> GRADCOMP_HD bits_t<T> equal_up_to(bits_t<T> low, bool all)
{
    return all ? static_cast<bits_t<T>>(low - 1) : low >= key_of<T>::nan ? bracket<T>::never : low;
}

/// What a list takes: what reaches `low`, of what is at most `equal` only the first `room` (a later one has `room` of its size before it, and cannot win);
/// what reaches `high` leaves the memory at once, as if it had won. @pre what equals `low` does not reach `high`
template <class T> struct pick_large {
    static constexpr bool counts_equal = true;
    bits_t<T> low, high, equal;
    std::uint32_t room;
    GRADCOMP_DEVICE bool hits(std::size_t, T p) const { return magnitude(p) >= low; }
    GRADCOMP_DEVICE bool equals(T p) const { return magnitude(p) <= equal; }
    GRADCOMP_DEVICE bool leaves(T p) const { return magnitude(p) >= high; }
    GRADCOMP_DEVICE T share(T p, bool) const { return leaves(p) ? p : T(0); }
    GRADCOMP_DEVICE T sent(T p) const { return p; }
};

/// What a list takes: the elements whose bit is set, each as factor * p.
template <class T> struct pick_marked {
    static constexpr bool counts_equal = false;
    static constexpr std::uint32_t room = 0;
    const std::uint32_t* bits; ///< of the selection
    T factor;
    GRADCOMP_DEVICE bool hits(std::size_t position, T) const { return bits[position / 32] >> (position % 32) & 1u; }
    GRADCOMP_DEVICE bool leaves(T) const { return true; }
    GRADCOMP_DEVICE T share(T p, bool hit) const { return hit ? sent(p) : T(0); }
    GRADCOMP_DEVICE T sent(T p) const { return factor == T(1) ? p : product(factor, p); }
};

/// One thread's share of a tile between the sweep and the writing of the list.
template <class T> struct compact_lane {
    pack<T> p[4];
    std::uint32_t hits = 0; ///< bit 4 * v + k: neighbour k of pack v is a candidate; 16 bits above, that it only equals `low`
    std::uint32_t bad = 0;

    GRADCOMP_DEVICE static std::size_t position(const tile_range& range, int thread, int v) { return range.base + static_cast<std::size_t>(v * tile_threads + thread) * 4; }

    /// Sweeps, leaves behind, and marks the candidates. @pre Whole only where is_whole()
    template <class Access, bool Whole, class Rule, class Pick> GRADCOMP_DEVICE void sweep(const Rule& rule, const tile_range& range, int thread, bool mends, const Pick& pick)
    {
        constexpr int flight = Whole ? detail::packs_in_flight<Rule> : 1;
        GRADCOMP_UNROLL
        for (int round = 0; round < 4; round += flight) {
            detail::inputs<Rule> in[flight];
            GRADCOMP_UNROLL
            for (int v = 0; v < flight; ++v)
                detail::load<Access, Whole>(rule, position(range, thread, round + v), range, in[v]);
            GRADCOMP_UNROLL
            for (int v = 0; v < flight; ++v) mark<Access, Whole>(rule, position(range, thread, round + v), range, in[v], mends, pick, round + v);
        }
    }

    /// Of the candidates that do not only equal `low`, and of those that do.
    GRADCOMP_DEVICE lane_counts above() const { return counts(hits & ~(hits >> 16)); }
    GRADCOMP_DEVICE lane_counts equal() const { return counts(hits >> 16); }

    /// How many of each kind come before this thread's pack v in its selection, and in the tile altogether.
    struct places {
        lane_counts above, equal;
        GRADCOMP_DEVICE listed_counts of(int v) const { return {above.of(v), equal.of(v)}; }
    };

    /// Writes the candidates behind `offset` others of the selection. What does not fit returns to the memory, so nothing is lost; what only equals `low` and
    /// has no room any more never left it.
    template <class Rule, class Pick>
    GRADCOMP_DEVICE void emit(const Rule& rule, const tile_range& range, int thread, const places& before, const places& total, listed_counts offset,
        const Pick& pick, const lane_list<T>& list) const
    {
        if ((hits & 0xffffu) == 0) return;
        GRADCOMP_UNROLL
        for (int v = 0; v < 4; ++v) {
            listed_counts ahead{offset.above + before.of(v).above, offset.equal + before.of(v).equal};
            GRADCOMP_UNROLL
            for (int k = 0; k < 4; ++k) {
                if (!(hits >> (4 * v + k) & 1u)) continue;
                const bool equals = Pick::counts_equal && (hits >> (16 + 4 * v + k) & 1u);
                const std::uint32_t at = Pick::counts_equal ? ahead.listed(pick.room) : ahead.above;
                if (equals) ++ahead.equal;
                else ++ahead.above;
                if (equals && ahead.equal > pick.room) continue;
                const std::size_t i = position(range, thread, v) + static_cast<std::size_t>(k);
                if (at < list.capacity) {
                    list.index[at] = static_cast<std::uint32_t>(range.first + i - range.begin);
                    list.value[at] = pick.sent(p[v].at[k]);
                } else if constexpr (detail::lane_leaves_early<Rule>) {
                    if (pick.leaves(p[v].at[k])) rule.settle(i, p[v].at[k], T(0));
                }
            }
            offset = {offset.above + total.of(v).above, offset.equal + total.of(v).equal};
        }
    }

private:
    GRADCOMP_DEVICE static lane_counts counts(std::uint32_t marks)
    {
        lane_counts all;
        GRADCOMP_UNROLL
        for (int v = 0; v < 4; ++v) {
            const std::uint32_t four = marks >> (4 * v) & 15u;
            all.packed |= std::uint64_t{(four & 1u) + (four >> 1 & 1u) + (four >> 2 & 1u) + (four >> 3)} << (16 * v);
        }
        return all;
    }
    template <class Access, bool Whole, class Rule, class Pick>
    GRADCOMP_DEVICE void mark(const Rule& rule, std::size_t i, const tile_range& range, const detail::inputs<Rule>& in, bool mends, const Pick& pick, int v)
    {
        pack<T> g, c;
        std::uint32_t wrong = 0;
        GRADCOMP_UNROLL
        for (int k = 0; k < 4; ++k) {
            bool one;
            const std::size_t at = i + static_cast<std::size_t>(k);
            const bool inside = Whole || (at >= range.begin && at < range.end);
            g.at[k] = detail::widened(rule, in.gradient.at[k]);
            p[v].at[k] = detail::form(rule, g.at[k], detail::neighbour<Rule>(in, k), mends, one);
            wrong |= static_cast<std::uint32_t>(one && inside) << k;
            bad += one && inside;
            const bool hit = inside && pick.hits(range.first + at - range.begin, p[v].at[k]);
            hits |= static_cast<std::uint32_t>(hit) << (4 * v + k);
            if constexpr (Pick::counts_equal) hits |= static_cast<std::uint32_t>(hit && pick.equals(p[v].at[k])) << (16 + 4 * v + k);
            c.at[k] = pick.share(p[v].at[k], hit);
        }
        if (Whole || (i + 4 > range.begin && i < range.end)) detail::leave<Access, Whole>(rule, i, range, in, g, p[v], c, wrong);
    }
};

} // namespace gradcomp::exec
