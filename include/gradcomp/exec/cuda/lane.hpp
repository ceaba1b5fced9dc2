/// @file What one CUDA thread does in a sweep: load four neighbours of every stream, form p, choose c, store. No barrier inside.
///
/// The code is device code for nvcc and plain C++ for the tests, which run the lanes of a tile one after another.
#pragma once

#include <gradcomp/core/rule.hpp>
#include <gradcomp/exec/cuda/pack.hpp>
#include <gradcomp/exec/cuda/tiles.hpp>
#include <gradcomp/exec/sweep_options.hpp>

#include <cstddef>

namespace gradcomp::exec {

/// The threads of a block in a sweep; each takes tile_elements / tile_threads elements, four neighbours at a time.
inline constexpr int tile_threads = 256;

namespace detail {

/// Packs of one stream that a thread has in flight at once. More streams, fewer packs: 64 registers hold about a dozen packs.
template <class Rule> inline constexpr int packs_in_flight = Rule::inputs + 1 <= 2 ? 4 : Rule::inputs + 1 <= 3 ? 2 : 1;

/// The inputs of four neighbours.
template <class Rule> struct inputs {
    pack<typename Rule::gradient_type> gradient;
    pack<typename Rule::value_type> x[Rule::inputs > 0 ? Rule::inputs : 1];
};

/// Whether four neighbours at a packed position that is a multiple of 4 can be moved in one request for every stream.
template <class Rule> GRADCOMP_DEVICE bool streams_are_packed(const Rule& rule)
{
    bool packed = is_packed(rule.gradient);
    GRADCOMP_UNROLL
    for (int j = 0; j < Rule::inputs; ++j) packed = packed && is_packed(rule.in[j]);
    GRADCOMP_UNROLL
    for (int j = 0; j < Rule::outputs; ++j) packed = packed && is_packed(rule.out[j]);
    return packed;
}

/// Loads four neighbours; those outside the range, which may be there where Whole is false, count as 0.
template <class Access, bool Whole, class Rule> GRADCOMP_DEVICE void load(const Rule& rule, std::size_t i, const tile_range& range, inputs<Rule>& to)
{
    if constexpr (Whole) {
        to.gradient = Access::load(rule.gradient + i);
        GRADCOMP_UNROLL
        for (int j = 0; j < Rule::inputs; ++j) to.x[j] = Access::load(rule.in[j] + i);
    } else {
        GRADCOMP_UNROLL
        for (std::size_t c = 0; c < 4; ++c) {
            const bool inside = i + c >= range.begin && i + c < range.end;
            to.gradient.at[c] = inside ? rule.gradient[i + c] : typename Rule::gradient_type(0.0f);
            GRADCOMP_UNROLL
            for (int j = 0; j < Rule::inputs; ++j) to.x[j].at[c] = inside ? rule.in[j][i + c] : typename Rule::value_type(0);
        }
    }
}

/// Input j of neighbour k, for all j.
template <class Rule> struct neighbour {
    typename Rule::value_type x[Rule::inputs > 0 ? Rule::inputs : 1];
    GRADCOMP_DEVICE neighbour(const inputs<Rule>& in, int k)
    {
        GRADCOMP_UNROLL
        for (int j = 0; j < Rule::inputs; ++j) x[j] = in.x[j].at[k];
    }
};

/// The gradient as a rule takes it: widened, and freed of the loss scale where the rule was told one.
template <class Rule> GRADCOMP_DEVICE typename Rule::value_type widened(const Rule& rule, typename Rule::gradient_type g)
{
    const auto wide = static_cast<typename Rule::value_type>(g);
    if constexpr (requires { rule.unscale; }) return wide * rule.unscale;
    else return wide;
}

/// p of one element. A bad one's gradient `g` is 0 from here on.
template <class Rule> GRADCOMP_DEVICE typename Rule::value_type form(const Rule& rule, typename Rule::value_type& g, const neighbour<Rule>& in, bool mends, bool& bad)
{
    using T = typename Rule::value_type;
    const T p = rule.value(g, in.x);
    bad = mends && !is_finite(p);
    if (!bad) return p;
    g = T(0);
    const T rest = rule.value(g, in.x);
    return is_finite(rest) ? rest : T(0);
}

/// Writes what four neighbours leave behind.
template <class Access, bool Whole, class Rule>
GRADCOMP_DEVICE void leave(const Rule& rule, std::size_t i, const tile_range& range, const inputs<Rule>& in, const pack<typename Rule::value_type>& g,
    const pack<typename Rule::value_type>& p, const pack<typename Rule::value_type>& c, std::uint32_t bad)
{
    using T = typename Rule::value_type;
    if constexpr (Rule::outputs > 0) {
        pack<T> out[Rule::outputs];
        GRADCOMP_UNROLL
        for (int k = 0; k < 4; ++k) {
            const neighbour<Rule> x(in, k);
            T y[Rule::outputs];
            rule.leave(g.at[k], x.x, p.at[k], c.at[k], y);
            GRADCOMP_UNROLL
            for (int j = 0; j < Rule::outputs; ++j) out[j].at[k] = (bad >> k & 1u) && !is_finite(y[j]) ? T(0) : y[j];
        }
        GRADCOMP_UNROLL
        for (int j = 0; j < Rule::outputs; ++j)
            if constexpr (Whole) Access::store(rule.out[j] + i, out[j]);
            else {
                GRADCOMP_UNROLL
                for (std::size_t k = 0; k < 4; ++k)
                    if (i + k >= range.begin && i + k < range.end) rule.out[j][i + k] = out[j].at[k];
            }
    }
}

/// From loaded inputs to stored outputs, for four neighbours. @return elements that were not finite
template <class Access, bool Whole, class Rule, class Choose>
GRADCOMP_DEVICE std::uint32_t finish(const Rule& rule, std::size_t i, const tile_range& range, const inputs<Rule>& in, bool mends, const Choose& choose)
{
    using T = typename Rule::value_type;
    pack<T> g, p, c;
    std::uint32_t bad = 0, count = 0;
    GRADCOMP_UNROLL
    for (int k = 0; k < 4; ++k) {
        bool wrong;
        g.at[k] = widened(rule, in.gradient.at[k]);
        p.at[k] = form(rule, g.at[k], neighbour<Rule>(in, k), mends, wrong);
        const std::size_t at = i + static_cast<std::size_t>(k);
        wrong = wrong && (Whole || (at >= range.begin && at < range.end));
        bad |= static_cast<std::uint32_t>(wrong) << k;
        count += wrong;
    }
    const std::size_t position = range.first + i - range.begin; // of neighbour 0; may lie before the range, and then wraps back
    if (!(Whole && choose.template four<Access>(position, p, c))) {
        GRADCOMP_UNROLL
        for (std::size_t k = 0; k < 4; ++k) {
            const bool inside = Whole || (i + k >= range.begin && i + k < range.end);
            c.at[k] = inside ? choose.one(position + k, p.at[k]) : T(0);
        }
    }
    leave<Access, Whole>(rule, i, range, in, g, p, c, bad);
    return count;
}

} // namespace detail

/// Whether every element of a tile can be moved in packs.
template <class Rule> GRADCOMP_DEVICE bool is_whole(const Rule& rule, const tile_range& range)
{
    return range.begin == range.base && range.end == range.base + tile_elements && detail::streams_are_packed(rule);
}

/// One thread's part of a tile. `choose` answers for four neighbours where it can, or for one element: see gather_blocks.hpp.
/// @pre Whole only where is_whole() @return elements that were not finite
template <class Access, bool Whole, class Rule, class Choose>
GRADCOMP_DEVICE std::uint32_t sweep_lane(const Rule& rule, const tile_range& range, int thread, bool mends, const Choose& choose)
{
    constexpr int flight = Whole ? detail::packs_in_flight<Rule> : 1, packs = static_cast<int>(tile_elements) / (4 * tile_threads);
    std::uint32_t bad = 0;
    for (int round = 0; round < packs; round += flight) {
        const std::size_t first = range.base + static_cast<std::size_t>(round * tile_threads + thread) * 4;
        constexpr std::size_t stride = 4 * tile_threads;
        if constexpr (Whole) {
            detail::inputs<Rule> in[flight];
            GRADCOMP_UNROLL
            for (int v = 0; v < flight; ++v) detail::load<Access, true>(rule, first + static_cast<std::size_t>(v) * stride, range, in[v]); // all before any is waited for
            GRADCOMP_UNROLL
            for (int v = 0; v < flight; ++v) bad += detail::finish<Access, true>(rule, first + static_cast<std::size_t>(v) * stride, range, in[v], mends, choose);
        } else if (first + 4 > range.begin && first < range.end) {
            detail::inputs<Rule> in;
            detail::load<Access, false>(rule, first, range, in);
            bad += detail::finish<Access, false>(rule, first, range, in, mends, choose);
        }
    }
    return bad;
}

/// Sends nothing.
struct lane_none {
    template <class Access, class T> GRADCOMP_DEVICE bool four(std::size_t, const pack<T>&, pack<T>& c) const
    {
        c = {};
        return true;
    }
    template <class T> GRADCOMP_DEVICE T one(std::size_t, T) const { return T(0); }
};

/// Sends every element, or a fixed share of it, to message[position].
template <class T, bool Scaled> struct lane_all {
    T* message;
    T factor;
    GRADCOMP_DEVICE T share(T p) const
    {
        if constexpr (Scaled) return product(factor, p);
        else return p;
    }
    template <class Access> GRADCOMP_DEVICE bool four(std::size_t position, const pack<T>& p, pack<T>& c) const
    {
        if (!is_packed(message + position)) return false;
        GRADCOMP_UNROLL
        for (int k = 0; k < 4; ++k) c.at[k] = share(p.at[k]);
        Access::store(message + position, c);
        return true;
    }
    GRADCOMP_DEVICE T one(std::size_t position, T p) const { return message[position] = share(p); }
};

} // namespace gradcomp::exec
