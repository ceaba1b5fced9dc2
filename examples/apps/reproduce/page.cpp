/// @file Writes the report.
#include "reproduce/page.hpp"

#include <array>
#include <cstdint>
#include <fstream>
#include <optional>
#include <sstream>

namespace apps::reproduce {
namespace {

constexpr const char* style = R"(
:root { color-scheme: light dark; }
body { font: 17px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 1rem; max-width: 72rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.35rem; margin-top: 2.5rem; } h3 { font-size: 1.1rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9rem; }
th, td { text-align: right; padding: 0.25rem 0.6rem; border-bottom: 1px solid #8886; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 28rem), 1fr)); gap: 1rem; }
.charts img { width: 100%; height: auto; background: white; border-radius: 6px; }
.claim { border-left: 6px solid #888; padding: 0.3rem 0.8rem; margin: 0.6rem 0; }
.pass { border-color: #2a9d4a; } .fail { border-color: #d1242f; }
.claim b { font-size: 0.85rem; letter-spacing: 0.03em; } .numbers { font-size: 0.9rem; opacity: 0.8; overflow-wrap: anywhere; }
)";

std::string escaped(const std::string& text)
{
    std::string out;
    for (const char letter : text) {
        if (letter == '&') out += "&amp;";
        else if (letter == '<') out += "&lt;";
        else if (letter == '>') out += "&gt;";
        else if (letter == '"') out += "&quot;";
        else out += letter;
    }
    return out;
}

std::string base64(const std::string& bytes)
{
    static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const std::size_t left = std::min<std::size_t>(3, bytes.size() - i);
        std::uint32_t word = 0;
        for (std::size_t j = 0; j < 3; ++j) word = word << 8 | (j < left ? static_cast<unsigned char>(bytes[i + j]) : 0u);
        for (std::size_t j = 0; j < 4; ++j) out += j <= left ? digits[word >> (18 - 6 * j) & 63u] : '=';
    }
    return out;
}

std::string read_file(const std::filesystem::path& file)
{
    std::ifstream in(file, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

std::string claims_of(const findings& found)
{
    std::string out;
    for (const claim& one : found.claims) {
        const char* kind = one.said == verdict::pass ? "pass" : one.said == verdict::fail ? "fail" : "open";
        const char* word = one.said == verdict::pass ? "PASS" : one.said == verdict::fail ? "FAIL" : "NOT JUDGED";
        out += std::string("<div class=\"claim ") + kind + "\"><b>" + word + "</b> " + escaped(one.sentence) + "<div class=\"numbers\">" + escaped(one.name) + ": " +
            escaped(one.numbers) + "</div></div>\n";
    }
    return out;
}

std::string table_of(const report_piece& piece)
{
    std::string out = "<p>" + escaped(piece.text) + "</p>\n<div class=\"scroll\"><table>\n";
    for (std::size_t row = 0; row < piece.rows.size(); ++row) {
        out += "<tr>";
        const char* cell = row == 0 ? "th" : "td";
        for (const std::string& text : piece.rows[row]) out += std::string("<") + cell + ">" + escaped(text) + "</" + cell + ">";
        out += "</tr>\n";
    }
    return out + "</table></div>\n";
}

std::string picture_of(const chart& picture, const std::filesystem::path& svg)
{
    if (const std::optional<std::string> problem = draw_chart(picture, svg)) return "<p>" + escaped(*problem) + "</p>\n";
    return "<img alt=\"" + escaped(picture.title) + "\" src=\"data:image/svg+xml;base64," + base64(read_file(svg)) + "\">\n";
}

std::string body_of(const section& one, const std::filesystem::path& out)
{
    std::string text;
    int number = 0;
    bool in_charts = false;
    for (const report_piece& piece : one.found.pieces) {
        const bool is_chart = piece.is == report_piece::kind::picture;
        if (is_chart != in_charts) text += is_chart ? "<div class=\"charts\">\n" : "</div>\n";
        in_charts = is_chart;
        switch (piece.is) {
        case report_piece::kind::paragraph: text += "<p>" + escaped(piece.text) + "</p>\n"; break;
        case report_piece::kind::heading: text += "<h3>" + escaped(piece.text) + "</h3>\n"; break;
        case report_piece::kind::table: text += table_of(piece); break;
        case report_piece::kind::picture: text += picture_of(piece.picture, out / (one.name + "-" + std::to_string(++number) + ".svg")); break;
        }
    }
    return text + (in_charts ? "</div>\n" : "");
}

} // namespace

std::string to_html(const std::vector<section>& sections, const choices& chosen, const std::filesystem::path& out)
{
    const record start = start_record("reproduce");
    std::string text = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                       "<title>gradcomp: reproduced experiments</title>\n<style>" + std::string(style) + "</style></head><body>\n<h1>gradcomp: reproduced experiments</h1>\n";
    text += "<p>" + escaped(start.text("date") + ", version " + start.text("version") + ", " + start.text("machine")) + (chosen.quick ? ", quick run" : "") + "</p>\n";
    for (const section& one : sections)
        text += "<h2>" + escaped(one.title) + "</h2>\n<p>" + escaped(one.source) + "</p>\n" + claims_of(one.found) + body_of(one, out);
    return text + "</body></html>\n";
}

} // namespace apps::reproduce
