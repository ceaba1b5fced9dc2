/// @file What a training program shows and writes at its end: table, records, chart.
#pragma once

#include "chart.hpp"
#include "methods.hpp"
#include "records.hpp"
#include "training_result.hpp"

#include <string>
#include <vector>

namespace apps {

/// A training that ended, well or not.
struct finished_job {
    training_job job;
    training_result result;
};

/// What all trainings of a report share.
struct report_context {
    std::string program;
    std::string data; ///< the data set's name; "synthetic" shows everywhere
    training_settings settings;
    std::string device = "cpu"; ///< or the GPU's name
};

/// One line saying what was trained on what, for headings.
std::string describe(const report_context& context);

/// One record per method, ratio and seed, in the order of the methods; numbers that a diverged run lacks are null.
std::vector<record> to_records(const report_context& context, const std::vector<finished_job>& jobs);

/// The table, mean +- standard deviation where there are several seeds, and below it one line for each run that diverged or was unstable.
std::string to_summary(const report_context& context, const std::vector<finished_job>& jobs);

/// Accuracy at the evaluation point against the bytes that all workers sent; means over seeds. Runs that diverged are named, not drawn.
chart to_chart(const report_context& context, const std::vector<finished_job>& jobs);

} // namespace apps
