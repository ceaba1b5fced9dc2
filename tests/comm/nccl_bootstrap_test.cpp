#include "stand_in/ranks.hpp"

#include <gradcomp/nccl.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>

namespace gc = gradcomp;
using gc::error_code;
using gc::comm::file_bootstrap;
using gc::comm::nccl;
using gc::comm::nccl_introduction;
using gc::comm::nccl_session;
using gc::comm::tcp_bootstrap;
using stand_in::on_ranks;
using namespace std::chrono_literals;

namespace {

std::size_t index(int rank) { return static_cast<std::size_t>(rank); }

/// An id whose bytes tell that it is `number`, with a text that no error may show.
ncclUniqueId id_number(int number)
{
    ncclUniqueId id{};
    std::snprintf(id.internal, sizeof id.internal, "secret %d", number);
    return id;
}
std::string text_of(const ncclUniqueId& id) { return std::string(id.internal); }

/// A folder that goes away with the object.
struct folder {
    std::string path;
    folder()
    {
        char name[] = "/tmp/gradcomp_bootstrap_XXXXXX";
        path = mkdtemp(name);
    }
    ~folder() { std::filesystem::remove_all(path); }
};

struct shared {
    std::vector<std::string> ids;
    std::vector<std::optional<gc::error>> errors;
};

/// What the ranks get when `of(rank)` brings them the id of rank 0.
template <class Of> shared share(int ranks, const Of& of, std::chrono::microseconds deadline = 20s, int sizes_of_others = 0)
{
    shared out;
    out.ids.resize(index(ranks));
    out.errors = on_ranks(ranks, [&](int rank) {
        ncclUniqueId id = id_number(rank + 7);
        auto bootstrap = of(rank);
        bootstrap.share(id, rank, rank == 0 || sizes_of_others == 0 ? ranks : sizes_of_others, deadline);
        out.ids[index(rank)] = text_of(id);
    });
    for (const auto& problem : out.errors)
        if (problem) CHECK(std::string(problem->what()).find("secret") == std::string::npos);
    return out;
}

void put(const std::string& path, const void* data, std::size_t bytes, bool for_all = false)
{
    std::ofstream(path, std::ios::binary).write(static_cast<const char*>(data), static_cast<std::streamsize>(bytes));
    std::filesystem::permissions(path, for_all ? std::filesystem::perms::all : std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

/// A port that was free a moment ago.
std::string free_port()
{
    const int probe = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    ::bind(probe, reinterpret_cast<sockaddr*>(&address), sizeof address);
    ::getsockname(probe, reinterpret_cast<sockaddr*>(&address), &length);
    ::close(probe);
    return std::to_string(ntohs(address.sin_port));
}

/// Connects to the port as soon as somebody listens, and says `text`. @return the socket.
int stranger(const std::string& port, const std::string& text)
{
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(port)));
    for (;;) {
        const int link = ::socket(AF_INET, SOCK_STREAM, 0);
        if (::connect(link, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
            if (!text.empty()) static_cast<void>(::send(link, text.data(), text.size(), MSG_NOSIGNAL));
            return link;
        }
        ::close(link);
        std::this_thread::sleep_for(1ms);
    }
}

/// What a rank of job 0 says first, as it travels.
std::string hello(std::uint32_t rank, std::uint32_t ranks, std::uint64_t job = 0)
{
    std::string out = "gcchello";
    const auto add = [&](const auto& value) { out.append(reinterpret_cast<const char*>(&value), sizeof value); };
    add(job);
    add(rank);
    add(ranks);
    return out;
}

void reset(int link)
{
    const linger at_once{1, 0};
    ::setsockopt(link, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    ::close(link);
}

} // namespace

TEST_CASE("a record is taken only whole, of this job and undamaged: each bit counts")
{
    const nccl_introduction record = gc::comm::introduce(id_number(1), 4, 9);
    CHECK(gc::comm::is_meant_for(record, 9));
    CHECK_FALSE(gc::comm::is_meant_for(record, 8));
    int taken = 0;
    for (std::size_t bit = 0; bit < 8 * sizeof record; ++bit) {
        nccl_introduction damaged = record;
        reinterpret_cast<unsigned char*>(&damaged)[bit / 8] ^= static_cast<unsigned char>(1u << bit % 8);
        taken += gc::comm::is_meant_for(damaged, damaged.job);
    }
    CHECK(taken == 0);
}

TEST_CASE("a file brings the id to all ranks, is the owner's alone, and goes when the group stands")
{
    const folder here;
    const file_bootstrap bootstrap{.path = here.path + "/id", .job = 5};
    const auto found = share(4, [&](int) { return bootstrap; });
    for (const auto& id : found.ids) CHECK(id == "secret 7");
    CHECK((std::filesystem::status(bootstrap.path).permissions() & std::filesystem::perms::mask) ==
          (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
    CHECK_FALSE(std::filesystem::exists(bootstrap.path + ".new"));
    bootstrap.joined(1);
    CHECK(std::filesystem::exists(bootstrap.path));
    bootstrap.joined(0);
    CHECK_FALSE(std::filesystem::exists(bootstrap.path));
}

TEST_CASE("what an earlier run left behind is passed over, and rank 0 replaces it")
{
    const folder here;
    const nccl_introduction stale = gc::comm::introduce(id_number(99), 3, 1);
    put(here.path + "/id", &stale, sizeof stale);
    put(here.path + "/id.new", &stale, 3);
    const auto found = share(3, [&](int rank) {
        if (rank == 0) std::this_thread::sleep_for(30ms); // the others meet the old file
        return file_bootstrap{.path = here.path + "/id", .job = 2};
    });
    for (const auto& id : found.ids) CHECK(id == "secret 7");
}

TEST_CASE("a file that is missing, damaged, a link or writable by others is never taken: peer_timeout says what was there")
{
    const folder here;
    const std::string path = here.path + "/id";
    const nccl_introduction record = gc::comm::introduce(id_number(1), 2, 0);
    const auto text = [&] {
        try {
            ncclUniqueId id{};
            file_bootstrap{.path = path}.share(id, 1, 2, 20ms);
        } catch (const gc::error& e) {
            CHECK(e.code() == error_code::peer_timeout);
            CHECK(e.value() == "0");
            return std::string(e.what());
        }
        return std::string("taken");
    };
    CHECK(text().find("no file there") != std::string::npos);
    for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, sizeof record - 1}) {
        put(path, &record, bytes);
        CHECK(text().find("damaged") != std::string::npos);
    }
    put(path, &record, sizeof record, true);
    CHECK(text().find("somebody else") != std::string::npos);
    std::filesystem::rename(path, path + ".target");
    put(path + ".target", &record, sizeof record);
    std::filesystem::create_symlink(path + ".target", path);
    CHECK(text() != "taken");
    std::filesystem::remove(path);
    put(path, &record, sizeof record);
    CHECK(text() == "taken"); // the control
}

TEST_CASE("a path that cannot be written is refused, and another number of ranks is named")
{
    ncclUniqueId id = id_number(0);
    for (const char* path : {"", "/nonexistent/folder/id"}) {
        try {
            file_bootstrap{.path = path}.share(id, 0, 2, 1s);
            FAIL("written");
        } catch (const gc::error& e) {
            CHECK(e.code() == error_code::invalid_option);
            CHECK(e.field() == "path");
        }
    }
    const folder here;
    const auto found = share(2, [&](int) { return file_bootstrap{.path = here.path + "/id"}; }, 20s, 5);
    REQUIRE(found.errors[1].has_value());
    CHECK(found.errors[1]->code() == error_code::configuration);
    CHECK(found.errors[1]->value() == "5 on rank 1, 2 on rank 0");
}

TEST_CASE("a TCP address brings the id to all ranks, whoever comes first, also of one rank")
{
    for (const int ranks : {1, 2, 8}) {
        const std::string port = free_port();
        const auto found = share(ranks, [&](int rank) {
            if (rank % 3 == 0) std::this_thread::sleep_for(20ms);
            return tcp_bootstrap{.port = port};
        });
        for (const auto& problem : found.errors) CHECK_FALSE(problem.has_value());
        for (const auto& id : found.ids) CHECK(id == "secret 7");
    }
}

TEST_CASE("strangers who say nothing, nonsense or half a greeting, or hang up at once neither stop nor hold up the group")
{
    const std::string port = free_port();
    std::vector<int> links;
    const auto found = share(3, [&](int rank) {
        for (int i = 0; rank == 1 && i < 5; ++i) { // before rank 1 comes itself
            links.push_back(stranger(port, ""));
            links.push_back(stranger(port, std::string(4000, 'x')));
            links.push_back(stranger(port, hello(1, 3).substr(0, 11)));
            reset(stranger(port, hello(2, 3, 77)));
            reset(stranger(port, ""));
        }
        return tcp_bootstrap{.port = port};
    });
    for (const auto& id : found.ids) CHECK(id == "secret 7");
    for (const int link : links) ::close(link);
}

TEST_CASE("somebody who greets as a rank and hangs up before the answer does not kill rank 0")
{
    // Whether the answer was still sent is the system's secret: then the true rank 1 counts as coming twice. Neither a signal nor a hang.
    for (int i = 0; i < 10; ++i) {
        const std::string port = free_port();
        const auto found = share(2, [&](int rank) {
            if (rank == 1) reset(stranger(port, hello(1, 2)));
            return tcp_bootstrap{.port = port};
        }, 300ms);
        if (found.errors[0]) CHECK(found.errors[0]->code() == error_code::configuration);
        if (found.errors[1]) CHECK(found.errors[1]->code() == error_code::peer_timeout);
        CHECK((found.errors[1] || found.ids[1] == "secret 7"));
    }
}

TEST_CASE("over TCP a missing rank is named, and so is rank 0 when nobody listens")
{
    const std::string port = free_port();
    const auto found = share(4, [&](int rank) {
        if (rank == 2) throw gc::error(error_code::non_finite, "test", "", "this rank never comes");
        return tcp_bootstrap{.port = port};
    }, 400ms);
    REQUIRE(found.errors[0].has_value());
    CHECK(found.errors[0]->code() == error_code::peer_timeout);
    CHECK(found.errors[0]->value() == "2");
    ncclUniqueId id{};
    try {
        tcp_bootstrap{.port = free_port()}.share(id, 1, 2, 30ms);
        FAIL("nobody listens");
    } catch (const gc::error& e) {
        CHECK(e.code() == error_code::peer_timeout);
        CHECK(e.value() == "0");
    }
}

TEST_CASE("over TCP ranks that do not fit together are named on both sides")
{
    {
        const std::string port = free_port();
        const auto found = share(2, [&](int) { return tcp_bootstrap{.port = port}; }, 20s, 3);
        for (const auto& problem : found.errors) {
            REQUIRE(problem.has_value());
            CHECK(problem->code() == error_code::configuration);
        }
        CHECK(found.errors[0]->value() == "2 on rank 0, 3 on rank 1");
    }
    for (const std::uint32_t rank : {0u, 3u, 1u}) {
        const std::string port = free_port();
        std::vector<int> links;
        std::thread impostor([&] {
            links.push_back(stranger(port, hello(rank, 3)));
            if (rank == 1) links.push_back(stranger(port, hello(rank, 3)));
        });
        ncclUniqueId id = id_number(0);
        try {
            tcp_bootstrap{.port = port}.share(id, 0, 3, 20s);
            FAIL("taken");
        } catch (const gc::error& e) {
            CHECK(e.code() == error_code::configuration);
            CHECK(e.value() == std::to_string(rank));
        }
        impostor.join();
        for (const int link : links) ::close(link);
    }
}

TEST_CASE("an address that does not exist is refused")
{
    ncclUniqueId id{};
    for (const tcp_bootstrap& bad : {tcp_bootstrap{.port = ""}, tcp_bootstrap{.host = "", .port = "1"}, tcp_bootstrap{.host = "192.0.2.1", .port = "9"}}) {
        try {
            bad.share(id, 0, 2, 1s);
            FAIL("listened");
        } catch (const gc::error& e) {
            CHECK(e.code() == error_code::invalid_option);
            CHECK(e.field() == "address");
        }
    }
}

TEST_CASE("a session starts over a file and over TCP, and its sums are right")
{
    stand_in::start_over();
    const folder here;
    const std::string port = free_port();
    std::vector<float> sums(6);
    const auto body = [&](auto bootstrap, int rank, float& sum) {
        const stand_in::owned_stream stream;
        nccl_session session(bootstrap, rank, 3, {.stream = stream});
        const stand_in::device_array<float> x(stream, std::vector<float>(5, static_cast<float>(rank + 1)));
        nccl(session).all_reduce<float>(x, x.view());
        sum = x.values()[4];
    };
    auto errors = on_ranks(3, [&](int rank) { body(file_bootstrap{.path = here.path + "/id"}, rank, sums[index(rank)]); });
    for (const auto& one : errors) CHECK_FALSE(one.has_value());
    CHECK_FALSE(std::filesystem::exists(here.path + "/id"));
    errors = on_ranks(3, [&](int rank) { body(tcp_bootstrap{.port = port}, rank, sums[index(rank) + 3]); });
    for (const auto& one : errors) CHECK_FALSE(one.has_value());
    CHECK(sums == std::vector<float>(6, 6.0f));
    stand_in::start_over();
}
