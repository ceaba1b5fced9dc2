/// @file LIBSVM's text form, and logistic regression on it against differences of its own loss.
#include "data/error.hpp"
#include "data/libsvm.hpp"
#include "models/logistic.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

using apps::data::read_libsvm;
using apps::data::sparse_set;

namespace {

/// A file of that text, gone with the object.
struct text_file {
    std::filesystem::path path = std::filesystem::temp_directory_path() / "gradcomp_libsvm_test.txt";
    explicit text_file(const std::string& text) { std::ofstream(path) << text; }
    ~text_file() { std::filesystem::remove(path); }
};

sparse_set read(const std::string& text, std::size_t columns = 0) { return read_libsvm(text_file(text).path, columns); }

} // namespace

TEST_CASE("rows, labels and columns of LIBSVM's form, with signs, blanks, empty rows and Windows line ends")
{
    const sparse_set set = read("+1 1:0.5 3:-2\r\n-1\n1  2:1e-1 \n\n", 5);
    CHECK(set.rows() == 3);
    CHECK(set.columns == 5);
    CHECK(set.label == std::vector<std::uint8_t>{1, 0, 1});
    CHECK(set.start == std::vector<std::size_t>{0, 2, 2, 3});
    CHECK(set.column == std::vector<std::uint32_t>{0, 2, 1});
    CHECK(set.value == std::vector<float>{0.5f, -2.0f, 0.1f});
    CHECK(read("2 4:1\n1 1:1\n").columns == 4);
    CHECK(read("2 4:1\n1 1:1\n").label == std::vector<std::uint8_t>{1, 0});
}

TEST_CASE("what is no LIBSVM file is refused with its line")
{
    using apps::data::data_error;
    CHECK_THROWS_WITH_AS(read("1 1:1\nx 1:1\n"), doctest::Contains("line 2: \"x\" is no number"), data_error);
    CHECK_THROWS_WITH_AS(read("1 1:1\n2 1\n"), doctest::Contains("line 2: \"1\" is no index:value"), data_error);
    CHECK_THROWS_WITH_AS(read("1 0:1\n"), doctest::Contains("no index from 1"), data_error);
    CHECK_THROWS_WITH_AS(read("1 -3:1\n"), doctest::Contains("no index from 1"), data_error);
    CHECK_THROWS_WITH_AS(read("1 2:1 2:1\n"), doctest::Contains("out of order"), data_error);
    CHECK_THROWS_WITH_AS(read("1 2:nan\n"), doctest::Contains("is no number"), data_error);
    CHECK_THROWS_WITH_AS(read("1 2:\n"), doctest::Contains("is no number"), data_error);
    CHECK_THROWS_WITH_AS(read("1 6:1\n2 1:1\n", 5), doctest::Contains("above the 5 columns"), data_error);
    CHECK_THROWS_WITH_AS(read("1 1:1\n1 2:1\n"), doctest::Contains("two different labels"), data_error);
    CHECK_THROWS_WITH_AS(read("1 1:1\n2 2:1\n3 2:1\n"), doctest::Contains("two different labels"), data_error);
    CHECK_THROWS_WITH_AS(read("\n"), doctest::Contains("no rows"), data_error);
    CHECK_THROWS_WITH_AS(read_libsvm("/nowhere/a9a"), doctest::Contains("cannot be read"), data_error);
}

TEST_CASE("the gradient of logistic regression is the slope of its loss, also for scores that overflow exp")
{
    const sparse_set set = read("1 1:0.5 3:-2\n2 2:1\n1 1:1 2:1 3:1\n2 1:-1 3:0.25\n");
    const std::vector<std::uint32_t> rows = {0, 1, 2, 3};
    const apps::models::logistic model{.columns = 3, .decay = 0.1};
    std::vector<double> at = {0.3, -0.7, 1.1, 0.2}, slope(4), ignored(4);
    const double loss = model.gradient<double>(at, set, rows, slope);
    CHECK(loss == doctest::Approx(model.loss<double>(at, set)).epsilon(1e-14));
    for (std::size_t i = 0; i < 4; ++i) {
        std::vector<double> up = at, down = at;
        up[i] += 1e-5, down[i] -= 1e-5;
        CHECK(slope[i] == doctest::Approx((model.loss<double>(up, set) - model.loss<double>(down, set)) / 2e-5).epsilon(1e-8));
    }
    at = {1e4, 0, 0, 0};
    CHECK(std::isfinite(model.gradient<double>(at, set, rows, slope)));
    for (const double one : slope) CHECK(std::isfinite(one));
    CHECK(apps::models::logistic{.columns = 3}.percent_right<double>(std::vector<double>{0, 1, 0, -0.5}, set) == 50);
}

namespace {

/// GRADCOMP_DATA as the program found it: other tests of this program set it.
const std::string data_folder = [] {
    const char* found = std::getenv("GRADCOMP_DATA");
    return std::string(found ? found : "");
}();
const bool has_data = std::filesystem::exists(std::filesystem::path(data_folder) / "libsvm" / "a9a.gz");

} // namespace

TEST_CASE("a9a and mushrooms have the rows and labels that are known of them" * doctest::skip(!has_data))
{
    const auto folder = apps::data::find_libsvm_folder(data_folder, "a9a.gz");
    const sparse_set train = read_libsvm(folder / "a9a.gz"), test = read_libsvm(folder / "a9a.t.gz", 123), mushrooms = read_libsvm(folder / "mushrooms.gz");
    const auto ones = [](const sparse_set& set) {
        std::size_t n = 0;
        for (const auto one : set.label) n += one;
        return n;
    };
    CHECK(train.rows() == 32561);
    CHECK(train.columns == 123);
    CHECK(ones(train) == 7841);
    CHECK(test.rows() == 16281);
    CHECK(ones(test) == 3846);
    CHECK(mushrooms.rows() == 8124);
    CHECK(mushrooms.columns == 112);
    CHECK(ones(mushrooms) == 4208);
}
