/// @file What an experiment is: parts that measure and can be resumed, and a judge that turns their records into claims, tables and charts.
#pragma once

#include "chart.hpp"
#include "progress.hpp"
#include "records.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace apps::reproduce {

/// What the user chose for all experiments.
struct choices {
    bool quick = false;       ///< one seed, fewer epochs
    std::string data;         ///< from --data, or empty
    std::string only;         ///< run only parts whose name contains this; the others keep what an earlier run left
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
    /// A claim with its verdict; the numbers are what it was judged by.
    void judge(std::string name, std::string sentence, bool holds, std::string numbers)
    {
        claims.push_back({{}, std::move(name), std::move(sentence), std::move(numbers), holds ? verdict::pass : verdict::fail});
    }
    /// A claim that this run cannot judge, and why.
    void leave_open(std::string name, std::string sentence, std::string why) { claims.push_back({{}, std::move(name), std::move(sentence), std::move(why), verdict::not_judged}); }

    std::vector<claim> claims;
    std::vector<report_piece> pieces;
};

/// Named, so that scripts/reproduce NAME finds it.
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
