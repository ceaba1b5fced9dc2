/// @file Theorem 4.6 beside a run with eta = c / (t + 1), judged: powers of T, and to whom one sample matters least.
#include "reproduce/def_excess.hpp"

#include "reproduce/over_seeds.hpp"
#include "table.hpp"

#include <gradcomp/theory/detachment.hpp>

#include <algorithm>
#include <cmath>

namespace apps::reproduce {
namespace {

namespace theory = gradcomp::theory;

/// SGD and iterate averaging take their 8 samples in one worker, for which the identity of the two is exact.
struct line_of {
    const char *method, *name;
    double delta; ///< of the theorem: 1 for those whose bound does not have it
    bool averaged;
    const char* bound; ///< the name of its bound, where it is drawn: the same for two methods
};
const std::vector<line_of> lines = {{"sgd", "SGD", 1, false, "bound of SGD and DEF"}, {"def", "DEF", 1, false, nullptr}, {"def_a", "DEF-A", 1 / excess::ratio, true, "bound of DEF-A and averaging"},
    {"ia", "iterate averaging", 1 / excess::ratio, true, nullptr}};

constexpr double first_step = 100; ///< before it the one sample that differs may not have been drawn

over_seeds at_step(const std::vector<record>& records, const std::string& method, double step, const std::string& field)
{
    return collect(records, field, [&](const record& r) { return r.text("method") == method && r.number("step") == step; });
}

/// Mean over seeds of `field` by step.
chart_series mean_line(const std::vector<record>& records, const std::string& method, const std::string& name, const std::string& field)
{
    chart_series line{.name = name};
    for (const record& r : where(records, "method", method)) {
        const double step = r.number("step");
        if (step < first_step || std::find(line.x.begin(), line.x.end(), step) != line.x.end()) continue;
        line.x.push_back(step), line.y.push_back(at_step(records, method, step, field).mean());
    }
    return line;
}

/// Slope of log y over log x by least squares; NaN where some y is not above 0.
double slope_of(const chart_series& line)
{
    double n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0;
    for (std::size_t i = 0; i < line.x.size(); ++i) {
        const double x = std::log(line.x[i]), y = std::log(line.y[i]);
        n += 1, sx += x, sy += y, sxx += x * x, sxy += x * y;
    }
    return (n * sxy - sx * sy) / (n * sxx - sx * sx);
}

/// What the theorem's exponent makes of the line's first point: dashed beside it.
chart_series theory_line(const chart_series& line, double exponent, const char* name)
{
    chart_series out{.name = name, .x = line.x, .y = {}, .marks = false, .dashed = true};
    for (const double x : line.x) out.y.push_back(line.y.front() * std::pow(x / line.x.front(), exponent));
    return out;
}

evidence evidence_of(const std::vector<record>& records, const choices& chosen)
{
    evidence on(chosen, "100000 steps, 20 seeds");
    for (const line_of& one : lines) on.need(std::string(one.name) + ", seeds", at_step(records, one.method, static_cast<double>(excess::steps(chosen)), "stability").count(), excess::seeds);
    return on;
}

/// How fast one sample comes to matter and how fast the training loss falls, beside the bounds.
void judge_exponents(const std::vector<record>& records, const choices& chosen, findings& found)
{
    const double smooth = records.empty() ? std::nan("") : records.front().number("smoothness"), c = records.empty() ? std::nan("") : records.front().number("c");
    const theory::risk_setting setting{.smoothness = smooth, .strong_convexity = excess::decay, .c = c, .sampled = static_cast<double>(excess::workers) / excess::samples};
    chart moves{.title = "Change of test losses with one sample", .x_label = "T", .y_label = "mean change", .log_x = true, .log_y = true, .compact = true};
    chart loss{.title = "Training loss above its minimum", .x_label = "T", .y_label = "f - f*", .log_x = true, .log_y = true, .compact = true};
    std::vector<std::vector<std::string>> rows = {{"method", "a of the bound", "measured", "b of the bound", "measured"}};
    bool slow = true;
    std::string numbers;
    for (const line_of& one : lines) {
        const double a = one.averaged ? theory::generalisation_exponent_def_a(setting, one.delta) : theory::generalisation_exponent_def(setting);
        const double b = one.averaged ? theory::optimisation_exponent_def_a(setting, one.delta) : theory::optimisation_exponent_def(setting);
        const chart_series moved = mean_line(records, one.method, one.name, "stability"), falling = mean_line(records, one.method, one.name, "suboptimality");
        const double grows = slope_of(moved), falls = -slope_of(falling);
        moves.series.push_back(moved), loss.series.push_back(falling);
        if (!moved.x.empty() && one.bound != nullptr) moves.series.push_back(theory_line(moved, a, one.bound));
        rows.push_back({one.name, fixed(a, 3), fixed(grows, 3), fixed(b, 4), fixed(falls, 3)});
        slow = slow && grows <= a && falls >= b;
        numbers += (numbers.empty() ? "" : ", ") + std::string(one.name) + " " + fixed(grows, 3) + " (" + fixed(a, 3) + ") and " + fixed(falls, 3) + " (" + fixed(b, 4) + ")";
    }
    if (!records.empty()) {
        found.draw(moves);
        found.draw(loss);
        found.table("Powers of T of the means over seeds, measured from T = 100 on:", rows);
    }
    found.judge("excess-exponents", "with T one sample matters no faster, and the training loss falls no slower, than the powers of Theorem 4.6", evidence_of(records, chosen), slow,
        "measured (bound): " + numbers);
}

/// Who ends where, and whether that is more than the scatter over seeds: within a seed all methods draw the same rows and replace the same one.
void judge_ends(const std::vector<record>& records, const choices& chosen, findings& found)
{
    const auto end_of = [&](const line_of& one) { return at_step(records, one.method, static_cast<double>(excess::steps(chosen)), "stability"); };
    const over_seeds sgd = end_of(lines.front());
    std::vector<std::vector<std::string>> rows = {{"method", "change of test losses", "deviation over seeds", "SGD's minus this", "standard error", "clear"}};
    bool less = true;
    std::string numbers = "SGD " + plain(sgd.mean());
    for (const line_of& one : lines) {
        const over_seeds end = end_of(one), below = sgd - end;
        const char* clear = below.clearly_positive() ? "yes" : std::abs(below.mean()) > 2 * below.error() ? "the other way" : "no";
        rows.push_back({one.name, plain(end.mean()), plain(end.deviation())});
        if (&one == &lines.front()) continue;
        rows.back().insert(rows.back().end(), {plain(below.mean()), plain(below.error()), clear});
        if (!one.averaged) continue;
        less = less && below.clearly_positive();
        numbers += ", " + std::string(one.name) + " " + plain(end.mean()) + " (less by " + plain(below.mean()) + ", standard error " + plain(below.error()) + " over " + std::to_string(below.count()) + " seeds)";
    }
    if (!records.empty()) found.table("At the end, mean over seeds; a difference is clear beyond two standard errors of its mean, taken seed by seed:", rows);
    found.judge("excess-averaging", "at the end one sample matters clearly less to DEF-A and iterate averaging than to SGD, as their smaller power of T would have it",
        evidence_of(records, chosen), less,
        "change of test losses: " + numbers);
}

} // namespace

void judge_def_excess(const std::vector<record>& all, const choices& chosen, findings& found)
{
    const std::vector<record> records = where(all, "figure", "excess");
    if (!records.empty()) {
        found.head("Theorem 4.6: excess risk with eta = c / (t + 1)");
        found.say("Logistic regression on " + std::to_string(excess::samples) + " rows of a9a, weight decay 0.01, K = 8 samples a step, c = 1 / L with L = " + fixed(records.front().number("smoothness"), 2) +
            " of one sample's loss, delta = 1/16. The theorem bounds from above, up to constants: the generalisation gap by T^a, the distance to the lowest training loss by T^-b (for DEF-A "
            "plus a part that stays). For the training loss it asks for eta <= 1/(4L) with DEF and eta <= 1/(8L) with DEF-A, which holds from the fourth and from the eighth step on. The gap itself is "
            "smaller here than the noise of drawing 400 rows, so what is measured is what the theorem bounds it by: how far the losses of the test rows move, on average, when one of the 400 rows is "
            "another and every draw is the same. The bounds are far from tight: with steps that fall as c / t, x is an average of the last 16 or so iterates, which by then are all alike, so the "
            "averaged methods end where SGD ends. Dashed: the bound's power of T through the first point.");
    }
    judge_exponents(records, chosen, found);
    judge_ends(records, chosen, found);
}

} // namespace apps::reproduce
