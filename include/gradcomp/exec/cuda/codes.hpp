/// @file What a warp does in the sweep of a quantizer: a tile of 512 elements is formed, measured, encoded, packed and left behind. See measure.hpp.
#pragma once

#include <gradcomp/exec/cuda/lane.hpp>
#include <gradcomp/exec/cuda/measure.hpp>

namespace gradcomp::exec {

/// A tensor as the kernels of quantizers see it.
struct coded_piece {
    std::size_t offset = 0, size = 0; ///< in the packed streams
    std::size_t parameter = 0;        ///< its first parameter, counted in T
    std::size_t codes = 0;            ///< its first byte of codes
    std::uint32_t tensor = 0;
};

/// One tile of a tensor: `count` elements from its element `first` on.
template <class Code> struct code_job {
    using T = typename Code::value_type;
    std::size_t first, count, bucket;
    T* wire;              ///< the tensor's parameters
    std::uint32_t* words; ///< the tensor's codes
    random_stream random;
    bool mends;
};

/// One lane of a warp in the sweep of a tile. `rule` has been advanced to the tile's first element.
template <class Access, bool Whole, class Warp, class Rule, class Code> class code_lane {
    using T = typename Rule::value_type;
    static constexpr std::size_t parameters = static_cast<std::size_t>(Code::parameters);

public:
    GRADCOMP_DEVICE code_lane(const Warp& warp, const Rule& rule, const Code& code, const code_job<Code>& job, code_shared<Code>& tile)
        : warp_(warp), rule_(rule), code_(code), job_(job), tile_(tile), range_{0, 0, job.count, 0, 0, 0}
    {
    }

    /// @return elements that were not finite
    GRADCOMP_DEVICE std::uint32_t run()
    {
        const std::uint32_t bad = form_all();
        if constexpr (Code::stochastic) draw();
        const bool finite = !warp_.any(wild_);
        warp_.sync();
        if constexpr (Code::parameters > 0) {
            detail::describe_tile(warp_, code_, tile_, job_.count, job_.bucket, finite);
            warp_.sync();
            for (auto j = static_cast<std::size_t>(warp_.lane()); j < (job_.count + job_.bucket - 1) / job_.bucket * parameters; j += warp_lanes)
                job_.wire[job_.first / job_.bucket * parameters + j] = tile_.wire[j];
        }
        encode_all(bad);
        warp_.sync();
        pack_all();
        std::uint32_t sum = 0;
        for (std::uint32_t rest = bad; rest != 0; rest &= rest - 1) ++sum;
        return sum;
    }

private:
    /// The first of a lane's four neighbours of pack v.
    GRADCOMP_DEVICE std::size_t position(int v) const { return static_cast<std::size_t>(v * warp_lanes + warp_.lane()) * 4; }
    GRADCOMP_DEVICE bool inside(std::size_t i) const { return Whole || i < job_.count; }

    /// p of the lane's 16 elements into the tile. @return bit 4 v + k: neighbour k of pack v was not finite and is mended
    GRADCOMP_DEVICE std::uint32_t form_all()
    {
        constexpr int flight = Whole ? detail::packs_in_flight<Rule> : 1;
        std::uint32_t bad = 0;
        GRADCOMP_UNROLL
        for (int round = 0; round < 4; round += flight) {
            detail::inputs<Rule> in[flight];
            GRADCOMP_UNROLL
            for (int v = 0; v < flight; ++v) detail::load<Access, Whole>(rule_, position(round + v), range_, in[v]);
            GRADCOMP_UNROLL
            for (int v = 0; v < flight; ++v) bad |= form_pack(in[v], position(round + v)) << (4 * (round + v));
        }
        return bad;
    }
    GRADCOMP_DEVICE std::uint32_t form_pack(const detail::inputs<Rule>& in, std::size_t i)
    {
        pack<T> p;
        std::uint32_t bad = 0;
        GRADCOMP_UNROLL
        for (int k = 0; k < 4; ++k) {
            bool one;
            T g = detail::widened(rule_, in.gradient.at[k]);
            const T x = detail::form(rule_, g, detail::neighbour<Rule>(in, k), job_.mends, one);
            const bool here = inside(i + static_cast<std::size_t>(k));
            p.at[k] = here ? x : T(0);
            bad |= static_cast<std::uint32_t>(one && here) << k;
            wild_ = wild_ || !is_finite(p.at[k]);
        }
        tile_.p[i / 4] = p;
        return bad;
    }

    /// Element i of the tensor takes its 16 random bits from block i / 8.
    GRADCOMP_DEVICE void draw()
    {
        for (auto o = static_cast<std::size_t>(warp_.lane()); o * 8 < job_.count; o += warp_lanes)
            tile_.random[o] = job_.random.block(static_cast<std::uint32_t>(job_.first / 8 + o));
    }
    GRADCOMP_DEVICE std::uint32_t random_of(std::size_t i) const
    {
        if constexpr (Code::stochastic) return tile_.random[i / 8].at[i % 8 / 2] >> (16 * (i % 2)) & 0xffffu;
        else return 0;
    }

    /// Codes in the place of p, and what is left behind. Inputs are read again: what a rule does not need of them costs nothing.
    GRADCOMP_DEVICE void encode_all(std::uint32_t bad)
    {
        for (int v = 0; v < 4; ++v) {
            const std::size_t i = position(v);
            pack<T> p = tile_.p[i / 4], g, c;
            detail::inputs<Rule> in;
            detail::load<typename Access::again, Whole>(rule_, i, range_, in);
            encode_pack(p, c, i);
            GRADCOMP_UNROLL
            for (int k = 0; k < 4; ++k) g.at[k] = bad >> (4 * v + k) & 1u ? T(0) : detail::widened(rule_, in.gradient.at[k]);
            if (inside(i)) detail::leave<Access, Whole>(rule_, i, range_, in, g, p, c, bad >> (4 * v) & 15u);
        }
    }
    GRADCOMP_DEVICE void encode_pack(const pack<T>& p, pack<T>& c, std::size_t i)
    {
        T own[Code::parameters > 0 ? Code::parameters : 1] = {};
        if constexpr (Code::parameters > 0)
            if (inside(i)) {
                GRADCOMP_UNROLL
                for (std::size_t j = 0; j < parameters; ++j) own[j] = tile_.wire[i / job_.bucket * parameters + j];
            }
        const bool poisoned = is_poisoned<Code>(own);
        const typename Code::bucket b = code_.open(own);
        GRADCOMP_UNROLL
        for (int k = 0; k < 4; ++k) {
            const std::size_t at = i + static_cast<std::size_t>(k);
            const std::uint32_t q = poisoned || !inside(at) ? 0u : code_.encode(p.at[k], b, random_of(at));
            c.at[k] = poisoned ? not_a_number<T>() : code_.decode(q, b);
            tile_.at(at) = __builtin_bit_cast(T, static_cast<bits_t<T>>(q));
        }
    }

    /// Words of 32 bits, those behind the last code being zeros up to a multiple of 16 bytes. A whole tile ends on one.
    GRADCOMP_DEVICE void pack_all()
    {
        const auto bits = static_cast<std::size_t>(code_.bits());
        const std::size_t words = ((job_.count * bits + 31) / 32 + 3) / 4 * 4;
        std::uint32_t* const to = job_.words + job_.first / 32 * bits;
        if constexpr (Code::most_bits == 1) {
            std::uint32_t mine = 0;
            for (std::size_t w = 0; w < words; ++w) {
                const std::uint32_t word = warp_.ballot(code_at(w * 32 + static_cast<std::size_t>(warp_.lane())) != 0);
                if (w == static_cast<std::size_t>(warp_.lane())) mine = word;
            }
            if (static_cast<std::size_t>(warp_.lane()) < words) to[warp_.lane()] = mine;
        } else {
            for (auto w = static_cast<std::size_t>(warp_.lane()); w < words; w += warp_lanes) {
                std::size_t i = 32 * w / bits;
                auto shift = static_cast<int>(i * bits) - static_cast<int>(32 * w); // of code i, from -bits + 1
                std::uint32_t word = 0;
                for (; shift < 32 && i < code_tile; ++i, shift += static_cast<int>(bits)) word |= shift < 0 ? code_at(i) >> -shift : code_at(i) << shift;
                to[w] = word;
            }
        }
    }
    GRADCOMP_DEVICE std::uint32_t code_at(std::size_t i) { return static_cast<std::uint32_t>(bits_of(tile_.at(i))); }

    const Warp& warp_;
    const Rule& rule_;
    const Code& code_;
    const code_job<Code>& job_;
    code_shared<Code>& tile_;
    tile_range range_;
    bool wild_ = false; ///< one of this lane's p is NaN or Inf
};

/// Sweeps a tile by one warp; `rule` starts at packed element 0. @return this lane's elements that were not finite
template <class Access, class Warp, class Rule, class Code>
GRADCOMP_DEVICE std::uint32_t encode_tile(const Warp& warp, Rule rule, const Code& code, std::size_t offset, const code_job<Code>& job, code_shared<Code>& tile)
{
    rule.advance(offset + job.first);
    if (job.count == code_tile && detail::streams_are_packed(rule)) return code_lane<Access, true, Warp, Rule, Code>(warp, rule, code, job, tile).run();
    return code_lane<Access, false, Warp, Rule, Code>(warp, rule, code, job, tile).run();
}

/// c of element i of a tensor, from its parameters and codes.
template <class Code> GRADCOMP_DEVICE typename Code::value_type decode_at(const Code& code, const typename Code::value_type* wire, const std::uint32_t* words, std::size_t i, std::size_t bucket)
{
    using T = typename Code::value_type;
    T own[Code::parameters > 0 ? Code::parameters : 1] = {};
    for (int j = 0; j < Code::parameters; ++j) own[j] = wire[i / bucket * static_cast<std::size_t>(Code::parameters) + static_cast<std::size_t>(j)];
    if (is_poisoned<Code>(own)) return not_a_number<T>();
    const auto bits = static_cast<std::uint32_t>(code.bits());
    const std::size_t at = i * bits;
    const auto shift = static_cast<std::uint32_t>(at % 32);
    std::uint32_t q = words[at / 32] >> shift;
    if (shift + bits > 32) q |= words[at / 32 + 1] << (32 - shift);
    return code.decode(q & ((1u << bits) - 1), code.open(own));
}

} // namespace gradcomp::exec
