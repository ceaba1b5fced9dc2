/// @file Builds table, records and chart from finished trainings.
#include "report.hpp"

#include "table.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

namespace apps {
namespace {

/// The runs of one method at one ratio, one per seed.
struct row {
    const method* what = nullptr;
    double ratio = 1.0;
    std::vector<const finished_job*> runs;
};

/// The methods of all tables, then those that only these jobs have, in the order in which they came.
std::vector<const method*> methods_of(const std::vector<finished_job>& jobs)
{
    std::vector<const method*> methods;
    for (const method& one : all_methods()) methods.push_back(&one);
    for (const finished_job& job : jobs)
        for (const method* one : job.job.methods)
            if (std::find(methods.begin(), methods.end(), one) == methods.end()) methods.push_back(one);
    return methods;
}

/// Rows by method, then by ratio in the order in which the jobs came.
std::vector<row> rows_of(const std::vector<finished_job>& jobs)
{
    std::vector<row> rows;
    for (const method* one : methods_of(jobs)) {
        const std::size_t first = rows.size();
        for (const finished_job& job : jobs) {
            if (std::find(job.job.methods.begin(), job.job.methods.end(), one) == job.job.methods.end()) continue;
            std::size_t at = first;
            while (at < rows.size() && rows[at].ratio != job.job.ratio) ++at;
            if (at == rows.size()) rows.push_back({one, job.job.ratio, {}});
            rows[at].runs.push_back(&job);
        }
    }
    return rows;
}

/// Mean over the runs and the deviation of a sample (n - 1); NaN where any run lacks the number.
template <class Number> std::pair<double, double> statistics(const row& one, Number number)
{
    double sum = 0.0, squares = 0.0;
    for (const finished_job* run : one.runs) sum += number(*run);
    const auto count = static_cast<double>(one.runs.size());
    const double mean = sum / count;
    for (const finished_job* run : one.runs) squares += (number(*run) - mean) * (number(*run) - mean);
    return {mean, one.runs.size() > 1 ? std::sqrt(squares / (count - 1.0)) : 0.0};
}

double at_x(const finished_job& run) { return run.result[evaluation_point::parameters].test; }
double at_point(const finished_job& run, const method& what) { return run.result[what.point].test; }
double total_bytes(const finished_job& run, const training_settings& settings)
{
    return static_cast<double>(run.result.wire_bytes) * static_cast<double>(settings.workers) * static_cast<double>(run.result.steps);
}

template <class Number> std::string mean_cell(const row& one, int digits, Number number)
{
    const auto [mean, deviation] = statistics(one, number);
    return fixed(mean, digits) + (one.runs.size() > 1 && std::isfinite(mean) ? " +- " + fixed(deviation, digits) : "");
}

bool any_diverged(const row& one)
{
    return std::any_of(one.runs.begin(), one.runs.end(), [](const finished_job* run) { return run->result.diverged; });
}

/// The last column: how the worst run of a row went.
std::string fate(const row& one)
{
    if (any_diverged(one)) return "diverged";
    return std::any_of(one.runs.begin(), one.runs.end(), [](const finished_job* run) { return run->result.unstable; }) ? "was unstable" : "";
}

double lambda_of(const method& what, const training_settings& settings) { return what.takes_lambda ? settings.lambda : what.fixed_lambda; }

/// "ef" becomes "ef (diverged at 64)", and that "ef (diverged at 64, 256)".
void name_divergence(std::string& name, double ratio)
{
    const bool again = name.ends_with(')');
    if (again) name.pop_back();
    name += (again ? ", " : " (diverged at ") + plain(ratio) + ")";
}

record to_record(const report_context& context, const method& what, const finished_job& run)
{
    const training_settings& settings = context.settings;
    const training_result& result = run.result;
    record fields = start_record(context.program);
    if (context.device != "cpu") fields.set("machine", fields.text("machine") + ", " + context.device);
    fields.set("data", context.data).set("method", what.name).set("compressor", what.compressor).set("memory", what.memory).set("reducer", what.reducer);
    fields.set("ratio", run.job.ratio).set("lambda", lambda_of(what, settings)).set("seed", static_cast<std::int64_t>(run.job.seed));
    fields.set("epochs", static_cast<std::int64_t>(settings.epochs)).set("workers", static_cast<std::int64_t>(settings.workers));
    fields.set("learning_rate", settings.learning_rate).set("accuracy_x", at_x(run)).set("accuracy_evaluation", at_point(run, what));
    fields.set("train_accuracy", result[what.point].train).set("message_bytes", static_cast<std::int64_t>(result.message_bytes));
    fields.set("wire_bytes", static_cast<std::int64_t>(result.wire_bytes)).set("total_bytes", static_cast<std::int64_t>(total_bytes(run, settings)));
    fields.set("seconds", result.seconds).set("diverged", result.diverged);
    return fields;
}

std::vector<std::string> table_row(const report_context& context, const row& one)
{
    const training_result& first = one.runs.front()->result;
    return {one.what->name, plain(one.ratio), mean_cell(one, 2, at_x),
        mean_cell(one, 2, [&](const finished_job& run) { return at_point(run, *one.what); }), std::to_string(first.message_bytes),
        std::to_string(first.wire_bytes - first.message_bytes),
        fixed(statistics(one, [&](const finished_job& run) { return total_bytes(run, context.settings); }).first / 1e6, 1),
        mean_cell(one, 1, [](const finished_job& run) { return run.result.seconds; }), fate(one)};
}

} // namespace

std::string describe(const report_context& context)
{
    const training_settings& settings = context.settings;
    return "MLP on " + context.data + " data, " + std::to_string(settings.workers) + " workers x " + std::to_string(settings.batch) + " images, " +
        std::to_string(settings.epochs) + " epochs, learning rate " + plain(settings.learning_rate) + ", lambda " + plain(settings.lambda) +
        (context.device == "cpu" ? "" : ", on one " + context.device);
}

std::vector<record> to_records(const report_context& context, const std::vector<finished_job>& jobs)
{
    std::vector<record> records;
    for (const row& one : rows_of(jobs))
        for (const finished_job* run : one.runs) records.push_back(to_record(context, *one.what, *run));
    return records;
}

std::string to_summary(const report_context& context, const std::vector<finished_job>& jobs)
{
    std::vector<std::vector<std::string>> cells;
    std::string remedies;
    std::set<const finished_job*> told; // methods that share a training share its remedy
    for (const row& one : rows_of(jobs)) {
        cells.push_back(table_row(context, one));
        for (const finished_job* run : one.runs)
            if (!run->result.remedy.empty() && told.insert(run).second)
                remedies += one.what->name + ", ratio " + plain(one.ratio) + ", seed " + std::to_string(run->job.seed) +
                    (run->result.diverged ? " diverged: " : " was unstable: ") + run->result.remedy + "\n";
    }
    return describe(context) + "\n\n" +
        to_table({"method", "ratio", "accuracy at x", "at evaluation", "message B", "header B", "total MB", "seconds", ""}, cells) +
        "\nAccuracies in percent of the test images; bytes per worker and step; total MB over all workers and steps, headers included.\n" +
        (remedies.empty() ? "" : "\n" + remedies);
}

chart to_chart(const report_context& context, const std::vector<finished_job>& jobs)
{
    chart picture;
    picture.title = "Test accuracy against bytes sent: MLP on " + context.data + " data, " + std::to_string(context.settings.workers) + " workers, " +
        std::to_string(context.settings.epochs) + " epochs";
    picture.x_label = "bytes sent by all workers over the whole training";
    picture.y_label = "test accuracy at the evaluation point, percent";
    picture.log_x = true;
    picture.x_format = "%.0s %cB";
    std::set<double> marked;
    const method* current = nullptr;
    for (const row& one : rows_of(jobs)) {
        if (one.what != current) picture.series.push_back({one.what->name, {}, {}});
        current = one.what;
        chart_series& series = picture.series.back();
        const double bytes = statistics(one, [&](const finished_job& run) { return total_bytes(run, context.settings); }).first;
        if (any_diverged(one)) {
            name_divergence(series.name, one.ratio);
            continue;
        }
        series.x.push_back(bytes);
        series.y.push_back(statistics(one, [&](const finished_job& run) { return at_point(run, *one.what); }).first);
        if (one.what->compressor == "random_block" && marked.insert(one.ratio).second) picture.marks.push_back({bytes, "ratio " + plain(one.ratio)});
    }
    return picture;
}

} // namespace apps
