/// @file The operator classes of quantizers: roundings, dithering, sign, min-max grids, casts, low rank.
///
/// d is the number of elements that share one scale (a bucket, a tensor): see bucket_of(). As in operators.hpp every function returns all
/// classes that hold, and "tight" says that some x attains the constants. s, t as in conversions.hpp; a scale counts as exact, which in T it is
/// up to a few units of rounding, and stochastic choices as ideal, see rounding_bias().
/// @cite Beznosikov et al., JMLR 24(276), 2023, section on compressors; Horvath et al., Natural Compression, 2019, for base 2. The constants of
/// dithering are sharper here than in either paper.
#pragma once

#include <gradcomp/theory/operators.hpp>

#include <algorithm>
#include <cstddef>
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
constexpr membership unbiased_operator(double zeta)
{
    return zeta <= 1 ? identity() : complete({.u = class_u{zeta}});
}

/// Unbiased rounding of |x_i| to one of the two levels around it, whose quotient is at most `quotient` >= 1: U((b + 1/b + 2) / 4). Tight.
///
/// For levels a < a' = b a and |x_i| = y: E C_i^2 = (a + a') y - a a', and over y^2 its maximum (a + a')^2 / (4 a a') is at 2 a a' / (a + a').
constexpr membership unbiased_rounding(double quotient) { return unbiased_operator((quotient + 1 / quotient + 2) / 4); }

/// Rounding to the nearer of two levels with quotient at most b: C_i / x_i is in [2/(b+1), 2b/(b+1)], worst at the middle of the levels.
/// B1((2/(b+1))^2, 2b/(b+1)), B2(2/(b+1), 2b/(b+1)), B3((b+1)^2 / (4b)). Tight.
constexpr membership nearest_rounding(double quotient)
{
    if (quotient <= 1) return identity();
    const double low = 2 / (quotient + 1), high = quotient * low;
    return {.b1 = class_b1{low * low, high}, .b2 = class_b2{low, high}, .b3 = class_b3{(quotient + 1) * (quotient + 1) / (4 * quotient)}};
}

/// The largest quotient of neighbouring levels, which are positive and ascending; 1 for fewer than two. The roundings' classes over a table
/// hold for x whose elements are 0 or, in magnitude, from the first level to the last.
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

/// The same with N = max |x_i|, which some element attains, so the others have d - 1 places: the larger of zeta_b and (1 + sqrt(1 + (d-1) l^2)) / 2.
///
/// a = zeta holds if l y - a y^2 <= (a - 1) / (d - 1) for all y, whose left side has the maximum l^2 / (4 a).
constexpr double dithering_zeta_of_maximum(double d, double zeta_above, double least_level)
{
    return std::max(zeta_above, (1 + square_root(1 + (d - 1) * least_level * least_level)) / 2);
}

/// Exponential dithering: ||x||_p sign(x_i) xi(|x_i| / ||x||_p), xi the unbiased rounding to {0, b^(1-levels), .., 1/b, 1}.
///
/// @param p 1, 2 or more; infinity for the maximum. @pre base > 1, levels >= 1
/// p >= 2 and infinity: the two bounds above with zeta_b = (b + 1/b + 2) / 4, l = b^(1-levels). p < 2: zeta_b + q min(1, q), q = d l.
/// One level: E||C||^2 = ||x||_p ||x||_1, so d, sqrt(d) and (1 + sqrt(d)) / 2 for p = 1, 2, infinity, tight.
/// @cite Horvath et al., Natural Compression, 2019, Theorem 7: zeta_b + q min(1, q) with q = d^(1/min(p,2)) b^(1-levels), above all of these.
constexpr membership exponential_dithering(std::size_t d, double base, double p, int levels)
{
    if (d == 0) return identity();
    const double size = static_cast<double>(d), least = power(base, 1 - levels), above = (base + 1 / base + 2) / 4;
    const bool of_maximum = p > 1e300;
    if (levels == 1) return unbiased_operator(p < 2 ? size : of_maximum ? dithering_zeta_of_maximum(size, 1, 1) : square_root(size));
    if (p < 2) return unbiased_operator(above + size * least * std::min(1.0, size * least));
    double zeta = dithering_zeta(size, above, least, 1);
    if (of_maximum) zeta = std::min(zeta, dithering_zeta_of_maximum(size, above, least));
    return unbiased_operator(zeta);
}

/// Exponential dithering with base 2.
constexpr membership natural_dithering(std::size_t d, double p, int levels) { return exponential_dithering(d, 2, p, levels); }

/// Natural compression with `levels` powers of 2 below a power of two that is at least max |x_i| and below twice it (an exponent base per
/// bucket), and 0 below them. For an 8-bit code (sign and 127 levels) the second term is below 2^-220 for any bucket.
constexpr membership natural_bucketed(std::size_t d, int levels)
{
    return d == 0 ? identity() : unbiased_operator(dithering_zeta(static_cast<double>(d), 9.0 / 8, power(2, 1 - levels), 2));
}

/// Linear dithering (QSGD): ||x||_2 sign(x_i) xi(|x_i| / ||x||_2), xi the unbiased rounding to {0, 1/levels, .., 1}: U(sqrt(d) / levels) where
/// that is at least 2, tight (all |x_i| equal), else U(1 + d / (4 levels^2)); one level: U(sqrt(d)), tight.
///
/// E C_i^2 - x_i^2 <= N^2 / (4 levels^2), the variance between two levels, so the bounds of dithering hold with zeta_b = 1.
/// @cite Alistarh et al., QSGD, NIPS 2017: 1 + min(d / levels^2, sqrt(d) / levels).
constexpr membership qsgd(std::size_t d, int levels)
{
    if (d == 0) return identity();
    const double size = static_cast<double>(d);
    return unbiased_operator(levels == 1 ? square_root(size) : dithering_zeta(size, 1, 1.0 / levels, 1));
}

/// Linear dithering with max |x_i| for a norm: U((1 + sqrt(1 + (d-1) / levels^2)) / 2). Tight.
constexpr membership linear_dithering_of_maximum(std::size_t d, int levels)
{
    return d == 0 ? identity() : unbiased_operator(dithering_zeta_of_maximum(static_cast<double>(d), 1, 1.0 / levels));
}

/// TernGrad: max |x_i| sign(x_i) with probability |x_i| / max |x|, else 0: U((1 + sqrt(d)) / 2). Tight.
constexpr membership terngrad(std::size_t d) { return linear_dithering_of_maximum(d, 1); }

/// sign(x) ||x||_1 / d with sign(0) = +1: s = t = ||x||_1^2 / (d ||x||^2), so B1(1/d, 1), B2(1/d, 1), B3(d). Tight: one element that is not 0.
/// A message of blocks is packed(): the largest block counts.
constexpr membership sign(std::size_t d) { return random_sparsification(kept_share(d, 1)); }

/// sign(x) without a scale: no class. ||C(x)||^2 = d whatever ||x|| is, so no bound holds for small x, nor for large.
constexpr membership sign_unscaled() { return nothing(); }

/// A uniform grid of 2^bits values from min x_i to max x_i, the nearest one: B3 with 1 - 1/delta = (d - 2) / (2 L^2), L = 2^bits - 1, where that
/// is below 1, else no class. Tight: one h, one -h, zeros, each of which is in the middle of two grid points.
///
/// Minimum and maximum are grid points; the other d - 2 elements are off by at most (max - min) / (2 L), and (max - min)^2 <= 2 (max^2 + min^2).
constexpr membership min_max(std::size_t d, int bits)
{
    if (d <= 2) return identity();
    const double steps = power(2, bits) - 1, lost = static_cast<double>(d - 2) / (2 * steps * steps);
    const std::optional<class_b3> b3 = from_contraction(lost);
    return b3 ? complete({.b3 = b3}) : nothing();
}

/// The same grid with unbiased rounding: U(1 + (d - 2) / (2 L^2)). Tight.
constexpr membership min_max_stochastic(std::size_t d, int bits)
{
    if (d <= 2) return identity();
    const double steps = power(2, bits) - 1;
    return unbiased_operator(1 + static_cast<double>(d - 2) / (2 * steps * steps));
}

/// Cast to a float format with `mantissa` explicit bits (half 10, bfloat16 7, e4m3 3, e5m2 2), to nearest: neighbours have quotients up to
/// 1 + 2^-mantissa. Tight. For elements that are 0 or in the format's normal range.
constexpr membership cast_nearest(int mantissa) { return nearest_rounding(1 + power(2, -mantissa)); }
/// The same with stochastic rounding.
constexpr membership cast_stochastic(int mantissa) { return unbiased_rounding(1 + power(2, -mantissa)); }

/// Projection of a matrix onto the range of (matrix x Gaussian with `rank` columns, drawn afresh): B1(q, 1), B2(q, 1), B3(1/q),
/// q = rank / min(rows, columns). Tight: all singular values equal. A warm start forgoes the class: for a matrix orthogonal to the last one it keeps nothing.
///
/// A projection has s = t. With M = U S V^T and Q = V^T x the Gaussian, (Q'S^2 Q)(Q'Q)^-1 (Q'S^2 Q) <= Q'S^4 Q gives
/// s >= tr(S^2 Q (Q'Q)^-1 Q'), whose mean is q tr S^2.
constexpr membership low_rank(std::size_t rows, std::size_t columns, std::size_t rank)
{
    return random_sparsification(kept_share(std::min(rows, columns), rank));
}

} // namespace gradcomp::theory
