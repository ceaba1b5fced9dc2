/// @file What an experiment is: parts that measure and can be resumed, and a judge that turns their records into claims, tables and charts.
#pragma once

#include "chart.hpp"
#include "progress.hpp"
#include "records.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace apps::reproduce {

/// What the user chose for all experiments.
struct choices {
    bool quick = false;       ///< one seed, fewer epochs
    std::string data;         ///< from --data, or empty
    std::string only;         ///< run only parts whose name contains this; the others keep what an earlier run left
    bool on_cuda = false;     ///< whatever can be trained on a GPU is
};

/// The smallest unit that is measured and kept: an interrupted run repeats only the part it was in.
struct part {
    std::string name;     ///< letters, digits and '-': names the file in which its records are kept
    std::string settings; ///< a kept file is used again only if it was written with the same
    std::size_t units;    ///< of progress; run() adds as many
    std::function<std::vector<record>(progress_bar&)> run;
};

enum class verdict { pass, fail, not_judged };

/// One sentence that is true or not, with the numbers that say so.
struct claim {
    std::string experiment, name, sentence, numbers;
    verdict said = verdict::not_judged;
    std::string settings = {}; ///< epochs, seeds and the like of a claim that was judged; empty where `numbers` say them
};

/// What a claim rests on, and what keeps it from being judged: a quick run that shortens what the claim is about, measurements that are missing, images
/// that are a stand-in. What was measured and is bad (diverged, not reached, NaN) is no gap: then the claim fails.
class evidence {
public:
    /// @param whole what the claim is about and a quick run shortens, such as "12 epochs, 3 seeds"; empty where a quick run measures all of it
    evidence(const choices& chosen, std::string whole) : whole_(std::move(whole)), shortened_(chosen.quick && !whole_.empty()) {}

    /// Asks for `wanted` measurements of `what`.
    evidence& need(const std::string& what, std::size_t seen, std::size_t wanted)
    {
        anything_ |= seen > 0;
        if (seen < wanted) missing_ += (missing_.empty() ? "" : "; ") + what + " (" + std::to_string(seen) + " of " + std::to_string(wanted) + ")";
        return *this;
    }
    /// Refuses records of the generated images, which say nothing about real ones.
    evidence& real(const std::vector<record>& records)
    {
        for (const record& one : records) stand_in_ |= one.text("data") == "synthetic";
        return *this;
    }
    bool complete() const { return !shortened_ && missing_.empty() && !stand_in_; }
    const std::string& settings() const { return whole_; }
    /// Why the claim is not judged, and what was measured for it, if anything was.
    std::string gap(const std::string& numbers) const
    {
        const std::string why = stand_in_ ? "the images are a generated stand-in" : shortened_ ? "needs the full run (" + whole_ + ")" : "missing: " + missing_;
        return anything_ ? why + "; this run: " + numbers : why;
    }

private:
    std::string whole_, missing_;
    bool shortened_, stand_in_ = false, anything_ = false;
};

/// A piece of the report, in the order in which the judge gives them.
struct report_piece {
    enum class kind { paragraph, heading, table, picture } is = kind::paragraph;
    std::string text;                           ///< paragraph, heading, or a table's caption
    std::vector<std::vector<std::string>> rows; ///< of a table; the first is its header
    chart picture;
};

/// What a judge finds.
class findings {
public:
    void say(std::string text) { pieces.push_back({report_piece::kind::paragraph, std::move(text), {}, {}}); }
    void head(std::string text) { pieces.push_back({report_piece::kind::heading, std::move(text), {}, {}}); }
    void table(std::string caption, std::vector<std::vector<std::string>> rows) { pieces.push_back({report_piece::kind::table, std::move(caption), std::move(rows), {}}); }
    void draw(chart picture) { pieces.push_back({report_piece::kind::picture, {}, {}, std::move(picture)}); }
    /// A claim with its verdict, where the evidence is complete; `numbers` are what it is judged by.
    /// @param name in claims.json and on the console: no other claim of the experiment has it
    void judge(std::string name, std::string sentence, const evidence& on, bool holds, std::string numbers)
    {
        if (on.complete()) claims.push_back({{}, std::move(name), std::move(sentence), std::move(numbers), holds ? verdict::pass : verdict::fail, on.settings()});
        else claims.push_back({{}, std::move(name), std::move(sentence), on.gap(numbers), verdict::not_judged});
    }

    std::vector<claim> claims;
    std::vector<report_piece> pieces;
};

/// Named, so that scripts/reproduce NAME finds it. Its judge gives every claim in every run, in a run without any record as well.
struct experiment {
    std::string name, title, source;
    std::vector<part> parts;
    std::function<void(const std::vector<record>&, findings&)> judge; ///< gets the records of all parts
};

/// The records in which field `name` is `value`.
inline std::vector<record> where(const std::vector<record>& records, const std::string& name, const std::string& value)
{
    std::vector<record> found;
    for (const record& one : records)
        if (one.text(name) == value) found.push_back(one);
    return found;
}

} // namespace apps::reproduce
