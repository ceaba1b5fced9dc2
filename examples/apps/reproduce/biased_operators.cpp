/// @file The table of operators: parameters claimed and found, bits claimed and counted.
#include "reproduce/biased.hpp"

#include "reproduce/operation.hpp"
#include "reproduce/search.hpp"
#include "table.hpp"

#include <cmath>
#include <vector>

namespace apps::reproduce {
namespace {

namespace gc = gradcomp;
namespace theory = gradcomp::theory;

constexpr std::size_t small = 16, large = 100000; // elements of the searches and of the counted messages

double index_bits(std::size_t d) { return std::ceil(std::log2(static_cast<double>(d))); }

/// The moments of an operator at x by `draws` draws.
template <class T> theory::measurement draw(const operation<T>& c, const std::vector<double>& x, std::uint64_t draws)
{
    const std::vector<T> at(x.begin(), x.end());
    return theory::measure<T>([&](std::span<const T> in, std::span<T> out, std::uint64_t) { c.apply(in, out); }, std::span<const T>(at), draws);
}

/// One row: how far a search presses each constant, whether fresh draws break any, and the bits of a message.
class table_writer {
public:
    table_writer(std::vector<record>& to, bool quick, progress_bar& progress) : to_(to), quick_(quick), progress_(progress) {}

    /// @param tight whether the paper's bounds are attained; @param random whether C draws; @param claimed bits per coordinate at d = 100000
    template <class C> void add(const std::string& name, const C& at_small, const C& at_large, bool tight, bool random, double claimed)
    {
        const theory::membership m = theory::complete(at_small.classes(small));
        const operation<double> c = operate<double>(at_small, small);
        const std::uint64_t draws = random ? (quick_ ? 300 : 1000) : 1;
        const auto moments = [&](const std::vector<double>& x) {
            const theory::measurement seen = draw(c, x, draws);
            return theory::moments{seen.energy.mean, seen.alignment.mean};
        };
        const auto worst = worst_cases(small, moments, quick_ ? 60 : 300, 5);
        record r = start_record("reproduce");
        r.set("figure", "operators").set("operator", name).set("d", static_cast<std::int64_t>(small)).set("tight", tight);
        bool compatible = true;
        double least = 1;
        for (std::size_t on = 0; on < pressures; ++on) {
            const theory::measurement seen = draw(c, worst[on], random ? (quick_ ? 20000 : 200000) : 1);
            compatible = compatible && theory::compatible(m, seen, 1e-9);
            least = std::min(least, press(r, static_cast<pressed>(on), m, seen));
        }
        const double counted = 8.0 * static_cast<double>(operate<float>(at_large, large).message_bytes) / static_cast<double>(large);
        r.set("compatible", compatible).set("least_reach", least).set("bits_claimed", claimed).set("bits_counted", counted);
        to_.push_back(r);
        progress_.add(1, "operators, " + name);
    }

private:
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

constexpr std::size_t operators = 5; // rows, for the progress bar

/// Every operator of the library; a new one is one line. The claimed bits are those of the paper for float, shares of all elements.
std::vector<record> measure(bool quick, progress_bar& progress)
{
    std::vector<record> records;
    table_writer table(records, quick, progress);
    using shared_unbiased = gc::rand_k<>;
    using own = gc::rand_k<gc::indices::own, gc::scaling::none>;
    table.add("rand_k, unbiased, shared seed", shared_unbiased{.ratio = 4}, shared_unbiased{.ratio = 100}, true, true, 32.0 / 100);
    table.add("rand_k, biased, own indices", own{.ratio = 4}, own{.ratio = 100}, true, true, (32 + index_bits(large)) / 100);
    table.add("random_block", gc::random_block{.ratio = 4}, gc::random_block{.ratio = 100}, true, true, 32.0 / 100);
    table.add("top_k", gc::top_k{.ratio = 4}, gc::top_k{.ratio = 100}, true, false, (32 + index_bits(large)) / 100);
    table.add("delta_scaling", gc::delta_scaling{.delta = 0.3}, gc::delta_scaling{.delta = 0.3}, true, false, 32);
    return records;
}

std::string pair_of(const record& r, const char* what)
{
    const double claimed = r.number(std::string(what) + "_claimed");
    return std::isnan(claimed) ? "-" : plain(claimed) + " / " + plain(r.number(std::string(what) + "_found"));
}

} // namespace

void add_operators(experiment& to, const choices& chosen)
{
    const bool quick = chosen.quick;
    to.parts.push_back({"operators", std::string(quick ? "quick" : "full") + ", " + std::to_string(operators) + " rows", operators, [quick](progress_bar& p) { return measure(quick, p); }});
}

void judge_operators(const std::vector<record>& all, const choices&, findings& found)
{
    const std::vector<record> records = where(all, "figure", "operators");
    if (records.empty()) return;
    found.head("The table of operators");
    found.say("Each cell of a class: claimed / worst found, for d = 16. U: E||C||^2 at most zeta; B1: E||C||^2 at least alpha and at most beta <E C, x>; B2: <E C, x> at least "
              "gamma; B3: the error, at most 1 - 1/delta; all relative to ||x||^2. Bits are those of the message for d = 100000 floats, headers excluded.");
    bool all_hold = true;
    double least = 1;
    std::string broken, slackest;
    std::vector<std::vector<std::string>> rows = {{"operator", "zeta", "alpha", "beta", "gamma", "1 - 1/delta", "least share of a bound", "bits claimed", "bits counted"}};
    for (const record& r : records) {
        if (r.number("compatible") == 0) all_hold = false, broken += " " + r.text("operator");
        if (r.number("tight") == 1 && r.number("least_reach") < least) least = r.number("least_reach"), slackest = r.text("operator");
        rows.push_back({r.text("operator"), pair_of(r, "zeta"), pair_of(r, "alpha"), pair_of(r, "beta"), pair_of(r, "gamma"), pair_of(r, "error"),
            fixed(r.number("least_reach"), 3) + (r.number("tight") == 1 ? "" : " (no claim)"), plain(r.number("bits_claimed")), plain(r.number("bits_counted"))});
    }
    found.judge("bounds hold", "no vector found breaks a class", all_hold, std::to_string(records.size()) + " operators, d = 16" + (broken.empty() ? "" : "; broken by" + broken));
    found.judge("bounds are tight", "the search reaches 95 percent of every bound that is called tight", least >= 0.95, "least share: " + plain(least) + (slackest.empty() ? "" : " (" + slackest + ")"));
    found.table("Operators:", rows);
}

} // namespace apps::reproduce
