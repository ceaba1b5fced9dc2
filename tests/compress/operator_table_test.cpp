/// @file docs/operators.md says of every compressor what the library says of it: classes, bits, where it is legal, and what was measured.
#include <gradcomp/gradcomp.hpp>

#include <doctest/doctest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace gc = gradcomp;

namespace {

const std::filesystem::path docs = std::filesystem::path(GRADCOMP_TEST_TREE) / "docs";

std::string read(const std::filesystem::path& file)
{
    std::ifstream in(file, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

/// The cells of each row of a file's Markdown tables.
std::vector<std::vector<std::string>> rows_of(const std::filesystem::path& file)
{
    std::vector<std::vector<std::string>> rows;
    std::istringstream in(read(file));
    for (std::string line; std::getline(in, line);) {
        if (line.rfind("| ", 0) != 0) continue;
        std::vector<std::string> cells;
        for (std::size_t at = 2, next; (next = line.find("| ", at)) != std::string::npos || (next = line.rfind('|')) >= at; at = next + 2) {
            cells.push_back(line.substr(at, next - at));
            while (!cells.back().empty() && cells.back().back() == ' ') cells.back().pop_back();
            if (next + 1 >= line.size()) break;
        }
        rows.push_back(cells);
    }
    return rows;
}

std::string short_text(double x, const char* format = "%.4g")
{
    char text[32];
    std::snprintf(text, sizeof text, format, x);
    return text;
}

/// What the table says of one compressor and the library knows.
struct facts {
    std::string classes, bits, memories, reducers, time;
};

constexpr std::size_t elements = 1 << 20;

template <class C> std::string memories_of(bool contraction)
{
    const std::string feedback = !C::contractive ? "" : contraction ? "feedback" : "feedback by the numbers";
    if (C::unbiased) return feedback.empty() ? "none" : "none, " + feedback;
    return feedback.empty() ? "none_accepting_bias" : feedback;
}

template <class C> facts facts_of(const C& compressor)
{
    compressor.check();
    const gc::tensor_list list{{"x", {1024, elements / 1024}}};
    const std::vector<std::size_t> tensors{0};
    const gc::exec::cpu_team team(1);
    const gc::theory::membership m = gc::theory::complete(gc::stack::classes_over(compressor, list));
    facts out;
    if (m.u) out.classes = "U(" + short_text(m.u->zeta) + ")";
    if (m.b3) out.classes += (m.u ? ", B3(" : "B3(") + short_text(m.b3->delta) + ")";
    if (out.classes.empty()) out.classes = "none";
    out.bits = short_text(8.0 * static_cast<double>(compressor.template start<float>(team, gc::coder_start{&list, &tensors, 1, 0}).bytes()) / elements);
    out.memories = memories_of<C>(m.b3.has_value());
    out.reducers = C::rounds > 1 ? "ring, all_gather" : C::additive ? "any" : "gathering";
    out.time = "not measured";
    return out;
}

/// The time of an operation on Gaussian data, one thread, in the results that the page names; any ratio where none is given.
std::string time_of(const std::vector<std::vector<std::string>>& measured, const std::string& operation, const std::string& options = "", const std::string& ratio = "")
{
    for (const auto& row : measured)
        if (row.size() > 11 && row[0] == operation && row[1] == options && row[2] == "gauss" && (ratio.empty() || row[4] == ratio) && row[5] == "1") return row[6] + " (" + row[11] + ")";
    return "not measured";
}

/// Which row of the results measured an operator of the page, beside `ef`, where it is not the row of the operator's own name.
struct measured_row { const char *name, *operation, *options, *ratio; };
constexpr measured_row measured_rows[] = {
    {"top_k{.ratio = 100}", "top_k", "", "100"},
    {"random_block{.ratio = 64}", "random_block", "block:0", "64"},
    {"random_block{.ratio = 64, .block = 1024}", "random_block", "block:1024", "64"},
    {"sign<>{}", "sign", "", "32"},
    {"block_sign{}", "block_sign", "", "32"},
    {"natural<>{}", "natural_9", "", "3.5555555555555554"},
    {"natural<exponents::per_bucket>{}", "natural_8", "", "4"},
    {"qsgd<>{}", "qsgd_8_norm_2", "", "4"},
    {"qsgd<norm::infinity>{.bits = 4}", "qsgd_4", "", "8"},
    {"min_max<>{}", "min_max_8_stochastic", "", "4"},
    {"min_max<rounding::nearest>{}", "min_max_8_nearest", "", "4"},
    {"cast<half>{}", "cast_half", "", "2"},
    {"natural_dithering()", "natural_dithering_7", "", "8"},
};

/// Every compressor with the options that the page writes: a new one is one line here and one there.
std::map<std::string, facts> all_compressors()
{
    std::map<std::string, facts> all;
    const auto add = [&all](const char* name, const auto& compressor) { all["`" + std::string(name) + "`"] = facts_of(compressor); };
#define GRADCOMP_ROW(...) add(#__VA_ARGS__, [] { using namespace gradcomp; return __VA_ARGS__; }())
    GRADCOMP_ROW(identity{});
    GRADCOMP_ROW(nothing{});
    GRADCOMP_ROW(delta_scaling{.delta = 0.5});
    GRADCOMP_ROW(top_k{.ratio = 100});
    GRADCOMP_ROW(rand_k<>{.ratio = 100});
    GRADCOMP_ROW(rand_k<indices::shared_seed, scaling::none>{.ratio = 100});
    GRADCOMP_ROW(rand_k<indices::own, scaling::unbiased>{.ratio = 100});
    GRADCOMP_ROW(rand_k<indices::own, scaling::none>{.ratio = 100});
    GRADCOMP_ROW(random_block{.ratio = 64});
    GRADCOMP_ROW(random_block{.ratio = 64, .block = 1024});
    GRADCOMP_ROW(adaptive_random{.ratio = 100});
    GRADCOMP_ROW(threshold<limit_unit::maximum>{.limit = 0.5, .ratio = 100});
    GRADCOMP_ROW(threshold<limit_unit::norm>{.limit = 0.5, .ratio = 100});
    GRADCOMP_ROW(threshold<limit_unit::absolute>{.limit = 0.5, .ratio = 100});
    GRADCOMP_ROW(block_top_k{.ratio = 64, .block = 64});
    GRADCOMP_ROW(chunked_top_k{.ratio = 64});
    GRADCOMP_ROW(dct_top_k<>{});
    GRADCOMP_ROW(sign<>{});
    GRADCOMP_ROW(sign<sign_scale::none>{});
    GRADCOMP_ROW(block_sign{});
    GRADCOMP_ROW(natural<>{});
    GRADCOMP_ROW(natural<exponents::per_bucket>{});
    GRADCOMP_ROW(qsgd<>{});
    GRADCOMP_ROW(qsgd<>{.bits = 4});
    GRADCOMP_ROW(qsgd<norm::one>{.bits = 8});
    GRADCOMP_ROW(qsgd<norm::infinity>{.bits = 4});
    GRADCOMP_ROW(tern_grad{});
    GRADCOMP_ROW(min_max<>{});
    GRADCOMP_ROW(min_max<rounding::nearest>{});
    GRADCOMP_ROW(cast<half>{});
    GRADCOMP_ROW(cast<bfloat16>{});
    GRADCOMP_ROW(cast<bfloat16, rounding::stochastic>{});
    GRADCOMP_ROW(cast<fp8_e4m3>{});
    GRADCOMP_ROW(cast<fp8_e5m2, rounding::stochastic>{});
    GRADCOMP_ROW(exponential_dithering<>{.base = 1.5, .levels = 15});
    GRADCOMP_ROW(exponential_dithering<norm::infinity, rounding::nearest>{});
    GRADCOMP_ROW(natural_dithering());
    GRADCOMP_ROW(exponential_rounding<>{});
    GRADCOMP_ROW(exponential_rounding<rounding::nearest>{});
    GRADCOMP_ROW(level_rounding<>{});
    GRADCOMP_ROW(level_rounding<rounding::nearest>{});
    GRADCOMP_ROW(level_rounding<rounding::stochastic, level_scale::absolute>{});
    GRADCOMP_ROW(low_rank{.rank = 4});
    GRADCOMP_ROW(scaled<qsgd<>>{.lambda = 0.04, .of = {.bits = 2}});
    GRADCOMP_ROW(chain{top_k{.ratio = 100}, natural_dithering()});
    GRADCOMP_ROW(chain{chunked_top_k{.ratio = 64}, min_max<rounding::nearest>{.bits = 2, .bucket = 16}});
    GRADCOMP_ROW(by_tensor{vectors(identity{}), otherwise(top_k{.ratio = 100})});
#undef GRADCOMP_ROW
    return all;
}

} // namespace

TEST_CASE("every row of the table of operators says what the library says, and every compressor has a row")
{
    std::map<std::string, facts> all = all_compressors();
    const std::string page = read(docs / "operators.md");
    const std::size_t link = page.find("(results/");
    REQUIRE(link != std::string::npos);
    const auto measured = rows_of(docs / page.substr(link + 1, page.find(')', link) - link - 1));
    REQUIRE(measured.size() > 3);
    for (auto& [name, known] : all) known.time = time_of(measured, "ef + " + name.substr(1, name.size() - 2));
    for (const auto& [name, operation, options, ratio] : measured_rows)
        all["`" + std::string(name) + "`"].time = time_of(measured, "ef + " + std::string(operation), options, ratio);
    std::map<std::string, std::vector<std::string>> said;
    for (const auto& row : rows_of(docs / "operators.md"))
        if (row.size() == 10) said[row[0]] = row;
    for (const auto& [name, known] : all) {
        CAPTURE(name);
        REQUIRE(said.contains(name));
        const auto& row = said[name];
        CHECK(row[3] == known.classes);
        CHECK(row[5] == known.bits);
        CHECK(row[6] == known.memories);
        CHECK(row[7] == known.reducers);
        CHECK(row[8] == known.time);
    }
    said.erase("policy");
    for (const auto& [name, row] : said) {
        CAPTURE(name);
        CHECK(all.contains(name));
    }
}

TEST_CASE("no compressor of the library is missing from the table")
{
    const std::string page = read(docs / "operators.md");
    for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(GRADCOMP_TEST_TREE) / "include/gradcomp/compress")) {
        const std::string name = entry.path().stem().string();
        if (read(entry.path()).find("static_assert(compressor<" + name) == std::string::npos) continue;
        CAPTURE(name);
        CHECK(page.find("`" + name) != std::string::npos);
    }
}
