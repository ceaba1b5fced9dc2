/// @file What a warp measures of the buckets of a quantizer's tile: the same bits as measure_bucket().
///
/// Written against a Warp: lane(), sync(), exchange(x, mask) for the x of lane ^ mask, any(flag), ballot(flag). Kernels use shuffles; the tests run
/// the same code on 32 std::threads, so that ThreadSanitizer finds a missing sync().
#pragma once

#include <gradcomp/core/codes.hpp>
#include <gradcomp/core/random.hpp>
#include <gradcomp/exec/cuda/pack.hpp>

namespace gradcomp::exec {

inline constexpr int warp_lanes = 32;
static_assert(code_tile == 4 * 4 * warp_lanes, "a lane takes four packs of four");

/// A tile between its phases, in memory that a warp shares. p becomes the codes, each in the bits of its element.
template <class Code> struct code_shared {
    using T = typename Code::value_type;
    static constexpr std::size_t buckets = code_tile / 8;
    pack<T> p[code_tile / 4];
    word4 random[Code::stochastic ? code_tile / 8 : 1];
    T wire[Code::parameters > 0 ? Code::parameters * buckets : 1];
    GRADCOMP_DEVICE T& at(std::size_t i) { return p[i / 4].at[i % 4]; }
};

namespace detail {

/// The sum of tree_sum(), by the lanes of a warp of which `group` fold together; every lane returns it. `count` terms are its group's.
template <class T, class Warp, class Add> GRADCOMP_DEVICE T warp_tree_sum(const Warp& warp, std::size_t count, int group, Add add)
{
    T sum = 0;
    for (auto i = static_cast<std::size_t>(warp.lane() % group); i < count; i += static_cast<std::size_t>(group)) sum = add(i, sum);
    // Both partners of an exchange form the same sum, so every lane ends with what tree_sum() leaves in lane 0. Lanes beyond a group of less than 32
    // would add zeros.
    for (int width = group / 2; width > 0; width /= 2) sum += warp.exchange(sum, width);
    return sum;
}

template <class Key, class Warp> GRADCOMP_DEVICE Key warp_largest(const Warp& warp, Key key, int group)
{
    for (int width = group / 2; width > 0; width /= 2) {
        const Key other = warp.exchange(key, width);
        key = other > key ? other : key;
    }
    return key;
}

/// A bucket as one lane sees it: the terms that are its own. `p` of a group of lanes; `count` elements of the bucket exist.
template <class Code> struct bucket_view {
    using T = typename Code::value_type;
    code_shared<Code>& tile;
    std::size_t from, count;
    int group;
    GRADCOMP_DEVICE T operator()(std::size_t i) const { return tile.at(from + i); }
};

template <class Code, class Warp> GRADCOMP_DEVICE typename Code::value_type largest_in(const Warp& warp, const bucket_view<Code>& p)
{
    using T = typename Code::value_type;
    bits_t<T> most = 0;
    for (auto i = static_cast<std::size_t>(warp.lane() % p.group); i < p.count; i += static_cast<std::size_t>(p.group)) {
        const bits_t<T> key = magnitude(p(i));
        most = key > most ? key : most;
    }
    return __builtin_bit_cast(T, warp_largest(warp, most, p.group));
}

template <class Code, class Warp> GRADCOMP_DEVICE statistic<typename Code::value_type> range_in(const Warp& warp, const bucket_view<Code>& p)
{
    using T = typename Code::value_type;
    // The least element as the largest of the complements, which order the other way.
    auto low = static_cast<signed_bits_t<T>>(key_of<T>::sign), high = low;
    for (auto i = static_cast<std::size_t>(warp.lane() % p.group); i < p.count; i += static_cast<std::size_t>(p.group)) {
        const signed_bits_t<T> key = ordered(p(i));
        low = ~key > low ? ~key : low;
        high = key > high ? key : high;
    }
    return {from_ordered<T>(~warp_largest(warp, low, p.group)), from_ordered<T>(warp_largest(warp, high, p.group))};
}

/// measure_bucket() by a warp: the same bits.
template <class Code, class Warp> GRADCOMP_DEVICE statistic<typename Code::value_type> measure_by_warp(const Warp& warp, const bucket_view<Code>& p)
{
    using T = typename Code::value_type;
    if constexpr (Code::measured == measure::largest) return {largest_in(warp, p)};
    else if constexpr (Code::measured == measure::mean || Code::measured == measure::sum) {
        constexpr T share = T(1) / T(code_tile);
        const T total = warp_tree_sum<T>(warp, p.count, p.group, [&p](std::size_t i, T sum) { return multiply_add(absolute(p(i)), share, sum); });
        if constexpr (Code::measured == measure::mean) return {total * (T(code_tile) / static_cast<T>(p.count))};
        else return {smaller(total, scale_limits<T>::most) * T(code_tile)};
    } else if constexpr (Code::measured == measure::norm) {
        const T largest = limited_scale(largest_in(warp, p));
        const bool nothing = largest == T(0); // its lanes still take part
        const int exponent = nothing ? 0 : exponent_above(largest);
        const T down = power_of_two<T>(-exponent);
        const T squares = warp_tree_sum<T>(warp, p.count, p.group, [&p, down](std::size_t i, T sum) {
            const T y = p(i) * down;
            return multiply_add(y, y, sum);
        });
        return {nothing ? T(0) : square_root(squares) * power_of_two<T>(exponent)};
    } else if constexpr (Code::measured == measure::range) return range_in(warp, p);
    else return {};
}

/// The parameters of every bucket of a tile, into shared memory. `finite`: nothing of the tile is NaN or Inf, the same for all lanes.
template <class Code, class Warp>
GRADCOMP_DEVICE void describe_tile(const Warp& warp, const Code& code, code_shared<Code>& tile, std::size_t count, std::size_t bucket, bool finite)
{
    using T = typename Code::value_type;
    constexpr std::size_t lanes = warp_lanes;
    const int group = static_cast<int>(bucket < lanes ? bucket : lanes);
    const std::size_t inside = bucket < lanes ? static_cast<std::size_t>(warp.lane() / group * group) : 0;
    for (std::size_t from = 0; from < count; from += bucket < lanes ? lanes : bucket) {
        const std::size_t first = from + inside, rest = first < count ? count - first : 0;
        const bucket_view<Code> p{tile, first, rest < bucket ? rest : bucket, group};
        const bool poisoned = !finite && !is_finite(largest_in(warp, p));
        const statistic<T> seen = measure_by_warp(warp, p);
        T own[Code::parameters] = {};
        code.describe(seen, p.count, own);
        if (warp.lane() % group != 0 || rest == 0) continue;
        for (int j = 0; j < Code::parameters; ++j) tile.wire[first / bucket * Code::parameters + static_cast<std::size_t>(j)] = poisoned ? not_a_number<T>() : own[j];
    }
}

} // namespace detail

/// mean |p| of n elements from the means of their buckets of 512, in double, by tree_sum(): what goes on the wire as sign's scale. Every lane returns it.
template <class T, class Warp> GRADCOMP_DEVICE T scale_of_means(const Warp& warp, const T* means, std::size_t n)
{
    const std::size_t buckets = (n + code_tile - 1) / code_tile;
    const double total = detail::warp_tree_sum<double>(warp, buckets, warp_lanes, [=](std::size_t b, double sum) {
        const std::size_t count = b + 1 < buckets ? code_tile : n - b * code_tile;
        return multiply_add(static_cast<double>(means[b]), static_cast<double>(count) / static_cast<double>(n), sum);
    });
    return is_finite(total) ? limited_scale(static_cast<T>(total)) : not_a_number<T>();
}

} // namespace gradcomp::exec
