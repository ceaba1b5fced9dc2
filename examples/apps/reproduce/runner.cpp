/// @file Runs experiments and keeps their parts.
#include "reproduce/runner.hpp"

#include "reproduce/page.hpp"

#include <gradcomp/core/config.hpp>

#include <cstdio>
#include <fstream>
#include <optional>
#include <sstream>

namespace apps::reproduce {
namespace {

std::string version()
{
    return std::to_string(GRADCOMP_VERSION_MAJOR) + "." + std::to_string(GRADCOMP_VERSION_MINOR) + "." + std::to_string(GRADCOMP_VERSION_PATCH);
}

std::filesystem::path file_of(const std::filesystem::path& out, const experiment& from, const part& one)
{
    return out / "parts" / (from.name + "." + one.name + ".json");
}

/// What an earlier run kept of a part with the same settings; a file that is damaged or belongs to other settings is as good as none.
std::optional<std::vector<record>> kept(const std::filesystem::path& file, const part& one)
{
    std::ifstream in(file, std::ios::binary);
    if (!in) return std::nullopt;
    std::ostringstream text;
    text << in.rdbuf();
    try {
        std::vector<record> records = from_json(text.str());
        if (records.empty() || records.front().text("settings") != one.settings || records.front().text("version") != version()) return std::nullopt;
        records.erase(records.begin());
        return records;
    } catch (const std::exception&) {
        return std::nullopt;
    }
}

std::vector<record> measured(const std::filesystem::path& file, const part& one, progress_bar& progress)
{
    std::vector<record> records = one.run(progress);
    for (record& r : records) r.set("part", one.name);
    std::vector<record> keep = records;
    keep.insert(keep.begin(), record().set("part", one.name).set("settings", one.settings).set("version", version()));
    write_text(file, to_json(keep));
    return records;
}

const char* word_of(verdict said)
{
    switch (said) {
    case verdict::pass: return "PASS";
    case verdict::fail: return "FAIL";
    case verdict::not_judged: break;
    }
    return "NOT JUDGED";
}

std::vector<record> to_records(const std::vector<claim>& claims)
{
    std::vector<record> records;
    for (const claim& one : claims) {
        record r = start_record("reproduce");
        r.set("experiment", one.experiment).set("claim", one.name).set("verdict", word_of(one.said)).set("sentence", one.sentence).set("numbers", one.numbers);
        if (!one.settings.empty()) r.set("settings", one.settings);
        records.push_back(r);
    }
    return records;
}

bool summarise(const std::vector<claim>& claims, std::FILE* to)
{
    std::size_t count[3] = {};
    for (const claim& one : claims) {
        ++count[static_cast<std::size_t>(one.said)];
        std::fprintf(to, "%-10s  %s %s: %s\n            %s\n", word_of(one.said), one.experiment.c_str(), one.name.c_str(), one.sentence.c_str(), one.numbers.c_str());
    }
    std::fprintf(to, "%zu passed, %zu failed, %zu not judged\n", count[0], count[1], count[2]);
    return count[1] == 0;
}

} // namespace

bool run(const std::vector<experiment>& experiments, const choices& chosen, const std::filesystem::path& out, const voices& to)
{
    std::filesystem::create_directories(out / "parts");
    std::size_t units = 0;
    for (const experiment& one : experiments)
        for (const part& p : one.parts) units += p.units;
    std::vector<record> all;
    std::vector<std::vector<record>> of_each;
    {
        progress_bar progress("reproduce", units, to.progress);
        for (const experiment& one : experiments) {
            std::vector<record>& mine = of_each.emplace_back();
            for (const part& p : one.parts) {
                const std::filesystem::path file = file_of(out, one, p);
                std::optional<std::vector<record>> records = kept(file, p);
                const bool skip = !chosen.only.empty() && p.name.find(chosen.only) == std::string::npos;
                if (records || skip) progress.add(p.units, p.name + (records ? ", kept from an earlier run" : ", left out"));
                else records = measured(file, p, progress);
                if (records) mine.insert(mine.end(), records->begin(), records->end());
            }
        }
    }
    std::vector<section> sections;
    std::vector<claim> claims;
    for (std::size_t i = 0; i < experiments.size(); ++i) {
        findings found;
        experiments[i].judge(of_each[i], found);
        for (claim& one : found.claims) one.experiment = experiments[i].name;
        claims.insert(claims.end(), found.claims.begin(), found.claims.end());
        for (record& r : of_each[i]) all.push_back(r.set("experiment", experiments[i].name));
        sections.push_back({experiments[i].name, experiments[i].title, experiments[i].source, std::move(found)});
    }
    write_records(all, out);
    write_text(out / "claims.json", to_json(to_records(claims)));
    write_text(out / "report.html", to_html(sections, chosen, out));
    std::fprintf(to.claims, "\n");
    const bool good = summarise(claims, to.claims);
    std::fprintf(to.claims, "%s\n%s\n%s\n", (out / "report.html").c_str(), (out / "results.json").c_str(), (out / "claims.json").c_str());
    return good;
}

} // namespace apps::reproduce
