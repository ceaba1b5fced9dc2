/// @file The operator classes of quantizers: roundings, dithering, sign, min-max grids, casts.
///
/// d is the number of elements that share one scale (a bucket, a tensor): see bucket_of(). As in operators.hpp every function returns all
/// classes that hold, and "tight" says that some x attains the constants. s, t as in conversions.hpp; a scale counts as exact, which in T it is
/// up to a few units of rounding, and stochastic choices as ideal, see rounding_bias(). No element has nothing to lose: d = 0 is the identity.
/// @cite Beznosikov et al., JMLR 24(276), 2023, section on compressors; Horvath et al., Natural Compression, 2019, for base 2. The constants of
/// dithering are sharper here than in either paper.
#pragma once

#include <gradcomp/theory/operators.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>

namespace gradcomp::theory {

/// Elements of the largest bucket when d elements are cut into buckets of `bucket` (0: one bucket of all). It bounds all of them.
constexpr std::size_t bucket_of(std::size_t d, std::size_t bucket) { return bucket == 0 ? d : std::min(d, bucket); }

/// By how much a rounding probability may be off when it is compared with `bits` random bits: 2^-(bits + 1). Then |E C(x)_i - x_i| is at
/// most this times the gap between the two levels; U holds up to it.
constexpr double rounding_bias(int bits)
{
    double bias = 0.5;
    for (int i = 0; i < bits; ++i) bias /= 2;
    return bias;
}

/// base^exponent for whole exponents; 0 below the range of double.
constexpr double power(double base, long exponent)
{
    double out = 1;
    for (double square = exponent < 0 ? 1 / base : base; exponent != 0; square *= square, exponent /= 2)
        if (exponent % 2 != 0) out *= square;
    return out;
}

/// E C(x) = x and E||C(x)||^2 <= zeta ||x||^2, with what follows; the identity for zeta = 1.
constexpr membership unbiased(double zeta) { return zeta <= 1 ? identity() : complete({.u = class_u{zeta}}); }

/// A contraction of which only the share r of ||x||^2 that it may leave behind is known, and what follows; no class for r >= 1.
constexpr membership leaving(double r)
{
    if (!(r > 0)) return identity();
    const auto b3 = from_contraction(r);
    return b3 ? complete({.b3 = b3}) : nothing();
}

/// zeta of unbiased rounding to one of the two levels around |x_i|, whose quotient is at most b >= 1: (b + 1/b + 2) / 4.
///
/// For levels a < a' = b a and |x_i| = y: E C_i^2 = (a + a') y - a a', and over y^2 its maximum (a + a')^2 / (4 a a') is at 2 a a' / (a + a').
constexpr double rounding_zeta(double quotient) { return (quotient + 1 / quotient + 2) / 4; }

/// The share of x_i^2 that rounding to the nearer of two levels with quotient b leaves at most: ((b - 1) / (b + 1))^2, at the middle.
constexpr double rounding_error(double quotient)
{
    const double half = (quotient - 1) / (quotient + 1);
    return half * half;
}

/// Unbiased rounding to levels that reach every magnitude. U((b + 1/b + 2) / 4). Tight.
constexpr membership unbiased_rounding(double quotient) { return unbiased(rounding_zeta(quotient)); }

/// Rounding to the nearest of such levels: C_i / x_i is in [2/(b+1), 2b/(b+1)], worst at the middle of two levels.
/// B1((2/(b+1))^2, 2b/(b+1)), B2(2/(b+1), 2b/(b+1)), B3((b+1)^2 / (4b)). Tight.
constexpr membership nearest_rounding(double quotient)
{
    if (quotient <= 1) return identity();
    const double low = 2 / (quotient + 1), high = quotient * low;
    return {.b1 = class_b1{low * low, high}, .b2 = class_b2{low, high}, .b3 = class_b3{(quotient + 1) * (quotient + 1) / (4 * quotient)}};
}

/// The largest quotient of neighbouring levels, which are positive and ascending; 1 for fewer than two.
constexpr double widest_step(std::span<const double> levels)
{
    double widest = 1;
    for (std::size_t i = 1; i < levels.size(); ++i) widest = std::max(widest, levels[i] / levels[i - 1]);
    return widest;
}

/// Unbiased rounding to powers of `base`. U((b + 1/b + 2) / 4). Tight.
constexpr membership exponential_rounding(double base) { return unbiased_rounding(base); }
/// Rounding to the nearest power of `base`. B3((b+1)^2 / (4b)). Tight. As far from x at worst as the unbiased form in mean square.
constexpr membership exponential_rounding_nearest(double base) { return nearest_rounding(base); }

/// Natural compression: unbiased rounding to powers of 2. U(9/8), B3(8/7). Tight. For elements that are 0 or in the format's normal range.
constexpr membership natural() { return unbiased_rounding(2); }

/// Finitely many levels and 0, relative to the largest |x_i| of a bucket.
struct level_table {
    double quotient = 1;         ///< b: neighbours' largest quotient
    double least = 1;            ///< l: the lowest level above 0
    bool holds_largest = true;   ///< max |x_i| is a level; otherwise it lies anywhere below the highest
};

/// zeta of unbiased rounding to a table: the larger of zeta_b and (z + sqrt(z^2 + (d-1) l^2)) / 2, z what the largest element contributes: 1 on
/// a level, zeta_b between two, l below all. The second, for z = 1, is tight.
///
/// Below l, E C_i^2 = l y. A bound a >= zeta_b holds if (z - a) + (d - 1) max over y of (l y - a y^2) <= 0, and that maximum is l^2 / (4 a).
constexpr double table_zeta(std::size_t d, const level_table& t)
{
    if (d == 0) return 1;
    const double above = rounding_zeta(t.quotient), z = t.holds_largest ? 1 : std::max(above, t.least);
    return std::max(t.least > 1 ? z : above, (z + square_root(z * z + static_cast<double>(d - 1) * t.least * t.least)) / 2);
}
/// Unbiased rounding to a table.
constexpr membership unbiased_table(std::size_t d, const level_table& t) { return unbiased(table_zeta(d, t)); }

/// Rounding to the nearest level of a table: leaves at most the larger of e = ((b-1)/(b+1))^2 and (c + n) / (1 + n), n = (d-1) l^2 / 4, c what
/// the largest element leaves: 0 on a level, e between two, (l - 1)^2 or at most all of it where it is below them. The second, for c = 0, is tight.
///
/// Below l the error is min(y, l - y)^2. A bound a >= e holds if (c - a) + (d - 1) max over y of (min(y, l - y)^2 - a y^2) <= 0, and that maximum
/// is (1 - a) l^2 / 4, at l / 2.
constexpr membership nearest_table(std::size_t d, const level_table& t)
{
    if (d == 0) return identity();
    const double e = rounding_error(t.quotient), below = std::min(1.0, t.least - 1);
    const double c = t.holds_largest ? 0 : t.least > 1 ? std::max(e, below * below) : e, n = static_cast<double>(d - 1) * t.least * t.least / 4;
    return leaving(std::max(e, (c + n) / (1 + n)));
}

/// Unbiased rounding to a grid of levels below a norm N of x, and to 0: for any d such elements, with |x_i| / N =: y, l the least level,
/// zeta_b the worst second moment above it and `norm` >= N / ||x||: U(zeta_b + (norm l)^2 d / (4 zeta_b)), or norm l sqrt(d) once that is above 2 zeta_b.
///
/// Below l, E C_i^2 = N^2 l y. For every a >= zeta_b, E||C||^2 - a ||x||^2 <= N^2 sum over y < l of (l y - a y^2) <= N^2 d l^2 / (4 a); take the
/// best a. Tight in the second case: all |x_i| equal.
constexpr double dithering_zeta(double d, double zeta_above, double least_level, double norm)
{
    const double q = norm * least_level * square_root(d);
    return q >= 2 * zeta_above ? q : zeta_above + q * q / (4 * zeta_above);
}

/// The norm of dithering by the largest magnitude.
inline constexpr double maximum_norm = std::numeric_limits<double>::infinity();

/// The largest ||x||_p / ||x||_2 of d elements, p = 1 or 2.
constexpr double norm_ratio(double d, double p) { return p < 2 ? square_root(d) : 1; }

/// Exponential dithering: ||x||_p sign(x_i) xi(|x_i| / ||x||_p), xi the unbiased rounding to {0, b^(1-levels), .., 1/b, 1}.
///
/// @param p 1, 2 or maximum_norm. @pre base > 1, levels >= 1
/// The bounds above with zeta_b = (b + 1/b + 2) / 4, l = b^(1-levels). One level: E||C||^2 = ||x||_p ||x||_1, so d, sqrt(d) and
/// (1 + sqrt(d)) / 2 for p = 1, 2, infinity, tight.
/// @cite Horvath et al., Natural Compression, 2019, Theorem 7: zeta_b + q min(1, q) with q = d^(1/min(p,2)) b^(1-levels), above all of these.
constexpr membership exponential_dithering(std::size_t d, double base, double p, std::size_t levels)
{
    if (d == 0) return identity();
    const double size = static_cast<double>(d), least = power(base, 1 - static_cast<long>(levels)), above = rounding_zeta(base);
    if (p < maximum_norm) return unbiased(levels == 1 ? square_root(size) * norm_ratio(size, p) : dithering_zeta(size, above, least, norm_ratio(size, p)));
    const double by_maximum = table_zeta(d, {.quotient = levels == 1 ? 1 : base, .least = least});
    return unbiased(levels == 1 ? by_maximum : std::min(dithering_zeta(size, above, least, 1), by_maximum));
}
/// Exponential dithering with base 2.
constexpr membership natural_dithering(std::size_t d, double p, std::size_t levels) { return exponential_dithering(d, 2, p, levels); }

/// The same levels, the nearest one: leaves e + (1 - e) q with e = ((b-1)/(b+1))^2 and q = d l^2 / 4 (p = 1: d^2 l^2 / 4), no class for q >= 1; by the
/// maximum as nearest_table().
///
/// With sum y^2 = 1 (p = 1: at least 1/d): sum of errors <= e + d max over y of (min(y, l - y)^2 - e y^2) = e + (1 - e) d l^2 / 4.
constexpr membership exponential_dithering_nearest(std::size_t d, double base, double p, std::size_t levels)
{
    const double least = power(base, 1 - static_cast<long>(levels)), size = static_cast<double>(d), quotient = levels == 1 ? 1 : base;
    if (!(p < maximum_norm)) return nearest_table(d, {.quotient = quotient, .least = least});
    const double e = rounding_error(quotient), lowest = norm_ratio(size, p) * least, q = size * lowest * lowest / 4;
    return d == 0 ? identity() : leaving(q < 1 ? e + (1 - e) * q : 1);
}

/// Linear dithering (QSGD): ||x||_p sign(x_i) xi(|x_i| / ||x||_p), xi the unbiased rounding to {0, 1/levels, .., 1}, p = 1 or 2: U(q),
/// q = d^(1/p) / levels, where that is at least 2, tight (all |x_i| equal), else U(1 + q^2 / 4); one level: U(q), tight.
///
/// E C_i^2 - x_i^2 <= N^2 / (4 levels^2), the variance between two levels, so the bounds of dithering hold with zeta_b = 1.
/// @cite Alistarh et al., QSGD, NIPS 2017, for p = 2: 1 + min(d / levels^2, sqrt(d) / levels).
constexpr membership qsgd(std::size_t d, std::size_t levels, double p = 2)
{
    const double size = static_cast<double>(d), norm = norm_ratio(size, p);
    if (d == 0) return identity();
    return unbiased(levels == 1 ? square_root(size) * norm : dithering_zeta(size, 1, 1 / static_cast<double>(levels), norm));
}

/// Linear dithering with max |x_i| for a norm: U((1 + sqrt(1 + (d-1) / levels^2)) / 2). Tight. The argument of table_zeta(), zeta_b = 1.
constexpr membership linear_dithering_of_maximum(std::size_t d, std::size_t levels)
{
    return unbiased(table_zeta(d, {.quotient = 1, .least = 1 / static_cast<double>(levels)}));
}

/// TernGrad: max |x_i| sign(x_i) with probability |x_i| / max |x|, else 0: U((1 + sqrt(d)) / 2). Tight.
constexpr membership terngrad(std::size_t d) { return linear_dithering_of_maximum(d, 1); }

/// sign(x) ||x||_1 / d with sign(0) = +1: s = t = ||x||_1^2 / (d ||x||^2), so B1(1/d, 1), B2(1/d, 1), B3(d). Tight: one element that is not 0.
/// A message of blocks is packed(): the largest block counts.
constexpr membership sign(std::size_t d) { return random_sparsification(kept_share(d, 1)); }

/// sign(x) without a scale: no class. ||C(x)||^2 = d whatever ||x|| is, so no bound holds for small x, nor for large.
constexpr membership sign_unscaled() { return nothing(); }

/// (d - 2) / (2 L^2), L = 2^bits - 1: the mean squared error, relative to ||x||^2, of rounding to a uniform grid of 2^bits values from min x_i to
/// max x_i. These two are grid points; the others are off by at most (max - min) / (2 L), and (max - min)^2 <= 2 (max^2 + min^2).
constexpr double grid_error(std::size_t d, int bits)
{
    const double steps = power(2, bits) - 1;
    return d <= 2 ? 0 : static_cast<double>(d - 2) / (2 * steps * steps);
}
/// The nearest grid point: B3(1 / (1 - grid_error)), no class where that is 1 or more. Tight: one h, one -h, zeros in the middle of two grid points.
constexpr membership min_max(std::size_t d, int bits) { return leaving(grid_error(d, bits)); }
/// Unbiased rounding to the grid: U(1 + grid_error). Tight.
constexpr membership min_max_stochastic(std::size_t d, int bits) { return unbiased(1 + grid_error(d, bits)); }

/// A float format relative to a power of two that is at least the bucket's largest magnitude and below twice that.
struct short_format {
    int mantissa; ///< explicit bits: half 10, bfloat16 7, e4m3 3, e5m2 2
    int normal;   ///< exponent of the least normal number, relative to that power
};
/// The mean square, over that of the bucket's largest element, by which an element below the normal numbers can be off.
constexpr double subnormal_error(short_format f) { return power(2, 2 * (f.normal - f.mantissa)); }

/// A cast to nearest: neighbouring normal numbers have quotients up to 1 + 2^-mantissa, and the d - 1 elements besides the largest may be below.
constexpr membership cast_nearest(std::size_t d, short_format f)
{
    return d == 0 ? identity() : leaving(rounding_error(1 + power(2, -f.mantissa)) + static_cast<double>(d - 1) * subnormal_error(f));
}
/// The same with stochastic rounding.
constexpr membership cast_stochastic(std::size_t d, short_format f)
{
    return d == 0 ? identity() : unbiased(rounding_zeta(1 + power(2, -f.mantissa)) + static_cast<double>(d - 1) * subnormal_error(f));
}

} // namespace gradcomp::theory
