/// @file The table of operators: parameters claimed and found, bits claimed and counted.
#include "reproduce/biased.hpp"

#include "reproduce/operation.hpp"
#include "reproduce/over_seeds.hpp"
#include "reproduce/search.hpp"
#include "table.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace apps::reproduce {
namespace {

namespace gc = gradcomp;
namespace theory = gradcomp::theory;

constexpr std::size_t small = 16, large = 100000; // elements of the searches (where a row does not say otherwise) and of the counted messages

/// Which of its bounds an operator attains.
enum class tight {
    none,
    error, ///< 1 - 1/delta, from which the others were derived
    all
};

double index_bits(std::size_t d) { return std::ceil(std::log2(static_cast<double>(d))); }

/// The moments of an operator at x by `draws` draws.
template <class T> theory::measurement draw(const operation<T>& c, const std::vector<double>& x, std::uint64_t draws, double sigmas)
{
    const std::vector<T> at(x.begin(), x.end());
    return theory::measure<T>([&](std::span<const T> in, std::span<T> out, std::uint64_t) { c.apply(in, out); }, std::span<const T>(at), draws, sigmas);
}

/// One row: how far a search presses each constant, whether fresh draws break any, and the bits of a message.
class table_writer {
public:
    table_writer(std::vector<record>& to, bool quick, progress_bar& progress) : to_(to), quick_(quick), progress_(progress) {}

    /// @param random whether C draws; @param bits a coordinate at d = 100000: what the paper counts, and what docs/operators.md says of the library
    template <class C> void add(const std::string& name, const C& at_small, const C& at_large, tight attained, bool random, double paper, double claimed, std::size_t d = small)
    {
        const theory::membership m = theory::complete(at_small.classes(d));
        const operation<double> c = operate<double>(at_small, d);
        const std::uint64_t draws = random ? (quick_ ? 300 : 1000) : 1;
        const auto measure = [&](const std::vector<double>& x) { return draw(c, x, draws, 2); };
        const auto worst = worst_cases(d, measure, quick_ ? 60 : 300, 5);
        record r = start_record("reproduce");
        r.set("figure", "operators").set("operator", name).set("d", static_cast<std::int64_t>(d)).set("tight", attained != tight::none).set("draws", static_cast<std::int64_t>(draws)).set("seed", std::int64_t{1});
        bool compatible = true;
        double least = 1;
        for (std::size_t on = 0; on < pressures; ++on) {
            const theory::measurement seen = draw(c, worst[on], random ? (quick_ ? 20000 : 200000) : 1, 6);
            compatible = compatible && holds(m, seen);
            const double reach = press(r, static_cast<pressed>(on), m, seen);
            if (attained != tight::error || static_cast<pressed>(on) == pressed::delta) least = std::min(least, reach);
        }
        const double counted = 8.0 * static_cast<double>(message_bytes<float>(at_large, large)) / static_cast<double>(large);
        r.set("compatible", compatible).set("least_reach", least).set("bits_paper", paper).set("bits_claimed", claimed).set("bits_counted", counted);
        to_.push_back(r);
        progress_.add(1, "operators, " + name);
    }

private:
    /// Every bound within the intervals. For U the distance of the mean from x, not each coordinate's: an element far below its bucket's scale is
    /// rounded up once in millions of draws.
    static bool holds(theory::membership m, const theory::measurement& seen)
    {
        const bool unbiased = !m.u || (seen.energy.lower() <= m.u->zeta + 1e-9 && seen.bias <= 3 * seen.bias_noise + 1e-9);
        m.u.reset();
        return unbiased && theory::compatible(m, seen, 1e-9);
    }
    /// Sets claimed and found of one constant; returns the share of the bound that was reached, 1 where there is no such class.
    static double press(record& r, pressed on, const theory::membership& m, const theory::measurement& seen)
    {
        const auto set = [&](const char* what, double claimed, double found, double reach) {
            r.set(std::string(what) + "_claimed", claimed).set(std::string(what) + "_found", found);
            return reach;
        };
        switch (on) {
        case pressed::zeta: return m.u ? set("zeta", m.u->zeta, seen.energy.mean, seen.energy.mean / m.u->zeta) : 1;
        case pressed::alpha: return m.b1 ? set("alpha", m.b1->alpha, seen.energy.mean, m.b1->alpha / seen.energy.mean) : 1;
        case pressed::beta: return m.b1 ? set("beta", m.b1->beta, seen.energy.mean / seen.alignment.mean, seen.energy.mean / seen.alignment.mean / m.b1->beta) : 1;
        case pressed::gamma: return m.b2 ? set("gamma", m.b2->gamma, seen.alignment.mean, m.b2->gamma / seen.alignment.mean) : 1;
        case pressed::delta: break;
        }
        if (!m.b3) return 1;
        const double bound = theory::contraction(*m.b3);
        return set("error", bound, seen.error.mean, bound > 0 ? seen.error.mean / bound : 1);
    }

    std::vector<record>& to_;
    bool quick_;
    progress_bar& progress_;
};

constexpr std::size_t operators = 32; // rows, for the progress bar

/// The same options for d = 16 and d = 100000: what has no ratio.
template <class C> void add_same(table_writer& table, const std::string& name, const C& c, tight attained, bool random, double paper, double claimed, std::size_t d = small)
{
    table.add(name, c, c, attained, random, paper, claimed, d);
}

void add_sparsifiers(table_writer& table)
{
    using shared_unbiased = gc::rand_k<>;
    using own = gc::rand_k<gc::indices::own, gc::scaling::none>;
    const double shared = 32.0 / 100, paper = (32 + index_bits(large)) / 100, one = 1 / static_cast<double>(large), count = 32 * one;
    const double indexed = (32.0 + 16) / 100 + 2 * 32 * one; // indices within two tiles of 65536, which are counted
    table.add("rand_k, unbiased, shared seed", shared_unbiased{.ratio = 4}, shared_unbiased{.ratio = 100}, tight::all, true, shared, shared);
    table.add("rand_k, biased, own indices", own{.ratio = 4}, own{.ratio = 100}, tight::all, true, paper, indexed);
    table.add("random_block", gc::random_block{.ratio = 4}, gc::random_block{.ratio = 100}, tight::all, true, shared, shared);
    table.add("adaptive_random, one element", gc::adaptive_random{.k = 1}, gc::adaptive_random{.k = 1}, tight::all, true, (32 + index_bits(large)) * one, 64 * one);
    table.add("adaptive_random", gc::adaptive_random{.ratio = 4}, gc::adaptive_random{.ratio = 100}, tight::all, true, paper, indexed);
    table.add("top_k", gc::top_k{.ratio = 4}, gc::top_k{.ratio = 100}, tight::all, false, paper, indexed);
    const double blocks = std::floor(large / 64.0 / 100); // kept
    table.add("block_top_k", gc::block_top_k{.ratio = 4, .block = 2}, gc::block_top_k{.ratio = 100}, tight::all, false, blocks * (64 * 32 + index_bits(large / 64)) * one, blocks * (64 * 32 + 16) * one);
    table.add("threshold of the maximum", gc::threshold<>{.limit = 0.5, .ratio = 4}, gc::threshold<>{.limit = 0.5, .ratio = 100}, tight::all, false, paper, indexed + count);
    table.add("threshold of the norm", gc::threshold<gc::limit_unit::norm>{.limit = 0.5, .ratio = 4}, gc::threshold<gc::limit_unit::norm>{.limit = 0.5, .ratio = 100}, tight::none, false, paper, indexed + count);
}

/// 1, then 0.4, the widest step, then 24 levels whose neighbours have the quotient 1.5.
std::vector<double> uneven_levels()
{
    std::vector<double> levels{1, 0.4};
    while (levels.size() < 26) levels.push_back(levels.back() / 1.5);
    return {levels.rbegin(), levels.rend()};
}

constexpr double norms = 32.0 / 512; // a parameter for each bucket

void add_roundings(table_writer& table)
{
    using gc::rounding;
    add_same(table, "natural", gc::natural<>{}, tight::all, true, 9, 9);
    add_same(table, "natural, 8 bits", gc::natural<gc::exponents::per_bucket>{}, tight::all, true, 9, 8 + norms);
    add_same(table, "exponential rounding, b = 2", gc::exponential_rounding<>{.base = 2}, tight::all, true, 9, 7 + norms);
    add_same(table, "exponential rounding, b = 2, nearest", gc::exponential_rounding<rounding::nearest>{.base = 2}, tight::all, false, 9, 7 + norms);
    add_same(table, "exponential rounding, b = 3, nearest", gc::exponential_rounding<rounding::nearest>{.base = 3}, tight::all, false, 9, 7 + norms);
    add_same(table, "rounding to {1/4, 1/2, 3/4, 1}", gc::level_rounding<>{}, tight::all, true, 1 + std::log2(5) + norms, 4 + norms);
    add_same(table, "rounding to {1/4, 1/2, 3/4, 1}, nearest", gc::level_rounding<rounding::nearest>{}, tight::error, false, 1 + std::log2(5) + norms, 4 + norms);
    add_same(table, "rounding to 26 uneven levels", gc::level_rounding<>{.levels = uneven_levels()}, tight::all, true, 1 + std::log2(27) + norms, 6 + norms, 256);
    add_same(table, "rounding to 26 uneven levels, nearest", gc::level_rounding<rounding::nearest>{.levels = uneven_levels()}, tight::all, false, 1 + std::log2(27) + norms, 6 + norms, 256);
    add_same(table, "cast to half", gc::cast<gc::half>{}, tight::none, false, 16, 16 + norms);
    add_same(table, "cast to bfloat16, stochastic", gc::cast<gc::bfloat16, rounding::stochastic>{}, tight::none, true, 16, 16 + norms);
    add_same(table, "cast to fp8_e4m3", gc::cast<gc::fp8_e4m3>{}, tight::none, false, 8, 8 + norms);
}

void add_scaled(table_writer& table)
{
    using gc::rounding;
    add_same(table, "sign, scaled", gc::sign<>{}, tight::all, false, 1, 1 + 32 / static_cast<double>(large));
    add_same(table, "block_sign", gc::block_sign{}, tight::all, false, 1 + norms, 1 + norms);
    add_same(table, "natural dithering, 7 levels", gc::natural_dithering<gc::norm::two>(), tight::none, true, 1 + std::log2(8) + norms, 4 + norms);
    add_same(table, "natural dithering, 7 levels, maximum", gc::natural_dithering<gc::norm::infinity>(), tight::none, true, 1 + std::log2(8) + norms, 4 + norms);
    add_same(table, "QSGD, 8 bits", gc::qsgd<>{}, tight::none, true, 1 + std::log2(128) + norms, 8 + norms);
    add_same(table, "QSGD, 2 bits", gc::qsgd<>{.bits = 2}, tight::all, true, std::log2(3) + norms, 2 + norms);
    add_same(table, "QSGD, 2 bits, a quarter of it", gc::scaled<gc::qsgd<>>{.lambda = 0.25, .of = {.bits = 2}}, tight::all, true, std::log2(3) + norms, 2 + norms);
    add_same(table, "TernGrad", gc::tern_grad{}, tight::all, true, std::log2(3) + norms, 2 + norms);
    add_same(table, "min-max, 4 bits", gc::min_max<>{.bits = 4}, tight::all, true, 4 + 2 * norms, 4 + 2 * norms);
    add_same(table, "min-max, 8 bits, nearest", gc::min_max<rounding::nearest>{.bits = 8}, tight::all, false, 8 + 2 * norms, 8 + 2 * norms);
    using top_then_dither = gc::chain<gc::top_k, gc::exponential_dithering<gc::norm::two>>;
    // 1000 values in two buckets of 512, and the indices within two tiles of 65536
    table.add("top_k, then natural dithering", top_then_dither{.sparsifier = {.ratio = 4}}, top_then_dither{.sparsifier = {.ratio = 100}}, tight::none, true, (1 + std::log2(8) + norms + index_bits(large)) / 100,
        (4 * 1000 + 2 * 32 + 16 * 1000 + 2 * 32) / static_cast<double>(large));
}

/// The paper's operators and the library's others that have a class for every vector; a new one is one line.
std::vector<record> measure(bool quick, progress_bar& progress)
{
    std::vector<record> records;
    table_writer table(records, quick, progress);
    add_sparsifiers(table);
    add_roundings(table);
    add_scaled(table);
    return records;
}

std::string pair_of(const record& r, const char* what)
{
    const double claimed = r.number(std::string(what) + "_claimed");
    return std::isnan(claimed) ? "-" : plain(claimed) + " / " + plain(r.number(std::string(what) + "_found"));
}

void show_operators(const std::vector<record>& records, findings& found)
{
    if (records.empty()) return;
    found.head("The table of operators");
    found.say("Each cell of a class: claimed / worst found, for d elements. U: E||C||^2 at most zeta; B1: E||C||^2 at least alpha and at most beta <E C, x>; B2: <E C, x> at least "
              "gamma; B3: the error, at most 1 - 1/delta; all relative to ||x||^2. Bits a coordinate of the message for 100000 floats without headers: the paper's count (codes without "
              "waste, indices of 17 bits), what the library's documentation claims, and the library's messages.");
    std::vector<std::vector<std::string>> rows = {{"operator", "d", "zeta", "alpha", "beta", "gamma", "1 - 1/delta", "least share of a bound", "bits, paper", "bits claimed", "bits counted"}};
    for (const record& r : records)
        rows.push_back({r.text("operator"), plain(r.number("d")), pair_of(r, "zeta"), pair_of(r, "alpha"), pair_of(r, "beta"), pair_of(r, "gamma"), pair_of(r, "error"),
            fixed(r.number("least_reach"), 3) + (r.number("tight") == 1 ? "" : " (no claim)"), plain(r.number("bits_paper")), plain(r.number("bits_claimed")), plain(r.number("bits_counted"))});
    found.table("Operators:", rows);
}

} // namespace

void add_operators(experiment& to, const choices& chosen)
{
    const bool quick = chosen.quick;
    to.parts.push_back({"operators", std::string(quick ? "quick" : "full") + ", " + std::to_string(operators) + " rows", operators, [quick](progress_bar& p) { return measure(quick, p); }});
}

void judge_operators(const std::vector<record>& all, const choices& chosen, findings& found)
{
    const std::vector<record> records = where(all, "figure", "operators");
    show_operators(records, found);
    bool all_hold = true;
    double least = 1, low = 0, high = 0, counted = 0, paper = 0;
    std::string broken, slackest, farthest;
    for (const record& r : records) {
        if (r.number("compatible") != 1) all_hold = false, broken += " " + r.text("operator");
        if (r.number("tight") == 1 && !(r.number("least_reach") >= least)) slackest = r.text("operator");
        if (r.number("tight") == 1) least = smaller(least, r.number("least_reach"));
        const double bytes = (r.number("bits_counted") - r.number("bits_claimed")) * large / 8;
        if (!(std::abs(bytes) <= std::max(-low, high))) farthest = r.text("operator");
        low = smaller(low, bytes), high = larger(high, bytes);
        counted += r.number("bits_counted"), paper += r.number("bits_paper");
    }
    const auto on = [&](const char* whole) { return evidence(chosen, whole).need("operators", records.size(), operators); };
    const char* search = "300 climbs for each constant, 1000 draws";
    found.judge("bounds hold", "no vector found breaks a class", on(search), all_hold, std::to_string(records.size()) + " operators" + (broken.empty() ? "" : "; broken by" + broken));
    found.judge("bounds are tight", "the search reaches 95 percent of every bound that is called tight", on(search), least >= 0.95,
        "least share: " + plain(least) + (slackest.empty() ? "" : " (" + slackest + ")"));
    found.judge("message lengths", "every message has the length that is claimed and a few bytes of padding", on(""), low > -1 && high <= 32, // the same in a quick run
        "differences: " + plain(low) + " to " + plain(high) + " bytes for 100000 floats (farthest: " + farthest + "; limit 32); together the messages are " + plain(counted / paper) +
            " times as long as the paper counts");
}

} // namespace apps::reproduce
