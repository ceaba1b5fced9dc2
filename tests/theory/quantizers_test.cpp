/// @file The class numbers of the quantizers against their exact moments: per element, so without any sampling.
#include <gradcomp/theory/measured.hpp>
#include <gradcomp/theory/quantizers.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace theory = gradcomp::theory;
using doctest::Approx;

static_assert(theory::natural().u == theory::class_u{9.0 / 8});
static_assert(theory::exponential_rounding_nearest(2).b3 == theory::class_b3{9.0 / 8});
static_assert(theory::terngrad(1) == theory::identity() && theory::qsgd(1, 1) == theory::identity());
static_assert(theory::bucket_of(100, 0) == 100 && theory::bucket_of(100, 64) == 64 && theory::bucket_of(10, 64) == 10);
static_assert(theory::rounding_bias(16) == 1.0 / 131072);

namespace {

using vector = std::vector<double>;
constexpr double infinity = theory::maximum_norm;

/// E C_i and E C_i^2 of an operator that treats elements independently, once it knows x.
struct element {
    double mean, square;
};
using law = std::function<element(const vector& x, std::size_t i)>;

theory::moments moments_of(const law& c, const vector& x)
{
    double s = 0, t = 0, norm = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const element e = c(x, i);
        s += e.square;
        t += e.mean * x[i];
        norm += x[i] * x[i];
    }
    return {s / norm, t / norm};
}

double norm_of(const vector& x, double p)
{
    double out = 0;
    for (const double v : x) out = p == infinity ? std::max(out, std::abs(v)) : p == 1 ? out + std::abs(v) : std::hypot(out, v);
    return out;
}

/// Unbiased rounding of |y| to the neighbours among `levels` (ascending, |y| inside them).
element round_between(double low, double high, double v)
{
    const double y = std::abs(v), square = high > low ? (low + high) * y - low * high : y * y;
    return {v, square};
}
element round_on(const vector& levels, double y)
{
    const auto above = std::upper_bound(levels.begin(), levels.end(), std::abs(y));
    if (above == levels.end()) return {std::abs(y), y * y};
    return {std::abs(y), round_between(*(above - 1), *above, std::abs(y)).square};
}

law dithering(double p, vector levels)
{
    return [=](const vector& x, std::size_t i) {
        const double n = norm_of(x, p);
        const element e = round_on(levels, std::min(1.0, std::abs(x[i]) / n));
        return element{x[i], n * n * e.square};
    };
}
vector exponential_levels(double base, int s)
{
    vector out{0};
    for (int j = s - 1; j >= 0; --j) out.push_back(std::pow(base, -j));
    return out;
}
vector linear_levels(int s)
{
    vector out;
    for (int j = 0; j <= s; ++j) out.push_back(double(j) / s);
    return out;
}
law exponential_rounding(double base)
{
    return [base](const vector& x, std::size_t i) -> element {
        if (x[i] == 0) return {0, 0};
        const double low = std::pow(base, std::floor(std::log(std::abs(x[i])) / std::log(base) + 1e-12));
        return round_between(low, low * base, x[i]);
    };
}
law nearest_power(double base)
{
    return [base](const vector& x, std::size_t i) -> element {
        if (x[i] == 0) return {0, 0};
        const double low = std::pow(base, std::floor(std::log(std::abs(x[i])) / std::log(base) + 1e-12)), high = low * base;
        const double c = std::copysign(std::abs(x[i]) < (low + high) / 2 ? low : high, x[i]);
        return {c, c * c};
    };
}
law grid(int bits, bool stochastic)
{
    return [=](const vector& x, std::size_t i) -> element {
        const auto [low, high] = std::minmax_element(x.begin(), x.end());
        const double step = (*high - *low) / (std::exp2(bits) - 1);
        if (!(step > 0)) return {x[i], x[i] * x[i]};
        const double at = (x[i] - *low) / step, below = *low + step * std::floor(at), above = below + step, up = at - std::floor(at);
        if (stochastic) return {x[i], (1 - up) * below * below + up * above * above};
        const double c = up < 0.5 ? below : above;
        return {c, c * c};
    };
}
/// Rounding of |x_i| / unit to `levels`, which ascend from 0; the unit is max |x| or the least power of `base` that is at least that.
law on_table(vector levels, bool nearest, double base = 0)
{
    return [=](const vector& x, std::size_t i) -> element {
        double unit = norm_of(x, infinity);
        if (base > 0) unit = std::pow(base, std::ceil(std::log(unit) / std::log(base) - 1e-12));
        const double y = std::abs(x[i]) / unit;
        if (!nearest) return {x[i], unit * unit * round_on(levels, y).square};
        double best = 0;
        for (const double level : levels) best = std::abs(level - y) < std::abs(best - y) ? level : best;
        const double c = std::copysign(best * unit, x[i]);
        return {c, c * c};
    };
}
law nearest_dithering(double p, vector levels)
{
    return [=](const vector& x, std::size_t i) -> element {
        const double n = norm_of(x, p), y = std::abs(x[i]) / n;
        double best = 0;
        for (const double level : levels) best = std::abs(level - y) < std::abs(best - y) ? level : best;
        const double c = std::copysign(best * n, x[i]);
        return {c, c * c};
    };
}
/// Cast to a short format relative to the least power of two that is at least max |x|.
law cast(theory::short_format f, bool stochastic)
{
    return [=](const vector& x, std::size_t i) -> element {
        if (x[i] == 0) return {0, 0};
        const double scale = std::exp2(std::ceil(std::log2(norm_of(x, infinity))));
        int e;
        std::frexp(x[i] / scale, &e);
        const double step = scale * std::exp2(std::max(e - 1, f.normal) - f.mantissa);
        const double low = std::floor(std::abs(x[i]) / step) * step;
        if (stochastic) return round_between(low, low + step, x[i]);
        const double c = std::copysign(std::nearbyint(std::abs(x[i]) / step) * step, x[i]);
        return {c, c * c};
    };
}
law scaled_sign()
{
    return [](const vector& x, std::size_t i) {
        const double scale = norm_of(x, 1) / static_cast<double>(x.size()), c = x[i] < 0 ? -scale : scale;
        return element{c, c * c};
    };
}

/// Climbs from many starts: what a perturbation of one or all elements improves is kept.
double worst(std::size_t d, const std::function<double(const vector&)>& badness, unsigned seed)
{
    std::mt19937_64 random(seed);
    std::normal_distribution<double> gauss;
    double best_of_all = -infinity;
    for (int start = 0; start < 12; ++start) {
        vector x(d);
        for (double& v : x) v = start % 4 == 0 ? 1 : start % 4 == 1 ? gauss(random) : start % 4 == 2 ? std::exp(2 * gauss(random)) : 0;
        x[random() % d] = 1 + std::abs(gauss(random));
        if (start % 8 == 7) x[random() % d] = -x[0] - 1;
        double best = badness(x);
        for (int round = 0; round < 600; ++round) {
            vector y = x;
            const double width = std::exp2(-(round % 20));
            if (round % 3 == 0) {
                const double all = 1 + width * gauss(random);
                const std::size_t spared = random() % d;
                for (std::size_t i = 0; i < d; ++i) y[i] *= i == spared ? 1 : all;
            } else {
                const std::size_t i = random() % d;
                y[i] = round % 3 == 1 ? y[i] * (1 + width * gauss(random)) : x[random() % d];
            }
            if (!(norm_of(y, 2) > 0)) continue;
            const double now = badness(y);
            if (now >= best) best = now, x = y;
        }
        best_of_all = std::max(best_of_all, best);
    }
    return best_of_all;
}

/// No class is violated; the share of its zeta - 1, or of its contraction, that a search reaches is at least `reach`.
void check(const std::string& name, const theory::membership& m, const law& c, std::size_t d, double reach)
{
    INFO(name, " d = ", d);
    if (m.u) {
        const double zeta = worst(d, [&](const vector& x) { return moments_of(c, x).s; }, 5);
        CHECK(zeta <= m.u->zeta * (1 + 1e-9));
        CHECK(zeta - 1 >= reach * (m.u->zeta - 1) - 1e-9);
    }
    const auto violation = [&](const vector& x) {
        const theory::moments seen = moments_of(c, x);
        double most = -infinity;
        if (m.b1) most = std::max(most, theory::violation(*m.b1, seen));
        if (m.b2) most = std::max(most, theory::violation(*m.b2, seen));
        if (m.b3) most = std::max(most, theory::violation(*m.b3, seen));
        return most;
    };
    if (m.b1 || m.b2 || m.b3) CHECK(worst(d, violation, 6) <= 1e-9);
    if (!m.b3 || m.u) return;
    const double error = worst(d, [&](const vector& x) { const auto seen = moments_of(c, x); return seen.s - 2 * seen.t + 1; }, 7);
    CHECK(error >= reach * theory::contraction(*m.b3) - 1e-9);
}

} // namespace

TEST_CASE("roundings to powers: the classes hold and are attained")
{
    for (const double b : {1.1, 1.5, 2.0, 3.0, 10.0}) {
        check("unbiased", theory::exponential_rounding(b), exponential_rounding(b), 3, 0.99);
        check("nearest", theory::exponential_rounding_nearest(b), nearest_power(b), 3, 0.99);
        CHECK(theory::exponential_rounding(b).u->zeta == Approx(theory::exponential_rounding_nearest(b).b3->delta));
    }
    const double table[] = {1, 1.5, 4, 5};
    CHECK(theory::widest_step(table) == Approx(4 / 1.5));
    CHECK(theory::unbiased_rounding(theory::widest_step(table)).u->zeta == Approx((4 / 1.5 + 1.5 / 4 + 2) / 4));
    CHECK(theory::natural().b3->delta == Approx(8.0 / 7));
}

TEST_CASE("dithering: no x breaks the bound, and it is no looser than the published one")
{
    for (const std::size_t d : {1u, 2u, 3u, 7u, 16u, 33u, 64u})
        for (const int s : {1, 2, 4, 8})
            for (const double p : {1.0, 2.0, infinity}) {
                for (const double b : {1.5, 2.0, 4.0}) {
                    const theory::membership m = theory::exponential_dithering(d, b, p, static_cast<std::size_t>(s));
                    check("exponential " + std::to_string(b) + " " + std::to_string(p) + " " + std::to_string(s), m, dithering(p, exponential_levels(b, s)), d, 0);
                    const double q = std::pow(double(d), 1 / std::min(p, 2.0)) * std::pow(b, 1 - s);
                    CHECK(m.u->zeta <= (b + 1 / b + 2) / 4 + q * std::min(1.0, q) + 1e-12);
                }
                const std::size_t levels = static_cast<std::size_t>(s);
                const theory::membership linear = p == infinity ? theory::linear_dithering_of_maximum(d, levels) : theory::qsgd(d, levels, p);
                const double q = std::pow(double(d), 1 / std::min(p, 2.0)) / s;
                check("linear " + std::to_string(p) + " " + std::to_string(s), linear, dithering(p, linear_levels(s)), d, p == infinity || s == 1 || q >= 2 ? 0.95 : 0.0);
                CHECK(linear.u->zeta <= 1 + q * std::min(1.0, q) + 1e-12);
            }
    CHECK(theory::terngrad(64).u->zeta == Approx(4.5));
}

TEST_CASE("sign with one scale: the class of keeping one element of d, attained by a single element")
{
    for (const std::size_t d : {1u, 2u, 5u, 64u}) check("sign", theory::sign(d), scaled_sign(), d, 0.95);
    CHECK(theory::sign(100).b3->delta == Approx(100));
    CHECK(theory::has_no_guarantee(theory::sign_unscaled()));
}

TEST_CASE("min-max grids: nearest contracts only where the bucket is small for its bits; stochastic is unbiased")
{
    for (const std::size_t d : {1u, 2u, 3u, 5u, 19u, 20u, 64u})
        for (const int bits : {1, 2, 4, 8}) {
            check("nearest " + std::to_string(bits), theory::min_max(d, bits), grid(bits, false), d, 0);
            check("stochastic " + std::to_string(bits), theory::min_max_stochastic(d, bits), grid(bits, true), d, 0);
        }
    CHECK(theory::min_max(19, 2).b3.has_value());
    CHECK(theory::has_no_guarantee(theory::min_max(20, 2)));
    vector worst_case(20, 0.0);
    worst_case[0] = 1, worst_case[1] = -1;
    const theory::moments seen = moments_of(grid(2, false), worst_case);
    CHECK(seen.s - 2 * seen.t + 1 == Approx(18.0 / 18));
    CHECK(moments_of(grid(2, true), worst_case).s == Approx(theory::min_max_stochastic(20, 2).u->zeta));
    CHECK(theory::min_max(512, 8).b3->delta == Approx(1 / (1 - 510.0 / (2 * 255 * 255))));
}

TEST_CASE("finitely many levels: what the lowest one adds to a rounding's class, and what it leaves of the nearest one's")
{
    const vector quarters{0, 0.25, 0.5, 0.75, 1}, uneven{0, 0.1, 0.15, 0.6, 1}, one{0, 1};
    for (const std::size_t d : {1u, 2u, 5u, 16u, 64u})
        for (const vector& levels : {quarters, uneven, one}) {
            const theory::level_table table{.quotient = theory::widest_step(std::span(levels).subspan(1)), .least = levels[1]};
            const double n = static_cast<double>(d - 1) * table.least * table.least, second = (1 + std::sqrt(1 + n)) / 2;
            check("levels", theory::unbiased_table(d, table), on_table(levels, false), d, second > theory::rounding_zeta(table.quotient) ? 0.95 : 0);
            check("nearest level", theory::nearest_table(d, table), on_table(levels, true), d, n / (4 + n) > theory::rounding_error(table.quotient) ? 0.85 : 0);
        }
    for (const double b : {1.3, 2.0, 3.0})
        for (const int s : {1, 2, 3, 6})
            for (const std::size_t d : {1u, 3u, 16u}) {
                const theory::level_table table{.quotient = b, .least = b * std::pow(b, 1 - s), .holds_largest = false};
                check("powers", theory::unbiased_table(d, table), on_table(exponential_levels(b, s), false, b), d, 0);
                check("nearest power", theory::nearest_table(d, table), on_table(exponential_levels(b, s), true, b), d, 0);
            }
    // The nearest level always leaves less than everything where the largest element is on one, ...
    CHECK(theory::nearest_table(512, {.quotient = 2, .least = 0.25}).b3->delta == Approx(1 + 511.0 / 64));
    // ... and one level alone, above the largest element, may leave all.
    CHECK(theory::has_no_guarantee(theory::nearest_table(4, {.quotient = 2, .least = 2, .holds_largest = false})));
    CHECK(theory::unbiased_table(1, {.quotient = 3, .least = 3, .holds_largest = false}).u->zeta == Approx(3));
    CHECK(theory::unbiased_table(0, {}) == theory::identity());
    CHECK(theory::nearest_table(0, {.least = 0.5}) == theory::identity());
}

TEST_CASE("dithering to the nearest level: a contraction while the lowest level is below what all elements alike have")
{
    for (const std::size_t d : {1u, 3u, 16u, 64u})
        for (const std::size_t s : {1u, 3u, 6u, 9u})
            for (const double p : {1.0, 2.0, infinity})
                check("nearest " + std::to_string(p) + " " + std::to_string(s), theory::exponential_dithering_nearest(d, 2, p, s), nearest_dithering(p, exponential_levels(2, static_cast<int>(s))), d, 0);
    CHECK(theory::exponential_dithering_nearest(16, 2, 2, 7).b3->delta == Approx(1 / (1 - (1.0 / 9 + 8.0 / 9 * 16 / 4 / 4096))));
    CHECK(theory::has_no_guarantee(theory::exponential_dithering_nearest(16, 2, 2, 2)));
    CHECK(theory::exponential_dithering_nearest(0, 2, 2, 2) == theory::identity());
}

TEST_CASE("a cast is a rounding whose worst step is at the bottom of a binade, and uniform below the normal numbers")
{
    for (const std::size_t d : {1u, 2u, 16u, 64u})
        for (const theory::short_format f : {theory::short_format{2, -2}, {3, -14}, {10, -29}}) {
            check("nearest", theory::cast_nearest(d, f), cast(f, false), d, d == 1 ? 0.5 : 0);
            check("stochastic", theory::cast_stochastic(d, f), cast(f, true), d, d == 1 ? 0.5 : 0);
        }
    CHECK(theory::contraction(*theory::cast_nearest(1, {10, -29}).b3) == Approx(std::pow(1 / 2049.0, 2)).epsilon(1e-6));
    CHECK(theory::cast_stochastic(1, {3, -14}).u->zeta == Approx(1 + 1.0 / (4 * 8 * 9)));
    CHECK(theory::cast_nearest(0, {3, -14}) == theory::identity());
}

TEST_CASE("a chain has the product of its parts, also exactly where its theorem is stated")
{
    const theory::membership top = theory::top_k(100, 5), dither = theory::natural_dithering(5, 2, 8), both = theory::chain(top, dither);
    const double zeta = dither.u->zeta;
    CHECK(both.b1->alpha == Approx(0.05));
    CHECK(both.b1->beta == Approx(zeta));
    CHECK(both.b2->gamma == Approx(0.05));
    CHECK(both.b3->delta == Approx(20 / (2 - zeta)));
    CHECK(theory::scaled(1 / zeta, both).b3->delta == Approx(20 * zeta).epsilon(1e-9));
    CHECK_FALSE(both.u.has_value());
    CHECK_FALSE(theory::chain(top, theory::terngrad(64)).b3.has_value()); // zeta = 4.5: may expand
    CHECK(theory::chain(theory::rand_k_unbiased(100, 5), dither).u->zeta == Approx(20 * zeta));
    CHECK(theory::chain(theory::identity(), dither).u == dither.u);
    CHECK(theory::chain(top, theory::identity()).b3->delta == Approx(20));
    CHECK(theory::has_no_guarantee(theory::chain(top, theory::sign_unscaled())));
    CHECK(theory::chain(top, theory::sign(5)).b3->delta == Approx(100));

    // Top-2 of 6 and then TernGrad, against its moments.
    const law c = [](const vector& x, std::size_t i) -> element {
        std::size_t ahead = 0;
        for (std::size_t j = 0; j < x.size(); ++j) ahead += std::abs(x[j]) > std::abs(x[i]) || (std::abs(x[j]) == std::abs(x[i]) && j < i);
        if (ahead >= 2) return {0, 0};
        return {x[i], std::abs(x[i]) * norm_of(x, infinity)};
    };
    check("top_k then terngrad", theory::chain(theory::top_k(6, 2), theory::terngrad(2)), c, 6, 0);
}

TEST_CASE("thresholds: contractions where their numbers say so, crowded or not")
{
    const auto keep = [](std::size_t capacity, const std::function<double(const vector&)>& threshold) {
        return law([=](const vector& x, std::size_t i) -> element {
            std::size_t ahead = 0;
            const double at = threshold(x);
            for (std::size_t j = 0; j < x.size(); ++j) ahead += std::abs(x[j]) > std::abs(x[i]) || (std::abs(x[j]) == std::abs(x[i]) && j < i);
            return std::abs(x[i]) >= at && ahead < capacity ? element{x[i], x[i] * x[i]} : element{0, 0};
        });
    };
    for (const double share : {0.1, 0.5, 1.0})
        for (const std::size_t capacity : {1u, 3u, 8u}) {
            check("of maximum", theory::threshold_of_maximum(8, share, capacity), keep(capacity, [&](const vector& x) { return share * norm_of(x, infinity); }), 8, 0.95);
            check("of norm", theory::threshold_of_norm(8, share, capacity), keep(capacity, [&](const vector& x) { return share * norm_of(x, 2) / std::sqrt(8.0) * (1 - 1e-12); }), 8, 0);
        }
    CHECK(theory::threshold_of_maximum(8, 0.5, 8).b3->delta == Approx(1 + 7 * 0.25));
    CHECK(theory::threshold_of_norm(8, 0.5, 8).b3->delta == Approx(1 / (1 - 0.25 * 7 / 8)));
    CHECK(theory::threshold_of_norm(8, 0.5, 2).b3->delta == Approx(4));
    CHECK(theory::has_no_guarantee(theory::threshold_of_norm(8, 2.5, 8)));
    CHECK(theory::has_no_guarantee(theory::threshold_absolute()));
    CHECK(theory::adaptive_random(10, 2) == theory::top_k(10, 2));
    CHECK(theory::block_top_k(4, 1).b3->delta == 4);
    CHECK(theory::low_rank(20, 2).b3->delta == Approx(10));
}
