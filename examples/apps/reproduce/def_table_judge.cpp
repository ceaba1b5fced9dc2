/// @file Table 2, judged: every method at every ratio beside the paper's numbers for its own model, and the claims on what it loses to dense training.
#include "reproduce/def_table.hpp"

#include "reproduce/over_seeds.hpp"
#include "table.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace apps::reproduce {
namespace {

constexpr double none_given = std::numeric_limits<double>::quiet_NaN();

/// One row of the paper's table 2 (ResNet-50 on ImageNet); NaN: diverged.
struct paper_row {
    double ratio;
    std::vector<std::pair<std::string, double>> accuracy;
};
const std::vector<paper_row>& paper()
{
    static const std::vector<paper_row> rows = {
        {1, {{"sgd", 76.04}}},
        {16, {{"ef", 75.29}, {"saef", 75.83}, {"psync", 75.63}, {"def", 75.98}, {"def_a", 76.10}}},
        {64, {{"ef", 73.05}, {"saef", 74.65}, {"psync", 74.84}, {"def", 76.16}, {"def_a", 76.37}}},
        {128, {{"ef", 63.80}, {"saef", 74.26}, {"psync", 74.12}, {"def", 76.17}, {"def_a", 76.14}}},
        {256, {{"ef", none_given}, {"saef", 73.83}, {"psync", 73.02}, {"def", 75.71}, {"def_a", 76.00}}},
        {512, {{"ef", none_given}, {"saef", 73.00}, {"psync", 72.60}, {"def", 75.52}, {"def_a", 75.77}}},
        {1024, {{"ef", none_given}, {"saef", 71.89}, {"psync", 71.82}, {"def", 75.64}, {"def_a", 75.57}}}};
    return rows;
}
double of_paper(const std::string& name, double ratio)
{
    for (const paper_row& row : paper())
        if (row.ratio == ratio)
            for (const auto& [who, accuracy] : row.accuracy)
                if (who == name) return accuracy;
    return none_given;
}
/// " (75.98)", nothing where the paper has no such cell.
std::string paper_text(const std::string& name, double ratio)
{
    for (const paper_row& row : paper())
        if (row.ratio == ratio)
            for (const auto& [who, accuracy] : row.accuracy)
                if (who == name) return std::isfinite(accuracy) ? " (" + fixed(accuracy, 2) + ")" : " (diverged)";
    return "";
}

/// A method's accuracy where it is evaluated; a run that diverged counts with what it ended at, and a model that is no number gets nothing right.
struct cell {
    over_seeds accuracy;
    std::size_t diverged = 0; ///< runs
    std::size_t count() const { return accuracy.count(); }
};
cell look_up(const std::vector<record>& records, const std::string& name, double ratio)
{
    const auto here = [&](const record& r) { return r.text("method") == name && r.number("ratio") == ratio; };
    cell out{collect(records, "accuracy_evaluation", here)};
    for (auto& [seed, value] : out.accuracy.by_seed)
        if (!std::isfinite(value)) value = 0;
    for (const record& r : records) out.diverged += here(r) && r.number("diverged") == 1;
    return out;
}
std::string text_of(const cell& one)
{
    if (one.count() == 0) return "";
    if (one.diverged == 0) return with_deviation(one.accuracy, 2);
    return one.diverged == one.count() ? "diverged" : "diverged in " + std::to_string(one.diverged) + " of " + std::to_string(one.count());
}

const std::vector<std::string> compared = {"ef", "saef", "psync", "def", "def_a"};

/// "n of 10": pairs of methods of which the same one is ahead by both, divergence (NaN) being last.
template <class Ours, class Theirs> std::string pairs_alike(const Ours& ours, const Theirs& theirs)
{
    const auto ahead = [](double a, double b) { return std::isfinite(a) && (!std::isfinite(b) || a > b); };
    std::size_t alike = 0, pairs = 0;
    for (std::size_t i = 0; i < compared.size(); ++i)
        for (std::size_t j = i + 1; j < compared.size(); ++j, ++pairs)
            if (ahead(ours(compared[i]), ours(compared[j])) == ahead(theirs(compared[i]), theirs(compared[j]))) ++alike;
    return std::to_string(alike) + " of " + std::to_string(pairs);
}

/// "n of m": the m pairs in which one method is ahead by more than two standard errors of the difference seed by seed, or alone did not diverge, and the
/// n of them in which the same one is ahead by the paper. "-" where no pair is so clear, as with one seed.
template <class Theirs> std::string clear_pairs_alike(const std::vector<record>& records, double ratio, const Theirs& theirs)
{
    std::size_t alike = 0, clear = 0;
    for (const std::string& first : compared)
        for (const std::string& second : compared) {
            const cell a = look_up(records, first, ratio), b = look_up(records, second, ratio);
            const bool stayed = a.diverged == 0 && b.diverged == 0;
            if (!(stayed ? (a.accuracy - b.accuracy).clearly_positive() : a.diverged == 0 && b.diverged == b.count())) continue;
            ++clear;
            if (const double one = theirs(first), other = theirs(second); std::isfinite(one) && (!std::isfinite(other) || one > other)) ++alike;
        }
    return clear == 0 ? "-" : std::to_string(alike) + " of " + std::to_string(clear);
}

/// The names from best to worst by `accuracy`; divergence is last.
template <class Accuracy> std::string order_of(const Accuracy& accuracy)
{
    std::vector<std::pair<double, std::string>> all;
    for (const std::string& name : compared) {
        const double value = accuracy(name);
        all.push_back({std::isfinite(value) ? -value : 1e9, name});
    }
    std::stable_sort(all.begin(), all.end());
    std::string text;
    for (const auto& [value, name] : all) text += (text.empty() ? "" : " > ") + name;
    return text;
}

/// The order of the methods at one ratio, here and in the paper; a row of its table.
std::vector<std::string> order_row(const std::vector<record>& records, double ratio)
{
    const auto ours = [&](const std::string& name) { const cell one = look_up(records, name, ratio); return one.diverged > 0 ? none_given : one.accuracy.mean(); };
    const auto theirs = [&](const std::string& name) { return of_paper(name, ratio); };
    if (std::ranges::any_of(compared, [&](const std::string& name) { return look_up(records, name, ratio).count() == 0; }))
        return {plain(ratio), "methods are missing", order_of(theirs), "", "", ""};
    return {plain(ratio), order_of(ours), order_of(theirs), order_of(ours) == order_of(theirs) ? "yes" : "no", pairs_alike(ours, theirs), clear_pairs_alike(records, ratio, theirs)};
}

/// Accuracies, then the order of the methods.
void show_table(const std::vector<record>& records, const std::vector<std::string>& names, const std::vector<double>& ratios, const std::string& caption, findings& found)
{
    std::vector<std::vector<std::string>> rows{{"ratio", "sgd"}}, orders{{"ratio", "order here", "order in the paper", "the same", "pairs in the paper's order", "of the clear ones"}};
    rows[0].insert(rows[0].end(), names.begin(), names.end());
    rows.push_back({"1", text_of(look_up(records, "sgd", 1)) + paper_text("sgd", 1)});
    rows.back().resize(names.size() + 2);
    for (const double ratio : ratios) {
        rows.push_back({plain(ratio), ""});
        for (const std::string& name : names) rows.back().push_back(text_of(look_up(records, name, ratio)) + paper_text(name, ratio));
        orders.push_back(order_row(records, ratio));
    }
    found.table(caption + " In brackets the paper's, of its own model and data.", rows);
    found.table("From best to worst; a pair is clear where its difference, seed by seed, is more than two standard errors of its mean, or one of the two diverged:", orders);
}

chart draw_bytes(const std::vector<record>& records, const std::vector<std::string>& names)
{
    chart picture{.title = "Accuracy against bytes sent", .x_label = "bytes sent by all workers", .y_label = "percent", .log_x = true, .compact = true, .x_format = "%.0s%c"};
    for (const std::string& name : names) {
        chart_series& line = picture.series.emplace_back(chart_series{.name = name});
        for (const double ratio : table_ratios) {
            const cell one = look_up(records, name, ratio);
            const auto here = [&](const record& r) { return r.text("method") == name && r.number("ratio") == ratio; };
            if (one.diverged == 0) add_point(line, collect(records, "total_bytes", here).mean(), one.accuracy);
        }
    }
    return picture;
}

/// The same trainings at every point: x, x - mean e, and each rank's x - e.
void show_points(const std::vector<record>& records, findings& found)
{
    struct training {
        const char *name, *x, *mean, *local;
    };
    std::vector<std::vector<std::string>> rows{{"ratio", "training", "at x", "at x - mean e", "at each rank's x - e"}};
    for (const double ratio : table_ratios)
        for (const training& one : {training{"EF, lambda 0", "ef", "ef_mean", "ef_local"}, {"DEF, lambda 0.3", "def_a", "def", "def_local"}, {"SAEF and PSync, lambda 1", "saef", "saef_mean", "psync"}})
            rows.push_back({plain(ratio), one.name, text_of(look_up(records, one.x, ratio)), text_of(look_up(records, one.mean, ratio)), text_of(look_up(records, one.local, ratio))});
    found.table("Each training at each evaluation point (DEF-A is DEF's training at x, PSync is SAEF's at x - e):", rows);
}

/// What claims on one figure's losses against dense training share.
class losses {
public:
    losses(const std::vector<record>& records, const choices& chosen, std::string whole, findings& found) : records_(records), chosen_(chosen), whole_(std::move(whole)), found_(found) {}

    over_seeds accuracy(const std::string& name, double ratio) const { return look_up(records_, name, ratio).accuracy; }
    /// Dense training; no number where it diverged or ended in none, for nothing can be held against it then.
    over_seeds dense() const
    {
        const auto is_dense = [](const record& r) { return r.text("method") == "sgd"; };
        over_seeds out = collect(records_, "accuracy_evaluation", is_dense);
        for (const record& r : records_)
            if (is_dense(r) && r.number("diverged") == 1) out.by_seed[static_cast<std::int64_t>(r.number("seed"))] = none_given;
        return out;
    }
    over_seeds loss(const std::string& name, double ratio) const { return dense() - accuracy(name, ratio); }
    /// Judges by these methods at this ratio; "sgd" is dense training.
    void judge(const std::string& claim, const std::string& sentence, const std::vector<std::string>& names, double ratio, bool holds, const std::string& numbers) const
    {
        evidence on(chosen_, whole_);
        on.real(records_);
        for (const std::string& name : names) {
            const bool is_dense = name == "sgd";
            on.need(is_dense ? "sgd, seeds" : name + " at ratio " + plain(ratio) + ", seeds", accuracy(name, is_dense ? 1 : ratio).count(), table_seeds);
        }
        found_.judge(claim, sentence, on, holds, numbers);
    }

private:
    const std::vector<record>& records_;
    const choices& chosen_;
    std::string whole_;
    findings& found_;
};

void judge_short(const std::vector<record>& records, const choices& chosen, findings& found)
{
    const losses of(records, chosen, "12 epochs, 3 seeds", found);
    const auto lost = [](const over_seeds& loss) { return "lost " + with_deviation(loss, 2); };
    const over_seeds def = of.loss("def", 64), none = of.loss("none", 64), ef = of.loss("ef", 64), behind = of.accuracy("def", 64) - of.accuracy("saef", 64), far = of.loss("def", 256);
    const cell of_ef = look_up(records, "ef", 64);
    of.judge("def-64", "at ratio 64 DEF loses less than 1.5 points to dense SGD", {"sgd", "def"}, 64, def.mean() < 1.5, lost(def));
    of.judge("none-64", "at ratio 64 no memory loses more than 3 points", {"sgd", "none"}, 64, none.mean() > 3, lost(none));
    of.judge("ef-64", "at ratio 64 EF loses more than 20 points", {"sgd", "ef"}, 64, ef.mean() > 20,
        lost(ef) + ", EF diverged with " + std::to_string(of_ef.diverged) + " of " + std::to_string(of_ef.count()) + " seeds");
    of.judge("saef-64", "at ratio 64 SAEF ends at least 2 points below DEF", {"saef", "def"}, 64, behind.mean() >= 2, "below by " + with_deviation(behind, 2));
    of.judge("def-256", "at ratio 256 DEF loses less than 2 points", {"sgd", "def"}, 256, far.mean() < 2, lost(far));
    const over_seeds a = of.loss("def_a", 1024), d = of.loss("def", 1024), s = of.loss("saef", 1024);
    of.judge("def-a-1024", "at ratio 1024 DEF-A loses less than 6 points and ends above DEF and SAEF", {"sgd", "def_a", "def", "saef"}, 1024,
        a.mean() < 6 && a.mean() < d.mean() && a.mean() < s.mean(),
        "lost: DEF-A " + with_deviation(a, 2) + ", DEF " + with_deviation(d, 2) + ", SAEF " + with_deviation(s, 2));
}

void judge_long(const std::vector<record>& records, const choices& chosen, findings& found)
{
    const losses of(records, chosen, "40 epochs, 3 seeds", found);
    const over_seeds dense = of.dense(), def = of.accuracy("def", 64), none = of.accuracy("none", 64), saef = of.accuracy("saef", 64);
    const std::string numbers = "dense " + with_deviation(dense, 2) + ", DEF " + with_deviation(def, 2) + ", no memory " + with_deviation(none, 2) + ", SAEF " + with_deviation(saef, 2);
    of.judge("long-above", "after 40 epochs at ratio 64 DEF ends at least 1 point above no memory and SAEF", {"def", "none", "saef"}, 64,
        def.mean() - none.mean() >= 1 && def.mean() - saef.mean() >= 1, numbers);
    of.judge("long-dense", "after 40 epochs at ratio 64 DEF ends within 1 point of dense SGD (the paper claims parity)", {"sgd", "def"}, 64, dense.mean() - def.mean() < 1, numbers);
}

} // namespace

void judge_def_table(const std::vector<record>& all, const choices& chosen, findings& found)
{
    const std::vector<record> table = where(all, "figure", "table"), longer = where(all, "figure", "long"), cnn = where(all, "figure", "cnn");
    if (!table.empty() || !longer.empty() || !cnn.empty()) found.head("Table 2: accuracy at each ratio");
    if (!table.empty()) {
        const std::vector<std::string> names = {"none", "ef", "saef", "psync", "def", "def_a", "ia"};
        found.say("MLP 784-256-10 on " + table.front().text("data") + ", 8 workers with batches of 16, momentum 0.9, weight decay 1e-4, learning rate 0.05 (a tenth from the half, a hundredth from three "
                  "quarters), lambda 0.3, " + plain(table.front().number("epochs")) + " epochs. Losses to dense training are differences seed by seed, +- their deviation over seeds.");
        show_table(table, names, table_ratios, "Test accuracy in percent at each method's own evaluation point, mean and deviation over seeds. Iterate averaging (ia) sends dense messages, delta = 1/ratio.", found);
        found.draw(draw_bytes(table, names));
        show_points(table, found);
    }
    if (!longer.empty())
        found.table("After 40 epochs at ratio 64, test accuracy in percent, mean and deviation over seeds:", {{"sgd", "none", "saef", "def"}, {text_of(look_up(longer, "sgd", 1)),
            text_of(look_up(longer, "none", 64)), text_of(look_up(longer, "saef", 64)), text_of(look_up(longer, "def", 64))}});
    if (!cnn.empty()) show_table(cnn, {"none", "ef", "saef", "psync", "def", "def_a"}, cnn_ratios, "The convolutional network (1,199,882 parameters), 3 epochs, one seed: test accuracy in percent.", found);
    judge_short(table, chosen, found);
    judge_long(longer, chosen, found);
}

} // namespace apps::reproduce
