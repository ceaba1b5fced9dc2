/// @file Downloads a file once and keeps it only if its checksum is right.
#pragma once

#include <filesystem>
#include <string>

namespace apps::data {

/// A file on a server and the SHA-256 that it must have.
struct remote_file {
    std::string name;   ///< last part of the URL, and the name on disk
    std::string sha256; ///< 64 lower-case hexadecimal digits
};

/// Downloads `base_url`/name into `folder` by the program curl, which brings TLS, proxies and timeouts.
///
/// The bytes go to a temporary file in `folder` that takes the final name only after its checksum was found right, so that a download that
/// was cut off, or two programs at once, never leave a bad file behind. At most `seconds` in all, 10 of them to connect.
/// @throws data_error naming URL and fault: curl missing or failing (its text), a wrong checksum, a folder that cannot be written.
void download(const remote_file& file, const std::string& base_url, const std::filesystem::path& folder, int seconds = 300);

} // namespace apps::data
