/// @file Flat records of measurements, written as results.json and results.csv.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace apps {

/// One field of a record. A number that is not finite is written as null (JSON) or left empty (CSV).
using record_value = std::variant<std::monostate, bool, std::int64_t, double, std::string>;

/// Fields in the order in which they were set.
class record {
public:
    /// Sets a field, in place where it exists.
    record& set(const std::string& name, record_value value);
    record& set(const std::string& name, const char* value) { return set(name, record_value(std::string(value))); }

    const std::vector<std::pair<std::string, record_value>>& fields() const { return fields_; }
    /// A field as a number, integers and truth values included; NaN where it is missing, null or a text.
    double number(const std::string& name) const;
    /// A field as a text; empty where it is missing or none.
    std::string text(const std::string& name) const;

private:
    std::vector<std::pair<std::string, record_value>> fields_;
};

/// A record that starts with program, version, date (UTC, ISO 8601) and machine (processor, logical cores, system).
record start_record(const std::string& program);

/// The JSON array of the records, one field a line.
std::string to_json(const std::vector<record>& records);

/// The records of a text that to_json() wrote; a number without fraction or exponent becomes an integer.
/// @throws std::runtime_error for a text that is no array of flat objects.
std::vector<record> from_json(const std::string& text);

/// A header line with every field of any record, in order of first appearance, then one line a record (RFC 4180, lines end in \n).
std::string to_csv(const std::vector<record>& records);

/// Writes results.json and results.csv into `folder`, which is created where it is missing.
/// @throws std::runtime_error naming the file that cannot be written.
void write_records(const std::vector<record>& records, const std::filesystem::path& folder);

/// Writes a text file whole, through a temporary name, so that a reader never sees half of it.
/// @throws std::runtime_error naming the file.
void write_text(const std::filesystem::path& file, const std::string& text);

} // namespace apps
