/// @file Reading idx files, good and bad.
#include "data/error.hpp"
#include "data/fashion_mnist.hpp"
#include "data/idx.hpp"

#include <doctest/doctest.h>
#include <zlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

namespace fs = std::filesystem;
using apps::data::data_error;
using apps::data::read_idx;
using bytes = std::vector<std::uint8_t>;

namespace {

/// A folder of its own that goes away with the test.
struct scratch_folder {
    fs::path path = fs::temp_directory_path() / ("gradcomp_idx_test_" + std::to_string(getpid()));
    scratch_folder() { fs::create_directories(path); }
    ~scratch_folder() { fs::remove_all(path); }
};

void append_big_endian(bytes& out, std::uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<std::uint8_t>(value >> shift));
}

bytes idx_bytes(const std::vector<std::uint32_t>& shape, std::size_t values)
{
    bytes out;
    append_big_endian(out, 0x800u + static_cast<std::uint32_t>(shape.size()));
    for (const std::uint32_t size : shape) append_big_endian(out, size);
    for (std::size_t i = 0; i < values; ++i) out.push_back(static_cast<std::uint8_t>(i % 7));
    return out;
}

void write_gzip(const fs::path& file, const bytes& content)
{
    const gzFile out = gzopen(file.c_str(), "wb");
    REQUIRE(out != nullptr);
    REQUIRE(gzwrite(out, content.data(), static_cast<unsigned>(content.size())) == static_cast<int>(content.size()));
    REQUIRE(gzclose(out) == Z_OK);
}

/// What read_idx says about a file; empty when it likes it.
std::string complaint(const fs::path& file, std::size_t dimensions)
{
    try {
        read_idx(file, dimensions);
    } catch (const data_error& error) {
        return error.what();
    }
    return {};
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

} // namespace

TEST_CASE("idx: a gzip file of images gives its shape and bytes")
{
    const scratch_folder folder;
    const fs::path file = folder.path / "images.gz";
    write_gzip(file, idx_bytes({3, 4, 5}, 60));
    const auto array = read_idx(file, 3);
    CHECK(array.shape == std::vector<std::size_t>{3, 4, 5});
    REQUIRE(array.values.size() == 60);
    for (std::size_t i = 0; i < 60; ++i) CHECK(array.values[i] == i % 7);
}

TEST_CASE("idx: a file that is not compressed is read as well")
{
    const scratch_folder folder;
    const fs::path file = folder.path / "labels";
    const bytes content = idx_bytes({9}, 9);
    std::ofstream(file, std::ios::binary).write(reinterpret_cast<const char*>(content.data()), static_cast<std::streamsize>(content.size()));
    CHECK(read_idx(file, 1).values.size() == 9);
}

TEST_CASE("idx: every fault is told with the file's name")
{
    const scratch_folder folder;
    const fs::path file = folder.path / "faulty.gz";
    const auto told = [&](const bytes& content, std::size_t dimensions) {
        write_gzip(file, content);
        const std::string text = complaint(file, dimensions);
        CHECK(has(text, file.string()));
        return text;
    };
    CHECK(has(complaint(folder.path / "nowhere.gz", 1), "nowhere.gz: is missing"));
    CHECK(has(complaint(folder.path, 1), "missing or not a file"));
    CHECK(has(told({}, 1), "empty or cut off"));
    CHECK(has(told({0, 0, 8}, 1), "empty or cut off"));
    CHECK(has(told({1, 2, 3, 4, 5, 6, 7, 8}, 1), "magic number is 0x01020304"));
    CHECK(has(told({0, 0, 0x0d, 1, 0, 0, 0, 1, 0, 0, 0, 0}, 1), "not an idx file of bytes")); // floats
    CHECK(has(told(idx_bytes({4}, 4), 3), "1 dimensions, expected 3"));
    CHECK(has(told({0, 0, 8, 3, 0, 0, 0, 1}, 3), "cut off inside its header"));
    CHECK(has(told(idx_bytes({2, 3, 3}, 17), 3), "holds 17 of 18 bytes"));
    CHECK(has(told(idx_bytes({2, 3, 3}, 19), 3), "longer than its header says (18 bytes)"));
    CHECK(has(told(idx_bytes({0}, 0), 1), "impossible size 0 in dimension 0"));
    CHECK(has(told(idx_bytes({0xffffffffu, 0xffffffffu, 0xffffffffu}, 4), 3), "impossible size 4294967295"));
    CHECK(has(told(idx_bytes({0x7fffffffu}, 4), 1), "holds 4 of 2147483647 bytes")); // and takes no 2 GiB to say so
}

TEST_CASE("idx: a gzip stream that is cut off or damaged is told as such")
{
    const scratch_folder folder;
    const fs::path whole = folder.path / "whole.gz", part = folder.path / "part.gz";
    bytes content = idx_bytes({200, 28, 28}, 0);
    for (std::uint32_t i = 0, x = 1; i < 200 * 784; ++i, x = x * 1664525u + 1013904223u) content.push_back(static_cast<std::uint8_t>(x >> 24));
    write_gzip(whole, content);
    fs::copy_file(whole, part);
    fs::resize_file(part, fs::file_size(whole) / 2);
    CHECK(has(complaint(part, 3), "part.gz: is cut off"));
    fs::copy_file(whole, part, fs::copy_options::overwrite_existing);
    fs::resize_file(part, fs::file_size(whole) - 4); // only the end of the gzip trailer is gone
    CHECK(has(complaint(part, 3), "part.gz: is cut off"));
    fs::copy_file(whole, part, fs::copy_options::overwrite_existing);
    std::fstream out(part, std::ios::binary | std::ios::in | std::ios::out);
    out.seekp(static_cast<std::streamoff>(fs::file_size(whole) - 8)); // the checksum
    out.write("\0\0\0\0", 4);
    out.close();
    CHECK(has(complaint(part, 3), "part.gz: is damaged"));
}

TEST_CASE("fashion: counts, sizes and labels that do not fit together are errors naming the file")
{
    const scratch_folder folder;
    const auto& files = apps::data::fashion_mnist_files();
    const auto write_all = [&](std::uint32_t images, std::uint32_t side, std::uint32_t labels) {
        for (const std::size_t split : {std::size_t{0}, std::size_t{2}}) {
            write_gzip(folder.path / files[split].name, idx_bytes({images, side, 28}, images * side * 28));
            write_gzip(folder.path / files[split + 1].name, idx_bytes({labels}, labels));
        }
    };
    const auto told = [&] {
        try {
            apps::data::read_fashion_folder(folder.path);
        } catch (const data_error& error) {
            return std::string(error.what());
        }
        return std::string();
    };
    write_all(5, 28, 5);
    CHECK(told().empty());
    const auto set = apps::data::read_fashion_folder(folder.path);
    CHECK(set.train.count == 5);
    CHECK(set.train.pixels == 784);
    CHECK(set.name == "Fashion-MNIST");
    CHECK_FALSE(set.synthetic);
    write_all(5, 28, 6);
    CHECK(has(told(), "train-labels-idx1-ubyte.gz: holds 6 labels for 5 images"));
    write_all(5, 27, 5);
    CHECK(has(told(), "images of 27 x 28 pixels, expected 28 x 28"));
    write_all(5, 28, 5);
    bytes labels = idx_bytes({5}, 5);
    labels.back() = 10;
    write_gzip(folder.path / files[3].name, labels);
    CHECK(has(told(), "t10k-labels-idx1-ubyte.gz: label 4 is 10, expected 0 to 9"));
    fs::remove(folder.path / files[2].name);
    CHECK(has(told(), "t10k-images-idx3-ubyte.gz: is missing"));
}
