/// @file NCCL's unique id over a TCP address that the user gives.
#pragma once

#include <gradcomp/comm/nccl_bootstrap.hpp>

#include <cerrno>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace gradcomp::comm {

/// Rank 0 listens on `host`:`port`, and on that address alone; each other rank connects, says who it is, and gets the id.
///
/// For a trusted network: nothing is encrypted, and the job's number is no secret. A stranger who connects is dropped when it says anything
/// else than a rank of this job would, or nothing within `patience`; it can neither crash nor hold up rank 0.
struct tcp_bootstrap {
    std::string host = "127.0.0.1", port; ///< numbers or names; of rank 0
    std::uint64_t job = 0;                ///< the same on all ranks, another one in each run
    std::chrono::milliseconds patience{2000};
    static constexpr std::size_t most_waiting = 64; ///< connections that have not said who they are

    /// @throws error invalid_option for an address that cannot be used, configuration when the ranks' numbers do not fit together,
    /// peer_timeout naming the ranks that did not come, or rank 0.
    void share(ncclUniqueId& id, int rank, int size, std::chrono::microseconds deadline) const
    {
        const auto end = clock::now() + deadline;
        if (rank == 0) {
            if (size > 1) serve(introduce(id, size, job), size, end, deadline);
            return;
        }
        nccl_introduction record;
        while (!ask(record, rank, size, end)) {
            if (clock::now() >= end)
                throw error(error_code::peer_timeout, "rank", "0", "gave no id at " + host + ":" + port + " within " + std::to_string(deadline.count()) + " us", {.rank = rank});
            std::this_thread::sleep_for(std::chrono::milliseconds(5)); // rank 0 may not be listening yet
        }
        require_same_size(record, rank, size);
        id = record.id;
    }
    void joined(int) const {}

private:
    using clock = std::chrono::steady_clock;

    /// What a rank says first.
    struct hello {
        static constexpr std::uint64_t expected_magic = 0x6f6c'6c65'6863'6367; ///< "gcchello"
        std::uint64_t magic = expected_magic, job = 0;
        std::uint32_t rank = 0, ranks = 0;
    };
    static_assert(sizeof(hello) == 24);

    struct socket_handle {
        int at = -1;
        explicit socket_handle(int opened) : at(opened) {}
        socket_handle(socket_handle&& other) noexcept : at(std::exchange(other.at, -1)) {}
        socket_handle& operator=(socket_handle&& other) noexcept
        {
            std::swap(at, other.at);
            return *this;
        }
        ~socket_handle()
        {
            if (at >= 0) ::close(at);
        }
    };
    struct visitor {
        socket_handle link;
        clock::time_point until;
        hello said{};
        std::size_t got = 0;
    };

    std::unique_ptr<addrinfo, void (*)(addrinfo*)> resolve(int rank, bool to_listen) const
    {
        addrinfo wanted{}, *found = nullptr;
        wanted.ai_family = AF_UNSPEC;
        wanted.ai_socktype = SOCK_STREAM;
        wanted.ai_flags = to_listen ? AI_PASSIVE : 0;
        const int status = host.empty() || port.empty() ? EAI_NONAME : ::getaddrinfo(host.c_str(), port.c_str(), &wanted, &found);
        if (status != 0) throw error(error_code::invalid_option, "address", host + ":" + port, ::gai_strerror(status), {.rank = rank});
        return {found, ::freeaddrinfo};
    }

    static int left(clock::time_point end)
    {
        const auto time = std::chrono::duration_cast<std::chrono::milliseconds>(end - clock::now()).count() + 1;
        return time < 0 ? 0 : time > 1000 ? 1000 : static_cast<int>(time);
    }
    static bool again() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

    /// Sends or receives all bytes of `data` before `end`. No signal when the other side is gone.
    template <bool Sends> static bool transfer(int link, void* data, std::size_t bytes, clock::time_point end)
    {
        auto* at = static_cast<char*>(data);
        while (bytes > 0) {
            const ssize_t done = Sends ? ::send(link, at, bytes, MSG_NOSIGNAL) : ::recv(link, at, bytes, 0);
            if (done > 0) {
                at += done;
                bytes -= static_cast<std::size_t>(done);
                continue;
            }
            if (done == 0 || !again() || clock::now() >= end) return false;
            pollfd waiting{link, static_cast<short>(Sends ? POLLOUT : POLLIN), 0};
            ::poll(&waiting, 1, left(end));
        }
        return true;
    }

    /// One try to get the record. @throws error configuration when rank 0 refuses this rank's number.
    bool ask(nccl_introduction& record, int rank, int size, clock::time_point end) const
    {
        const auto found = resolve(rank, false);
        for (const addrinfo* a = found.get(); a != nullptr; a = a->ai_next) {
            const socket_handle link(::socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol));
            if (link.at < 0) continue;
            if (::connect(link.at, a->ai_addr, a->ai_addrlen) != 0) {
                int problem = errno;
                if (problem != EINPROGRESS) continue;
                pollfd waiting{link.at, POLLOUT, 0};
                socklen_t length = sizeof problem;
                if (::poll(&waiting, 1, left(end)) != 1 || ::getsockopt(link.at, SOL_SOCKET, SO_ERROR, &problem, &length) != 0 || problem != 0) continue;
            }
            hello mine{.job = job, .rank = static_cast<std::uint32_t>(rank), .ranks = static_cast<std::uint32_t>(size)};
            if (transfer<true>(link.at, &mine, sizeof mine, end) && transfer<false>(link.at, &record, sizeof record, end) && is_meant_for(record, job)) return true;
        }
        return false;
    }

    socket_handle listen_there() const
    {
        const auto found = resolve(0, true);
        for (const addrinfo* a = found.get(); a != nullptr; a = a->ai_next) {
            socket_handle door(::socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol));
            const int on = 1; // a run may follow another one at once
            if (door.at < 0 || ::setsockopt(door.at, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) continue;
            if (::bind(door.at, a->ai_addr, a->ai_addrlen) == 0 && ::listen(door.at, 128) == 0) return door;
        }
        throw error(error_code::invalid_option, "address", host + ":" + port, "cannot be listened on: " + std::string(std::strerror(errno)), {.rank = 0});
    }

    /// Gives the record to every rank once, to whoever comes first.
    void serve(nccl_introduction record, int size, clock::time_point end, std::chrono::microseconds deadline) const
    {
        const socket_handle door = listen_there();
        std::vector<bool> served(static_cast<std::size_t>(size));
        served[0] = true;
        int missing = size - 1;
        std::vector<visitor> visitors;
        std::vector<pollfd> waiting;
        while (missing > 0) {
            if (clock::now() >= end) throw_missing(served, deadline);
            waiting.assign(1, {door.at, POLLIN, 0});
            for (const visitor& v : visitors) waiting.push_back({v.link.at, POLLIN, 0});
            ::poll(waiting.data(), waiting.size(), std::min(left(end), 50));
            for (visitor& v : visitors) missing -= hear(v, record, served, size);
            std::erase_if(visitors, [](const visitor& v) { return v.link.at < 0 || clock::now() >= v.until; });
            while (visitors.size() < most_waiting) {
                socket_handle link(::accept4(door.at, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
                if (link.at < 0) break;
                visitors.push_back({std::move(link), clock::now() + patience});
            }
        }
    }

    /// Takes what the visitor has said so far, and answers a whole hello. @return 1 when a rank got its record, else 0.
    int hear(visitor& from, nccl_introduction& record, std::vector<bool>& served, int size) const
    {
        const ssize_t got = ::recv(from.link.at, reinterpret_cast<char*>(&from.said) + from.got, sizeof from.said - from.got, 0);
        if (got < 0 && again()) return 0;
        from.got += got > 0 ? static_cast<std::size_t>(got) : 0;
        if (got > 0 && from.got < sizeof from.said) return 0;
        const socket_handle link = std::move(from.link); // it is done with, whatever it said
        const hello& said = from.said;
        if (got <= 0 || said.magic != hello::expected_magic || said.job != job) return 0;
        const bool sent = transfer<true>(link.at, &record, sizeof record, std::min(clock::now() + patience, from.until));
        if (said.ranks != record.ranks)
            throw error(error_code::configuration, "ranks", std::to_string(size) + " on rank 0, " + std::to_string(said.ranks) + " on rank " + std::to_string(said.rank),
                "must be the same on every rank", {.rank = 0});
        if (said.rank == 0 || said.rank >= record.ranks || (sent && served[said.rank]))
            throw error(error_code::configuration, "rank", std::to_string(said.rank), "came twice, or is no rank of this group", {.rank = 0});
        served[said.rank] = served[said.rank] || sent;
        return sent ? 1 : 0;
    }

    [[noreturn]] static void throw_missing(const std::vector<bool>& served, std::chrono::microseconds deadline)
    {
        std::string missing;
        for (std::size_t rank = 0; rank < served.size(); ++rank)
            if (!served[rank]) missing += (missing.empty() ? "" : ", ") + std::to_string(rank);
        throw error(error_code::peer_timeout, "rank", missing, "did not ask for the id within " + std::to_string(deadline.count()) + " us", {.rank = 0});
    }
};

static_assert(carries_nccl_id<tcp_bootstrap>);

} // namespace gradcomp::comm
