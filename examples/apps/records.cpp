/// @file Writes records as JSON and CSV.
#include "records.hpp"

#include <gradcomp/core/config.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <ctime>
#include <fstream>
#include <stdexcept>
#include <sys/utsname.h>
#include <limits>
#include <thread>

namespace apps {
namespace {

nlohmann::ordered_json to_json_value(const record_value& value)
{
    if (const bool* flag = std::get_if<bool>(&value)) return *flag;
    if (const std::int64_t* number = std::get_if<std::int64_t>(&value)) return *number;
    if (const double* number = std::get_if<double>(&value)) return std::isfinite(*number) ? nlohmann::ordered_json(*number) : nlohmann::ordered_json(nullptr);
    if (const std::string* text = std::get_if<std::string>(&value)) return *text;
    return nullptr;
}

/// Quotes where a reader could otherwise split the field.
std::string csv_text(const std::string& text)
{
    if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
    std::string out = "\"";
    for (const char letter : text) out += letter == '"' ? std::string("\"\"") : std::string(1, letter);
    return out + '"';
}

std::string to_csv_value(const record_value& value)
{
    if (const bool* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
    if (const std::int64_t* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
    if (const std::string* text = std::get_if<std::string>(&value)) return csv_text(*text);
    const double* number = std::get_if<double>(&value);
    if (!number || !std::isfinite(*number)) return {};
    std::array<char, 40> digits{}; // the shortest text that reads back as the same number, whatever the locale
    return {digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), *number).ptr};
}

std::string utc_now()
{
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    gmtime_r(&now, &parts);
    std::array<char, 32> text{};
    return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

std::string processor_name()
{
    std::ifstream in("/proc/cpuinfo");
    for (std::string line; std::getline(in, line);) {
        const std::size_t colon = line.find(": ");
        if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
    }
    return "unknown processor";
}

std::string machine_name()
{
    utsname system{};
    std::string text = processor_name() + ", " + std::to_string(std::thread::hardware_concurrency()) + " cores";
    if (uname(&system) == 0) text += std::string(", ") + system.sysname + " " + system.machine;
    return text;
}

} // namespace

record& record::set(const std::string& name, record_value value)
{
    const auto at = std::find_if(fields_.begin(), fields_.end(), [&](const auto& field) { return field.first == name; });
    if (at == fields_.end())
        fields_.emplace_back(name, std::move(value));
    else
        at->second = std::move(value);
    return *this;
}

double record::number(const std::string& name) const
{
    for (const auto& [field, value] : fields_) {
        if (field != name) continue;
        if (const double* number = std::get_if<double>(&value)) return *number;
        if (const std::int64_t* number = std::get_if<std::int64_t>(&value)) return static_cast<double>(*number);
        if (const bool* flag = std::get_if<bool>(&value)) return *flag ? 1.0 : 0.0;
    }
    return std::numeric_limits<double>::quiet_NaN();
}

std::string record::text(const std::string& name) const
{
    for (const auto& [field, value] : fields_)
        if (const std::string* text = field == name ? std::get_if<std::string>(&value) : nullptr) return *text;
    return {};
}

record start_record(const std::string& program)
{
    static const std::string machine = machine_name();
    const std::string version =
        std::to_string(GRADCOMP_VERSION_MAJOR) + "." + std::to_string(GRADCOMP_VERSION_MINOR) + "." + std::to_string(GRADCOMP_VERSION_PATCH);
    record fields;
    fields.set("program", program).set("version", version).set("date", utc_now()).set("machine", machine);
    return fields;
}

std::string to_json(const std::vector<record>& records)
{
    nlohmann::ordered_json all = nlohmann::ordered_json::array();
    for (const record& one : records) {
        nlohmann::ordered_json object = nlohmann::ordered_json::object();
        for (const auto& [name, value] : one.fields()) object[name] = to_json_value(value);
        all.push_back(std::move(object));
    }
    // A text that is no UTF-8 (a folder's name can be) must not cost the run its results.
    return all.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::vector<record> from_json(const std::string& text)
{
    const auto all = nlohmann::ordered_json::parse(text, nullptr, false);
    if (!all.is_array()) throw std::runtime_error("not an array of records");
    std::vector<record> records;
    for (const auto& object : all) {
        if (!object.is_object()) throw std::runtime_error("a record is no object");
        record& one = records.emplace_back();
        for (const auto& [name, value] : object.items()) {
            if (value.is_boolean()) one.set(name, value.get<bool>());
            else if (value.is_number_integer()) one.set(name, value.get<std::int64_t>());
            else if (value.is_number()) one.set(name, value.get<double>());
            else if (value.is_string()) one.set(name, value.get<std::string>());
            else if (value.is_null()) one.set(name, record_value{});
            else throw std::runtime_error("the field " + name + " is not flat");
        }
    }
    return records;
}

std::string to_csv(const std::vector<record>& records)
{
    std::vector<std::string> names;
    for (const record& one : records)
        for (const auto& field : one.fields())
            if (std::find(names.begin(), names.end(), field.first) == names.end()) names.push_back(field.first);
    std::string text;
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (i > 0) text += ',';
        text += csv_text(names[i]);
    }
    text += '\n';
    for (const record& one : records) {
        for (std::size_t i = 0; i < names.size(); ++i) {
            if (i > 0) text += ',';
            const auto at = std::find_if(one.fields().begin(), one.fields().end(), [&](const auto& field) { return field.first == names[i]; });
            if (at != one.fields().end()) text += to_csv_value(at->second);
        }
        text += '\n';
    }
    return text;
}

void write_text(const std::filesystem::path& file, const std::string& text)
{
    const std::filesystem::path part = file.string() + ".part";
    {
        std::ofstream out(part, std::ios::binary | std::ios::trunc);
        out << text;
        out.close();
        if (!out) throw std::runtime_error(part.string() + ": cannot be written");
    }
    std::error_code failure;
    std::filesystem::rename(part, file, failure);
    if (failure) throw std::runtime_error(file.string() + ": cannot be written (" + failure.message() + ")");
}

void write_records(const std::vector<record>& records, const std::filesystem::path& folder)
{
    std::error_code failure;
    std::filesystem::create_directories(folder, failure);
    if (failure) throw std::runtime_error(folder.string() + ": cannot be created (" + failure.message() + ")");
    write_text(folder / "results.json", to_json(records));
    write_text(folder / "results.csv", to_csv(records));
}

} // namespace apps
