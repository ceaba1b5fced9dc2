/// @file Codes of few bits for the elements of a bucket: what every quantizer states, and the arithmetic that all of them share.
///
/// A tensor is cut into buckets of at most 512 elements. Each bucket has a few parameters (a scale, or the least value and a step), which
/// stand in the message as T; each element has a code of a fixed number of bits. Code i of a tensor stands in bits [i b, i b + b) of its
/// bit string, the lowest bit of byte 0 being bit 0.
#pragma once

#include <gradcomp/core/scalar.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace gradcomp {

/// Elements of a tile, and of the largest bucket: p, c, codes and random numbers of a tile stay in the first cache level.
inline constexpr std::size_t code_tile = 512;

/// What a quantizer wants to know of a bucket before it encodes it.
enum class measure {
    none,
    largest,  ///< max |p|
    mean,     ///< (1/n) sum |p|
    sum,      ///< sum |p|
    norm,     ///< sqrt(sum p^2)
    range     ///< min p and max p
};

/// What was measured; `second` is the upper end of a range.
template <class T> struct statistic {
    T first = 0, second = 0;
};

/// Scales below `least` count as 0, so that no inverse overflows; those above `most` as `most`, so that no decoded value does.
template <class T> struct scale_limits;
template <> struct scale_limits<float> {
    static constexpr float least = 0x1p-100f, most = 0x1p126f;
};
template <> struct scale_limits<double> {
    static constexpr double least = 0x1p-970, most = 0x1p1022;
};
/// A scale as it goes on the wire.
template <class T> GRADCOMP_HD GRADCOMP_INLINE constexpr T limited_scale(T x)
{
    return x < scale_limits<T>::least ? T(0) : x > scale_limits<T>::most ? scale_limits<T>::most : x;
}
/// Whether a received scale is one that limited_scale() gives, or NaN, which says that the bucket held NaN or Inf.
template <class T> GRADCOMP_HD constexpr bool is_scale(T x)
{
    return bits_of(x) == 0 || (x >= scale_limits<T>::least && x <= scale_limits<T>::most);
}

/// The NaN that stands in the place of a parameter when a bucket held NaN or Inf. All of the bucket decodes to it.
template <class T> GRADCOMP_HD GRADCOMP_INLINE constexpr T not_a_number()
{
    return __builtin_bit_cast(T, static_cast<bits_t<T>>(key_of<T>::infinity | bits_t<T>{1} << (sizeof(T) == 4 ? 22 : 51)));
}

/// |x| without its sign bit.
template <class T> GRADCOMP_HD GRADCOMP_INLINE constexpr T absolute(T x) { return __builtin_bit_cast(T, magnitude(x)); }
template <class T> GRADCOMP_HD GRADCOMP_INLINE constexpr T smaller(T a, T b) { return b < a ? b : a; }
template <class T> GRADCOMP_HD GRADCOMP_INLINE constexpr T larger(T a, T b) { return a < b ? b : a; }

template <class T> using signed_bits_t = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;

/// q cut to [0, most]; in two steps, which compilers turn into a minimum and a maximum instead of branches.
GRADCOMP_HD GRADCOMP_INLINE constexpr std::uint32_t clamped(std::int32_t q, std::int32_t most)
{
    const std::int32_t positive = q < 0 ? 0 : q;
    const std::int32_t cut = positive > most ? most : positive;
    return static_cast<std::uint32_t>(cut);
}
/// The whole part of x, cut to [0, most] before it becomes an integer: +Inf gives most, -Inf 0. As bits, which are ordered alike from 0 on and whose
/// minimum and maximum cost no more than those of integers. @pre most < 2^31, x not NaN
template <class T> GRADCOMP_HD GRADCOMP_INLINE constexpr std::uint32_t whole_part(T x, T most)
{
    const auto b = static_cast<signed_bits_t<T>>(bits_of(x)), limit = static_cast<signed_bits_t<T>>(bits_of(most));
    const signed_bits_t<T> positive = b < 0 ? 0 : b;
    const signed_bits_t<T> cut = positive > limit ? limit : positive;
    return static_cast<std::uint32_t>(static_cast<std::int32_t>(__builtin_bit_cast(T, cut)));
}
/// The smaller of two numbers that are not negative, by their bits; compilers make it a minimum where comparisons of numbers become branches.
template <class T> GRADCOMP_HD GRADCOMP_INLINE constexpr T smaller_magnitude(T a, T b)
{
    const bits_t<T> x = bits_of(a), y = bits_of(b);
    return __builtin_bit_cast(T, x < y ? x : y);
}
/// a where `which`, else b, without a branch into which a compiler would sink the arithmetic of one of them.
template <class Bits> GRADCOMP_HD GRADCOMP_INLINE constexpr Bits select_bits(bool which, Bits a, Bits b)
{
    const Bits mask = Bits{0} - static_cast<Bits>(which);
    return (a & mask) | (b & ~mask);
}
/// The sign bit of x as bit `at`.
template <class T> GRADCOMP_HD GRADCOMP_INLINE constexpr std::uint32_t sign_at(T x, int at)
{
    return static_cast<std::uint32_t>(bits_of(x) >> (sizeof(T) * 8 - 1)) << at;
}
/// x with its sign turned when bit `at` of a code is set.
template <class T> GRADCOMP_HD GRADCOMP_INLINE constexpr T with_sign(T x, std::uint32_t code, int at)
{
    return __builtin_bit_cast(T, static_cast<bits_t<T>>(bits_of(x) ^ static_cast<bits_t<T>>(code >> at & 1u) << (sizeof(T) * 8 - 1)));
}

/// Bits of the mantissa as stored, and the exponent field of 1.
template <class T> inline constexpr int mantissa_bits = sizeof(T) == 4 ? 23 : 52;
template <class T> inline constexpr int exponent_bias = sizeof(T) == 4 ? 127 : 1023;

/// An integer that orders x as the numbers do, -0 before +0: minimum and maximum then do not depend on the order of comparison.
template <class T> GRADCOMP_HD GRADCOMP_INLINE constexpr signed_bits_t<T> ordered(T x)
{
    const auto b = static_cast<signed_bits_t<T>>(bits_of(x));
    return b ^ (b >> (sizeof(T) * 8 - 1) & static_cast<signed_bits_t<T>>(~key_of<T>::sign));
}
/// The number that ordered() gave this integer.
template <class T> GRADCOMP_HD GRADCOMP_INLINE constexpr T from_ordered(signed_bits_t<T> key)
{
    return __builtin_bit_cast(T, static_cast<signed_bits_t<T>>(key ^ (key >> (sizeof(T) * 8 - 1) & static_cast<signed_bits_t<T>>(~key_of<T>::sign))));
}

/// 2^exponent for an exponent whose power is a normal number.
template <class T> GRADCOMP_HD GRADCOMP_INLINE constexpr T power_of_two(int exponent)
{
    return __builtin_bit_cast(T, static_cast<bits_t<T>>(static_cast<bits_t<T>>(exponent + exponent_bias<T>) << mantissa_bits<T>));
}
/// The exponent of the least power of two that is at least x; x > 0 and normal.
template <class T> GRADCOMP_HD GRADCOMP_INLINE constexpr int exponent_above(T x)
{
    const bits_t<T> rest = (bits_t<T>{1} << mantissa_bits<T>) - 1;
    return static_cast<int>((bits_of(x) + rest) >> mantissa_bits<T>) - exponent_bias<T>;
}
/// The square root with one rounding.
GRADCOMP_HD GRADCOMP_INLINE float root_of(float x) { return __builtin_sqrtf(x); }
GRADCOMP_HD GRADCOMP_INLINE double root_of(double x) { return __builtin_sqrt(x); }

/// The one order in which sums of a bucket are formed: lane j of 32 adds terms j, j + 32, ... in this order; then lane j adds lane j + 16,
/// j + 8, j + 4, j + 2, j + 1. A CUDA warp repeats it with shuffles (exec/cuda/measure.hpp).
template <class T> struct tree_lanes {
    static constexpr std::size_t count = 32;
    T lane[count] = {};

    /// To be called once.
    template <std::size_t Width = count / 2> GRADCOMP_INLINE T sum()
    {
        for (std::size_t j = 0; j < Width; ++j) lane[j] += lane[j + Width];
        if constexpr (Width > 1) return sum<Width / 2>();
        else return lane[0];
    }
};
/// The sum in that order; add(i, sum) gives sum with term i.
template <class T, class Add> GRADCOMP_INLINE T tree_sum(std::size_t count, Add add)
{
    tree_lanes<T> lanes;
    std::size_t i = 0;
    for (; i + lanes.count <= count; i += lanes.count)
        for (std::size_t j = 0; j < lanes.count; ++j) lanes.lane[j] = add(i + j, lanes.lane[j]);
    for (std::size_t j = 0; i + j < count; ++j) lanes.lane[j] = add(i + j, lanes.lane[j]);
    return lanes.sum();
}

/// max |p| of a bucket; any order gives the same.
template <class T> GRADCOMP_HD GRADCOMP_INLINE T largest_of(const T* p, std::size_t count)
{
    bits_t<T> most = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const bits_t<T> key = magnitude(p[i]);
        most = key > most ? key : most;
    }
    return __builtin_bit_cast(T, most);
}

/// What a pass over numbers tells in any order: the largest magnitude, by which NaN and Inf show, and with it perhaps all that a code asks for.
template <measure What, class T> struct first_look {
    static constexpr bool is_all = What == measure::largest || What == measure::none;
    bits_t<T> most = 0;

    GRADCOMP_HD GRADCOMP_INLINE void add(T x)
    {
        const bits_t<T> key = magnitude(x);
        most = key > most ? key : most;
    }
    GRADCOMP_HD GRADCOMP_INLINE bits_t<T> largest() const { return most; }
    GRADCOMP_HD GRADCOMP_INLINE statistic<T> seen() const { return {__builtin_bit_cast(T, most)}; }
};
/// The least and the greatest, -0 before +0. As unsigned integers numbers ascend from +0 to the greatest, then from -0 down to the least; as
/// signed ones those below zero come first.
template <class T> struct first_look<measure::range, T> {
    static constexpr bool is_all = true;
    bits_t<T> most = 0, least = static_cast<bits_t<T>>(~bits_t<T>{0});
    signed_bits_t<T> top = static_cast<signed_bits_t<T>>(key_of<T>::sign);

    GRADCOMP_HD GRADCOMP_INLINE void add(T x)
    {
        const bits_t<T> key = bits_of(x);
        const auto ordered = static_cast<signed_bits_t<T>>(key);
        most = key > most ? key : most;
        least = key < least ? key : least;
        top = ordered > top ? ordered : top;
    }
    GRADCOMP_HD GRADCOMP_INLINE bits_t<T> largest() const
    {
        const bits_t<T> below = most >= key_of<T>::sign ? most ^ key_of<T>::sign : bits_t<T>{0}, above = top >= 0 ? static_cast<bits_t<T>>(top) : bits_t<T>{0};
        return below > above ? below : above;
    }
    GRADCOMP_HD GRADCOMP_INLINE statistic<T> seen() const
    {
        return {__builtin_bit_cast(T, most >= key_of<T>::sign ? most : least), __builtin_bit_cast(T, top >= 0 ? static_cast<bits_t<T>>(top) : least)};
    }
};

/// Measures a bucket of finite numbers. Sums are formed of numbers scaled by a power of two, so none overflows, and squares do not vanish.
template <measure What, class T> GRADCOMP_INLINE statistic<T> measure_bucket(const T* p, std::size_t count)
{
    if constexpr (What == measure::largest) return {largest_of(p, count)};
    if constexpr (What == measure::mean || What == measure::sum) {
        constexpr T share = T(1) / T(code_tile);
        const T total = tree_sum<T>(count, [p](std::size_t i, T sum) { return multiply_add(absolute(p[i]), share, sum); });
        if constexpr (What == measure::mean) return {total * (T(code_tile) / static_cast<T>(count))};
        return {smaller(total, scale_limits<T>::most) * T(code_tile)};
    }
    if constexpr (What == measure::norm) {
        const T largest = limited_scale(largest_of(p, count));
        if (largest == T(0)) return {};
        const int exponent = exponent_above(largest);
        const T down = power_of_two<T>(-exponent);
        const T squares = tree_sum<T>(count, [p, down](std::size_t i, T sum) {
            const T y = p[i] * down;
            return multiply_add(y, y, sum);
        });
        return {root_of(squares) * power_of_two<T>(exponent)};
    }
    if constexpr (What == measure::range) {
        first_look<measure::range, T> look;
        for (std::size_t i = 0; i < count; ++i) look.add(p[i]);
        return look.seen();
    }
    return {};
}

/// 16 random bits as a number of (0, 1): (r + 1/2) / 2^16.
template <class T> GRADCOMP_HD GRADCOMP_INLINE T unit_of(std::uint32_t random)
{
    return multiply_add(static_cast<T>(static_cast<std::int32_t>(random)), T(0x1p-16), T(0x1p-17));
}

/// A quantizer's arithmetic on one bucket, trivially copyable: bits() a code, `parameters` values of T a bucket.
///
///     describe(what was measured, elements, parameters)     what the wire says of a bucket
///     valid(parameters)                                     whether a peer can have said so
///     open(parameters)                                      the bucket's numbers, the same in encoder and decoder
///     encode(p, bucket, random)                             the code of p from 16 random bits
///     decode(code, bucket)                                  c
///     where_finite()                                        optional, without parameters only: encodes finite numbers alike, and faster
///     is_halved, where_halved()                             optional: encodes and decodes alike, and faster, where is_halved
///     is_few(), where_few()                                 the same where is_few(), for codes that encode() gives
template <class C>
concept tile_code = requires(const C code, typename C::value_type p, typename C::value_type* wire, std::uint32_t random, const typename C::bucket& b,
    const statistic<typename C::value_type>& seen, std::size_t n) {
    { code.bits() } -> std::same_as<int>;
    { C::most_bits } -> std::convertible_to<int>;
    { C::parameters } -> std::convertible_to<int>;
    { C::measured } -> std::convertible_to<measure>;
    { C::stochastic } -> std::convertible_to<bool>;
    code.describe(seen, n, wire);
    { code.valid(wire) } -> std::same_as<bool>;
    { code.open(wire) } -> std::same_as<typename C::bucket>;
    { code.encode(p, b, random) } -> std::same_as<std::uint32_t>;
    { code.decode(random, b) } -> std::same_as<typename C::value_type>;
};

/// Whether a bucket's parameters say that it held NaN or Inf.
template <class C> GRADCOMP_HD GRADCOMP_INLINE bool is_poisoned(const typename C::value_type* wire)
{
    for (int j = 0; j < C::parameters; ++j)
        if (!is_finite(wire[j])) return true;
    return false;
}

/// Bytes of n codes.
GRADCOMP_HD constexpr std::size_t packed_bytes(std::size_t n, int bits) { return (n * static_cast<std::size_t>(bits) + 7) / 8; }
/// Bits of the last of them that belong to none of the codes.
GRADCOMP_HD constexpr unsigned spare_bits(std::size_t n, int bits) { return static_cast<unsigned>(8 - n * static_cast<std::size_t>(bits) % 8) % 8; }

} // namespace gradcomp
