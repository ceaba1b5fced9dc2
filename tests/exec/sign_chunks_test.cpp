/// @file Tiles of signs: every copy gives the bytes, the means, the memory and the counts that a plain loop gives.
#include <gradcomp/core/sign_code.hpp>
#include <gradcomp/exec/cpu/encode_tiles.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <vector>

using namespace gradcomp;
using namespace gradcomp::exec;

namespace {

constexpr std::size_t count = 9 * code_tile + 77; // two sampled tiles, and one that is not whole

/// e' = p - c in place, p = e + 0.5 g, and a second stream that takes what leave() sees of the gradient.
template <class T> struct twofold_rule : rule_streams<T, T, 1, 2> {
    GRADCOMP_INLINE T value(T g, const T* x) const { return multiply_add(T(0.5), g, x[0]); }
    GRADCOMP_INLINE void leave(T g, const T*, T p, T c, T* y) const { y[0] = p - c, y[1] = g; }
    GRADCOMP_INLINE T owed_at(std::size_t i) const { return this->in[0][i]; }
};

template <class T> struct streams {
    std::vector<T> g, e, seen = std::vector<T>(count);
    /// @param bad NaN, Inf or numbers whose p overflows, among them in a sampled tile
    explicit streams(bool bad) : g(count), e(count)
    {
        std::mt19937 random(7);
        std::normal_distribution<double> normal;
        for (std::size_t i = 0; i < count; ++i) g[i] = static_cast<T>(normal(random)), e[i] = static_cast<T>(normal(random));
        for (std::size_t i = 0; i < count; i += 31) g[i] = 0, e[i] = T(-0.0); // sign(-0) = +1
        if (!bad) return;
        using limits = std::numeric_limits<T>;
        g[3] = limits::quiet_NaN(), g[70] = -limits::infinity(), g[600] = limits::infinity(), g[8 * code_tile + 300] = -limits::quiet_NaN();
        g[2000] = e[2000] = -limits::max();
        g[count - 1] = limits::infinity();
    }
};

template <class T> struct outcome {
    std::vector<std::uint8_t> codes = std::vector<std::uint8_t>(packed_bytes(count, 1) + 8, 0x5a);
    std::vector<T> means = std::vector<T>(count / code_tile + 1), left, seen;
    sweep_tally tally;
};

template <class T, class Code> outcome<T> swept(isa level, const Code& code, bool bad, non_finite policy)
{
    streams<T> with(bad);
    outcome<T> out;
    twofold_rule<T> rule;
    rule.gradient = with.g.data();
    rule.in[0] = rule.out[0] = with.e.data();
    rule.out[1] = with.seen.data();
    const detail::encode_job<Code> job{code, {out.means.data(), out.codes.data(), code_tile}, detail::random_lanes(random_stream{}), {.bad_elements = policy}};
    at_level(level, detail::encode_body<twofold_rule<T>, Code>{rule, 0, count, &job, &out.tally});
    out.left = with.e;
    out.seen = with.seen;
    return out;
}

/// The same, one element after the other.
template <class T, class Code> outcome<T> looped(const Code& code, bool bad, non_finite policy)
{
    streams<T> with(bad);
    outcome<T> out;
    std::vector<T> p(count);
    std::fill(out.codes.begin(), out.codes.end() - 8, std::uint8_t{0});
    for (std::size_t i = 0; i < count; ++i) {
        p[i] = multiply_add(T(0.5), with.g[i], with.e[i]);
        if (!is_finite(p[i]) && policy != non_finite::propagate) ++out.tally.bad, with.g[i] = 0, p[i] = with.e[i];
        const T c = Code::leaves_all ? T(0) : code.decode(p[i] < T(0), {});
        if (i / tile_size % 16 == 0) {
            const double stays = static_cast<double>(p[i] - c), update = static_cast<double>(p[i] - with.e[i]);
            out.tally.error_square += stays * stays, out.tally.update_square += update * update, ++out.tally.sampled;
        }
        out.codes[i / 8] = static_cast<std::uint8_t>(out.codes[i / 8] | (p[i] < T(0)) << i % 8);
        out.left.push_back(p[i] - c);
    }
    for (std::size_t from = 0; Code::parameters > 0 && from < count; from += code_tile) {
        const std::size_t some = std::min(count - from, code_tile);
        bool finite = true;
        for (std::size_t i = from; i < from + some; ++i) finite &= is_finite(p[i]);
        out.means[from / code_tile] = finite ? measure_bucket<measure::mean>(p.data() + from, some).first : not_a_number<T>();
        if (finite) continue;
        std::fill_n(out.codes.begin() + static_cast<std::ptrdiff_t>(from / 8), packed_bytes(some, 1), std::uint8_t{0});
        for (std::size_t i = from; i < from + some; ++i) out.left[i] = not_a_number<T>(); // or p, which the scale makes NaN in the end
    }
    out.seen = with.g;
    return out;
}

template <class T> std::size_t differences(const std::vector<T>& a, const std::vector<T>& b, bool nan_is_any = false)
{
    std::size_t wrong = a.size() != b.size();
    for (std::size_t i = 0; i < a.size(); ++i) wrong += bits_of(a[i]) != bits_of(b[i]) && !(b[i] != b[i] && (nan_is_any || a[i] != a[i]));
    return wrong;
}

template <class T, class Code> void as_looped(const Code& code)
{
    for (const isa level : {isa::scalar, isa::avx2, isa::avx512})
        for (const bool bad : {false, true})
            for (const non_finite policy : {non_finite::reject, non_finite::zero_and_count, non_finite::propagate}) {
                if (!supports(level)) continue;
                CAPTURE(name_of(level));
                CAPTURE(bad);
                CAPTURE(static_cast<int>(policy));
                const auto is = swept<T>(level, code, bad, policy), wanted = looped<T>(code, bad, policy);
                CHECK(is.codes == wanted.codes);
                CHECK(differences(is.means, wanted.means) == 0);
                CHECK(differences(is.left, wanted.left, true) == 0);
                CHECK(differences(is.seen, wanted.seen) == 0);
                CHECK(is.tally.bad == wanted.tally.bad);
                CHECK(is.tally.sampled == wanted.tally.sampled);
                if (bad && policy == non_finite::propagate) continue; // sums of NaN
                CHECK(is.tally.error_square == doctest::Approx(wanted.tally.error_square).epsilon(1e-4));
                CHECK(is.tally.update_square == doctest::Approx(wanted.tally.update_square).epsilon(1e-4));
            }
}

} // namespace

TEST_CASE_TEMPLATE("signs whose scale comes later: bytes, means and memory of every copy", T, float, double) { as_looped<T>(measured_sign_code<T>{}); }
TEST_CASE_TEMPLATE("signs of a known scale: bytes and memory of every copy", T, float, double) { as_looped<T>(known_sign_code<T>{T(0.75)}); }
