/// @file Downloads from a server on the loopback address: right, wrong and cut off.
#include "data/download.hpp"
#include "data/error.hpp"
#include "data/fashion_mnist.hpp"
#include "data/sha256.hpp"

#include <doctest/doctest.h>
#include <zlib.h>

#include <arpa/inet.h>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace fs = std::filesystem;
using namespace apps::data;

namespace {

/// Answers GET requests on 127.0.0.1, one at a time, until it goes out of scope.
class loopback_server {
public:
    struct answer {
        std::string body;
        std::size_t promised; ///< Content-Length: more than the body has makes a transfer that is cut off
    };

    explicit loopback_server(std::map<std::string, answer> answers) : answers_(std::move(answers)), socket_(socket(AF_INET, SOCK_STREAM, 0))
    {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0); // port 0: the system picks a free one
        REQUIRE(listen(socket_, 16) == 0);
        socklen_t size = sizeof address;
        REQUIRE(getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
        port_ = ntohs(address.sin_port);
        thread_ = std::jthread([this] { serve(); });
    }
    ~loopback_server()
    {
        shutdown(socket_, SHUT_RDWR); // wakes accept()
        thread_.join();
        close(socket_);
    }
    loopback_server(const loopback_server&) = delete;

    std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
    int requests() const { return requests_; }

private:
    void serve()
    {
        for (int client = accept(socket_, nullptr, nullptr); client >= 0; client = accept(socket_, nullptr, nullptr)) {
            ++requests_;
            reply(client, request_path(client));
            close(client);
        }
    }

    static std::string request_path(int client)
    {
        std::string request;
        char buffer[1024];
        while (request.find("\r\n\r\n") == std::string::npos) {
            const ssize_t got = recv(client, buffer, sizeof buffer, 0);
            if (got <= 0) break;
            request.append(buffer, static_cast<std::size_t>(got));
        }
        const std::size_t begin = request.find(' ') + 1;
        return request.substr(begin, request.find(' ', begin) - begin);
    }

    void reply(int client, const std::string& path)
    {
        const auto at = answers_.find(path);
        std::string text = "HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n";
        if (at != answers_.end()) text = "HTTP/1.0 200 OK\r\nContent-Length: " + std::to_string(at->second.promised) + "\r\n\r\n" + at->second.body;
        for (std::size_t done = 0; done < text.size();) {
            const ssize_t sent = send(client, text.data() + done, text.size() - done, MSG_NOSIGNAL);
            if (sent <= 0) return;
            done += static_cast<std::size_t>(sent);
        }
    }

    std::map<std::string, answer> answers_;
    int socket_;
    int port_ = 0;
    std::atomic<int> requests_ = 0;
    std::jthread thread_;
};

/// A folder of its own, and no proxy between curl and the loopback address.
struct scratch_folder {
    fs::path path = fs::temp_directory_path() / ("gradcomp_download_test_" + std::to_string(getpid()));
    scratch_folder()
    {
        fs::create_directories(path);
        setenv("no_proxy", "127.0.0.1", 1);
        setenv("NO_PROXY", "127.0.0.1", 1);
    }
    ~scratch_folder() { fs::remove_all(path); }
};

std::string digest(const std::string& text)
{
    sha256 hash;
    hash.update({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
    return hash.hex();
}

std::string text_of(const fs::path& file)
{
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

std::string complaint(const remote_file& file, const std::string& url, const fs::path& folder)
{
    try {
        download(file, url, folder);
    } catch (const data_error& error) {
        return error.what();
    }
    return {};
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
std::size_t files_in(const fs::path& folder)
{
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator{}));
}

/// A tiny idx file, gzip-compressed, as a string.
std::string gzip_idx(const std::vector<std::uint32_t>& shape)
{
    std::string raw = {0, 0, 8, static_cast<char>(shape.size())};
    std::size_t total = 1;
    for (const std::uint32_t size : shape) {
        for (int shift = 24; shift >= 0; shift -= 8) raw += static_cast<char>(size >> shift);
        total *= size;
    }
    raw.append(total, '\3');
    const fs::path file = fs::temp_directory_path() / ("gradcomp_download_idx_" + std::to_string(getpid()));
    const gzFile out = gzopen(file.c_str(), "wb");
    REQUIRE(gzwrite(out, raw.data(), static_cast<unsigned>(raw.size())) == static_cast<int>(raw.size()));
    REQUIRE(gzclose(out) == Z_OK);
    const std::string text = text_of(file);
    fs::remove(file);
    return text;
}

} // namespace

TEST_CASE("download: a right file is kept under its name, and nothing else is")
{
    const scratch_folder folder;
    const std::string body(200000, 'r');
    const loopback_server server({{"/set/a.gz", {body, body.size()}}});
    CHECK(complaint({"a.gz", digest(body)}, server.url() + "/set", folder.path / "new").empty());
    CHECK(text_of(folder.path / "new" / "a.gz") == body);
    CHECK(files_in(folder.path / "new") == 1);
    CHECK(complaint({"a.gz", digest(body)}, server.url() + "/set/", folder.path / "new").empty()); // a slash at the end changes nothing
}

TEST_CASE("download: a file with a wrong checksum is removed, and the error names URL and both checksums")
{
    const scratch_folder folder;
    const std::string body = "not what was published";
    const loopback_server server({{"/a.gz", {body, body.size()}}});
    const std::string text = complaint({"a.gz", digest("published")}, server.url(), folder.path);
    CHECK(has(text, server.url() + "/a.gz: has a wrong checksum"));
    CHECK(has(text, digest(body)));
    CHECK(has(text, digest("published")));
    CHECK(files_in(folder.path) == 0);
}

TEST_CASE("download: a transfer that is cut off leaves nothing behind, with and without a truthful length")
{
    const scratch_folder folder;
    const std::string body(100000, 'c'), half = body.substr(0, 50000);
    const loopback_server server({{"/length", {half, body.size()}}, {"/silent", {half, half.size()}}});
    CHECK(has(complaint({"length", digest(body)}, server.url(), folder.path), "curl failed with status 18"));
    CHECK(has(complaint({"silent", digest(body)}, server.url(), folder.path), "wrong checksum"));
    CHECK(files_in(folder.path) == 0);
}

TEST_CASE("download: a missing file, a server that is not there and a folder that cannot be are errors naming them")
{
    const scratch_folder folder;
    std::string gone;
    {
        const loopback_server server({});
        gone = server.url();
        CHECK(has(complaint({"a.gz", digest("")}, gone, folder.path), "/a.gz: curl failed with status 22"));
    }
    CHECK(has(complaint({"a.gz", digest("")}, gone, folder.path), gone + "/a.gz: curl failed with status 7"));
    CHECK(files_in(folder.path) == 0);
    std::ofstream(folder.path / "file") << "x";
    CHECK(has(complaint({"a.gz", digest("")}, gone, folder.path / "file" / "folder"), "cannot be created"));
}

TEST_CASE("download: without the program curl the error says so")
{
    const scratch_folder folder;
    const std::string path = std::getenv("PATH") ? std::getenv("PATH") : "";
    setenv("PATH", folder.path.c_str(), 1);
    const std::string text = complaint({"a.gz", digest("")}, "http://127.0.0.1:9", folder.path);
    setenv("PATH", path.c_str(), 1);
    CHECK(has(text, "the program curl is missing"));
}

namespace {

/// The four files as a server would publish them, small.
struct published {
    std::map<std::string, loopback_server::answer> answers;
    fashion_request request;

    explicit published(const fs::path& cache)
    {
        request.cache = cache;
        for (std::size_t i = 0; i < 4; ++i) {
            const std::string body = i % 2 == 0 ? gzip_idx({6, 28, 28}) : gzip_idx({6});
            request.files[i] = {fashion_mnist_files()[i].name, digest(body)};
            answers["/" + request.files[i].name] = {body, body.size()};
        }
    }
};

} // namespace

TEST_CASE("fashion: what was downloaded once is not asked for again")
{
    const scratch_folder folder;
    published all(folder.path / "cache");
    const loopback_server server(all.answers);
    all.request.urls = {server.url()};
    const dataset first = load_fashion_mnist(all.request);
    CHECK_FALSE(first.synthetic);
    CHECK(first.name == "Fashion-MNIST");
    CHECK(first.train.count == 6);
    CHECK(has(first.notes.front(), "downloaded into"));
    CHECK(server.requests() == 4);
    const dataset second = load_fashion_mnist(all.request);
    CHECK(has(second.notes.front(), "from the download cache"));
    CHECK(server.requests() == 4);
}

TEST_CASE("fashion: the second server is asked where the first one fails")
{
    const scratch_folder folder;
    published all(folder.path / "cache");
    const loopback_server empty({}), server(all.answers);
    all.request.urls = {empty.url(), server.url()};
    CHECK_FALSE(load_fashion_mnist(all.request).synthetic);
    CHECK(empty.requests() == 1);
}

TEST_CASE("fashion: after a wrong or cut-off download the stand-in follows, called synthetic, with the reason")
{
    const scratch_folder folder;
    for (const bool cut_off : {false, true}) {
        published all(folder.path / (cut_off ? "cut" : "wrong"));
        auto& images = all.answers["/" + all.request.files[2].name];
        if (cut_off)
            images.body.resize(images.body.size() / 2);
        else
            images.body[images.body.size() / 2] ^= 1;
        const loopback_server server(all.answers);
        all.request.urls = {server.url()};
        const dataset set = load_fashion_mnist(all.request);
        CHECK(set.synthetic);
        CHECK(set.name == "synthetic");
        CHECK(has(set.notes.front(), all.request.files[2].name));
        CHECK(has(set.notes.front(), cut_off ? "curl failed" : "wrong checksum"));
        CHECK_FALSE(fs::exists(all.request.cache / all.request.files[2].name));
        CHECK(set.train.count == 60000);
    }
}

TEST_CASE("fashion: a folder that the user names is used or is an error, never passed over")
{
    const scratch_folder folder;
    published all(folder.path / "cache");
    const fs::path inner = folder.path / "data" / "fashion-mnist";
    fs::create_directories(inner);
    for (const auto& [path, answer] : all.answers) std::ofstream(inner.string() + path, std::ios::binary) << answer.body;
    all.request.folder = (folder.path / "data").string();
    CHECK(has(load_fashion_mnist(all.request).notes.front(), inner.string()));
    all.request.folder = inner.string();
    CHECK(has(load_fashion_mnist(all.request).notes.front(), inner.string()));
    all.request.folder = (folder.path / "elsewhere").string();
    CHECK_THROWS_AS(load_fashion_mnist(all.request), data_error);
    all.request.folder.clear();
    all.request.environment_folder = (folder.path / "data").string();
    CHECK(has(load_fashion_mnist(all.request).notes.front(), inner.string()));
    fs::remove(inner / all.request.files[1].name);
    CHECK_THROWS_AS(load_fashion_mnist(all.request), data_error); // part of a set is a mistake, not a reason to look elsewhere
    all.request.environment_folder = (folder.path / "elsewhere").string();
    const loopback_server server(all.answers);
    all.request.urls = {server.url()};
    const dataset set = load_fashion_mnist(all.request);
    CHECK(has(set.notes[0], "GRADCOMP_DATA = "));
    CHECK(has(set.notes[1], "downloaded into"));
}

TEST_CASE("fashion: the environment names folder, cache and server")
{
    setenv("GRADCOMP_DATA", "/some/folder", 1);
    setenv("GRADCOMP_DATA_URL", "http://127.0.0.1:9/set", 1);
    setenv("XDG_CACHE_HOME", "/some/cache", 1);
    const fashion_request request = fashion_request::from_environment("given");
    CHECK(request.folder == "given");
    CHECK(request.environment_folder == "/some/folder");
    CHECK(request.cache == fs::path("/some/cache/gradcomp/fashion-mnist"));
    CHECK(request.urls == std::vector<std::string>{"http://127.0.0.1:9/set"});
    unsetenv("GRADCOMP_DATA_URL");
    unsetenv("XDG_CACHE_HOME");
    unsetenv("GRADCOMP_DATA");
    CHECK(fashion_request::from_environment("").urls.size() == 2);
    CHECK(fashion_request::from_environment("").environment_folder.empty());
    CHECK(has(fashion_request::from_environment("").cache.string(), "gradcomp"));
}
