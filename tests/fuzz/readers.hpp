/// @file Hostile files for the readers of data: refused by name, or read as what they say.
#pragma once

#include "data/error.hpp"
#include "data/idx.hpp"
#include "data/libsvm.hpp"

#include <cmath>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

namespace fuzzing {

/// A file that exists in memory alone.
class memory_file {
public:
    explicit memory_file(std::span<const std::uint8_t> bytes) : number_(memfd_create("fuzzed", 0))
    {
        if (number_ < 0 || write(number_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) throw std::runtime_error("no file in memory");
    }
    memory_file(const memory_file&) = delete;
    ~memory_file() { close(number_); }
    std::string path() const { return "/proc/self/fd/" + std::to_string(number_); }

private:
    int number_;
};

/// The fuzz target: the first byte says as what the rest is read: 0 as LIBSVM's text, else as an idx file of so many dimensions.
inline void read_any_file(std::span<const std::uint8_t> data)
{
    const auto promise = [](bool holds, const char* what) {
        if (!holds) throw std::logic_error(what);
    };
    if (data.empty()) return;
    const memory_file file(data.subspan(1));
    try {
        if (const std::size_t dimensions = data[0] % 4; dimensions > 0) {
            const auto array = apps::data::read_idx(file.path(), dimensions);
            std::size_t total = 1;
            for (const std::size_t n : array.shape) total *= n;
            promise(array.shape.size() == dimensions && array.values.size() == total, "an idx file was read as another size than its own");
        } else {
            const auto set = apps::data::read_libsvm(file.path());
            promise(set.start.size() == set.rows() + 1 && set.start.back() == set.column.size() && set.value.size() == set.column.size(), "rows do not add up");
            for (const std::uint32_t column : set.column) promise(column < set.columns, "an index is out of range");
            for (const float value : set.value) promise(std::isfinite(value), "a value is no number");
        }
    } catch (const apps::data::data_error& e) {
        promise(std::string(e.what()).find(file.path()) != std::string::npos, "an error does not name the file");
    }
}

} // namespace fuzzing
