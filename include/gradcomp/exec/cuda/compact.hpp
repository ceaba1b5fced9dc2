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

/// What a list takes: what reaches `low`; what also reaches `high` leaves the memory at once, as if it had won.
template <class T> struct pick_large {
    bits_t<T> low, high;
    GRADCOMP_DEVICE bool hits(std::size_t, T p) const { return magnitude(p) >= low; }
    GRADCOMP_DEVICE bool leaves(T p) const { return magnitude(p) >= high; }
    GRADCOMP_DEVICE T share(T p, bool) const { return leaves(p) ? p : T(0); }
    GRADCOMP_DEVICE T sent(T p) const { return p; }
};

/// What a list takes: the elements whose bit is set, each as factor * p.
template <class T> struct pick_marked {
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
    std::uint32_t hits = 0; ///< bit 4 * v + k: neighbour k of pack v reaches `low`
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

    GRADCOMP_DEVICE lane_counts counts() const
    {
        lane_counts all;
        GRADCOMP_UNROLL
        for (int v = 0; v < 4; ++v) {
            const std::uint32_t four = hits >> (4 * v) & 15u;
            all.packed |= std::uint64_t{(four & 1u) + (four >> 1 & 1u) + (four >> 2 & 1u) + (four >> 3)} << (16 * v);
        }
        return all;
    }

    /// Writes the candidates behind `offset` others of the selection. What does not fit returns to the memory, so nothing is lost.
    template <class Rule, class Pick>
    GRADCOMP_DEVICE void emit(const Rule& rule, const tile_range& range, int thread, lane_counts before, lane_counts total, std::uint32_t offset,
        const Pick& pick, const lane_list<T>& list) const
    {
        if (hits == 0) return;
        GRADCOMP_UNROLL
        for (int v = 0; v < 4; ++v) {
            std::uint32_t at = offset + before.of(v);
            GRADCOMP_UNROLL
            for (int k = 0; k < 4; ++k) {
                if (!(hits >> (4 * v + k) & 1u)) continue;
                const std::size_t i = position(range, thread, v) + static_cast<std::size_t>(k);
                if (at < list.capacity) {
                    list.index[at] = static_cast<std::uint32_t>(range.first + i - range.begin);
                    list.value[at] = pick.sent(p[v].at[k]);
                } else if constexpr (detail::lane_leaves_early<Rule>) {
                    if (pick.leaves(p[v].at[k])) rule.settle(i, p[v].at[k], T(0));
                }
                ++at;
            }
            offset += total.of(v);
        }
    }

private:
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
            c.at[k] = pick.share(p[v].at[k], hit);
        }
        if (Whole || (i + 4 > range.begin && i < range.end)) detail::leave<Access, Whole>(rule, i, range, in, g, p[v], c, wrong);
    }
};

} // namespace gradcomp::exec
