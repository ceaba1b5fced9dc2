/// @file Judges under made-up records: what each claim says of them.
#pragma once

#include "reproduce/experiment.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace judging {

using apps::record;
using apps::reproduce::choices;
using apps::reproduce::claim;
using apps::reproduce::findings;
using apps::reproduce::verdict;
using judge = std::function<void(const std::vector<record>&, const choices&, findings&)>;
using records = std::vector<record>;

inline constexpr double no_number = std::numeric_limits<double>::quiet_NaN();

/// What was said to each claim; every claim has a name of its own.
class verdicts {
public:
    verdicts(const judge& of, const records& all, bool quick = false)
    {
        findings found;
        of(all, {.quick = quick, .data = {}, .only = {}}, found);
        for (const claim& one : found.claims) {
            CHECK_MESSAGE(claims_.emplace(one.name, one).second, one.name);
            CHECK_FALSE(one.sentence.empty());
        }
    }
    std::string operator[](const std::string& name) const
    {
        const auto at = claims_.find(name);
        if (at == claims_.end()) return "no such claim";
        return at->second.said == verdict::pass ? "PASS" : at->second.said == verdict::fail ? "FAIL" : "NOT JUDGED";
    }
    std::string numbers(const std::string& name) const { return claims_.contains(name) ? claims_.at(name).numbers : std::string(); }
    std::set<std::string> names() const
    {
        std::set<std::string> out;
        for (const auto& [name, one] : claims_) out.insert(name);
        return out;
    }
    /// The claims of which this was said.
    std::set<std::string> all(const std::string& said) const
    {
        std::set<std::string> out;
        for (const auto& [name, one] : claims_)
            if ((*this)[name] == said) out.insert(name);
        return out;
    }

private:
    std::map<std::string, claim> claims_;
};

/// The records with `field` set where match(record).
template <class Match> records with(records all, const Match& match, const std::string& field, double value)
{
    std::size_t hit = 0;
    for (record& one : all)
        if (match(one)) one.set(field, value), ++hit;
    CHECK(hit > 0);
    return all;
}
template <class Match> records without(records all, const Match& match)
{
    CHECK(std::erase_if(all, match) > 0);
    return all;
}

/// What every judge does: passes good records, gives the same claims in every run, judges nothing without records, and in a quick run only what that
/// does not shorten.
inline void check_common(const judge& of, const records& good, const std::set<std::string>& in_quick)
{
    const verdicts full(of, good), quick(of, good, true), nothing(of, {});
    CHECK(full.names().size() > 0);
    CHECK(full.all("PASS") == full.names());
    CHECK(nothing.all("NOT JUDGED") == full.names());
    CHECK(quick.all("PASS") == in_quick);
    std::set<std::string> open = full.names();
    for (const std::string& name : in_quick) open.erase(name);
    CHECK(quick.all("NOT JUDGED") == open);
    for (const std::string& name : open) CHECK(quick.numbers(name).starts_with("needs the full run ("));
    for (const std::string& name : full.names()) CHECK(nothing.numbers(name).starts_with("missing: "));
}

/// The claims of one report have names of their own, so these judges share none.
inline void check_names_apart(const std::vector<judge>& all)
{
    std::set<std::string> names;
    std::size_t count = 0;
    for (const judge& one : all) {
        const std::set<std::string> mine = verdicts(one, {}).names();
        names.insert(mine.begin(), mine.end());
        count += mine.size();
    }
    CHECK(names.size() == count);
}

} // namespace judging
