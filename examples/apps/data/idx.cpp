/// @file Reads idx files through zlib.
#include "data/idx.hpp"

#include "data/error.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <span>
#include <string>

namespace apps::data {
namespace {

constexpr std::size_t largest = std::size_t{1} << 31; // bytes; keeps every size product far from overflow

/// A gzip stream that knows its file's name, so that each error can say it.
class gzip_reader {
public:
    explicit gzip_reader(const std::filesystem::path& file) : name_(file.string()), file_(gzopen(name_.c_str(), "rb"))
    {
        if (!file_) fail("cannot be opened");
        gzbuffer(file_.get(), 1u << 18);
    }

    /// Fills `out` as far as the stream reaches and returns how many bytes came.
    std::size_t read(std::span<std::uint8_t> out)
    {
        std::size_t done = 0;
        while (done < out.size()) {
            const auto chunk = static_cast<unsigned>(std::min<std::size_t>(out.size() - done, 1u << 20));
            const int got = gzread(file_.get(), out.data() + done, chunk);
            if (got > 0) done += static_cast<std::size_t>(got);
            if (got < static_cast<int>(chunk)) {
                check_stream();
                if (got <= 0) break;
            }
        }
        return done;
    }

    [[noreturn]] void fail(const std::string& what) const { throw data_error(name_ + ": " + what); }

private:
    void check_stream() const
    {
        int code = Z_OK;
        const char* text = gzerror(file_.get(), &code);
        if (code == Z_BUF_ERROR) fail("is cut off: the gzip stream ends early");
        if (code != Z_OK && code != Z_STREAM_END) fail(std::string("is damaged: ") + (code == Z_ERRNO ? "it cannot be read" : text));
    }

    std::string name_;
    std::unique_ptr<gzFile_s, decltype([](gzFile file) { gzclose(file); })> file_;
};

std::uint32_t big_endian(const std::uint8_t* bytes)
{
    return static_cast<std::uint32_t>(bytes[0]) << 24 | static_cast<std::uint32_t>(bytes[1]) << 16 | static_cast<std::uint32_t>(bytes[2]) << 8 | bytes[3];
}

/// The first four bytes are 0, 0, the element type (8: unsigned byte) and the number of dimensions.
void check_magic(const gzip_reader& reader, std::uint32_t magic, std::size_t dimensions)
{
    std::array<char, 16> text{};
    std::snprintf(text.data(), text.size(), "0x%08x", magic);
    if (magic >> 8 != 8) reader.fail(std::string("is not an idx file of bytes: its magic number is ") + text.data());
    if ((magic & 0xffu) != dimensions)
        reader.fail("holds " + std::to_string(magic & 0xffu) + " dimensions, expected " + std::to_string(dimensions) + " (magic number " + text.data() + ")");
}

std::vector<std::size_t> read_shape(gzip_reader& reader, std::size_t dimensions)
{
    std::vector<std::uint8_t> bytes(4 * dimensions);
    if (reader.read(bytes) < bytes.size()) reader.fail("is cut off inside its header");
    std::vector<std::size_t> shape;
    std::size_t total = 1;
    for (std::size_t i = 0; i < dimensions; ++i) {
        shape.push_back(big_endian(bytes.data() + 4 * i));
        if (shape.back() == 0 || shape.back() > largest / total)
            reader.fail("has an impossible size " + std::to_string(shape.back()) + " in dimension " + std::to_string(i));
        total *= shape.back();
    }
    return shape;
}

/// Grows with the stream, so that a damaged header cannot ask for gigabytes.
std::vector<std::uint8_t> read_values(gzip_reader& reader, std::size_t total)
{
    constexpr std::size_t step = 1u << 24;
    std::vector<std::uint8_t> values;
    while (values.size() < total) {
        const std::size_t before = values.size();
        const std::size_t wanted = std::min(step, total - before);
        values.resize(before + wanted);
        const std::size_t got = reader.read(std::span(values).subspan(before));
        if (got < wanted) reader.fail("is cut off: it holds " + std::to_string(before + got) + " of " + std::to_string(total) + " bytes");
    }
    std::uint8_t extra = 0;
    if (reader.read({&extra, 1}) != 0) reader.fail("is longer than its header says (" + std::to_string(total) + " bytes)");
    return values;
}

} // namespace

idx_array read_idx(const std::filesystem::path& file, std::size_t dimensions)
{
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(file, ignored)) throw data_error(file.string() + ": is missing or not a file");
    gzip_reader reader(file);
    std::array<std::uint8_t, 4> magic{};
    if (reader.read(magic) < magic.size()) reader.fail("is empty or cut off inside its header");
    check_magic(reader, big_endian(magic.data()), dimensions);
    idx_array array;
    array.shape = read_shape(reader, dimensions);
    std::size_t total = 1;
    for (const std::size_t size : array.shape) total *= size;
    array.values = read_values(reader, total);
    return array;
}

} // namespace apps::data
