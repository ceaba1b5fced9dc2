/// @file Downloads through the program curl.
#include "data/download.hpp"

#include "data/error.hpp"
#include "data/sha256.hpp"
#include "process.hpp"

#include <system_error>
#include <unistd.h>

namespace apps::data {
namespace {

namespace fs = std::filesystem;

/// Removes the temporary file on every way out that does not rename it.
struct temporary_file {
    fs::path path;
    ~temporary_file()
    {
        std::error_code ignored;
        fs::remove(path, ignored);
    }
};

std::string curl_fault(const process_result& result)
{
    if (!result.found) return "the program curl is missing";
    return "curl failed with status " + std::to_string(result.status) + (result.output.empty() ? "" : " (" + result.output + ")");
}

} // namespace

void download(const remote_file& file, const std::string& base_url, const fs::path& folder, int seconds)
{
    std::error_code failure;
    fs::create_directories(folder, failure);
    if (failure) throw data_error(folder.string() + ": cannot be created (" + failure.message() + ")");
    const std::string url = base_url + (base_url.ends_with('/') ? "" : "/") + file.name;
    const temporary_file part{folder / (file.name + ".part" + std::to_string(getpid()))};
    const process_result result = run_program({"curl", "--fail", "--silent", "--show-error", "--location", "--connect-timeout", "10", "--max-time",
        std::to_string(seconds), "--output", part.path.string(), "--", url});
    if (!result.success()) throw data_error(url + ": " + curl_fault(result));
    const std::string found = sha256_of(part.path);
    if (found.empty()) throw data_error(part.path.string() + ": cannot be read back");
    if (found != file.sha256) throw data_error(url + ": has a wrong checksum, so it was removed (SHA-256 " + found + ", expected " + file.sha256 + ")");
    fs::rename(part.path, folder / file.name, failure);
    if (failure) throw data_error((folder / file.name).string() + ": cannot be written (" + failure.message() + ")");
}

} // namespace apps::data
