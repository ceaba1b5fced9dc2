/// @file NCCL's unique id over a file that all ranks can reach.
#pragma once

#include <gradcomp/comm/nccl_bootstrap.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace gradcomp::comm {

/// Rank 0 writes the file and removes it once the group stands; the others wait for it.
///
/// The file appears whole or not at all (written aside, then renamed), is readable by its owner alone, and is passed over when it belongs to
/// somebody else, is a link, is damaged, or is of another job: so what a killed run left behind is harmless when each run has its own number.
struct file_bootstrap {
    std::string path;
    std::uint64_t job = 0; ///< the same on all ranks, another one in each run

    /// @throws error invalid_option for a path that cannot be written, peer_timeout when rank 0 wrote nothing in time.
    void share(ncclUniqueId& id, int rank, int size, std::chrono::microseconds deadline) const
    {
        if (path.empty()) throw error(error_code::invalid_option, "path", "", "must name a file", {.rank = rank});
        if (rank == 0) return write(introduce(id, size, job));
        const auto end = std::chrono::steady_clock::now() + deadline;
        nccl_introduction record;
        std::string met = "no file";
        while (!read(record, met)) {
            if (std::chrono::steady_clock::now() >= end)
                throw error(error_code::peer_timeout, "rank", "0", "wrote no id to " + path + " within " + std::to_string(deadline.count()) + " us; " + met + " there",
                    {.rank = rank});
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        }
        require_same_size(record, rank, size);
        id = record.id;
    }

    void joined(int rank) const
    {
        if (rank == 0) ::unlink(path.c_str());
    }

private:
    /// A descriptor that closes itself, and that child processes do not inherit.
    struct descriptor {
        int at;
        explicit descriptor(int opened) : at(opened) {}
        descriptor(const descriptor&) = delete;
        descriptor& operator=(const descriptor&) = delete;
        ~descriptor()
        {
            if (at >= 0) ::close(at);
        }
    };

    void write(const nccl_introduction& record) const
    {
        const std::string aside = path + ".new";
        ::unlink(aside.c_str());
        bool written = false;
        {
            const descriptor file(::open(aside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR));
            written = file.at >= 0 && ::write(file.at, &record, sizeof record) == static_cast<ssize_t>(sizeof record) && ::fsync(file.at) == 0;
        }
        if (written && std::rename(aside.c_str(), path.c_str()) == 0) return;
        const std::string why = std::strerror(errno);
        ::unlink(aside.c_str());
        throw error(error_code::invalid_option, "path", path, "cannot be written: " + why, {.rank = 0});
    }

    /// Whether a record of this job was there; else `met` says what was.
    bool read(nccl_introduction& record, std::string& met) const
    {
        const descriptor file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
        struct stat info {};
        if (file.at < 0 || ::fstat(file.at, &info) != 0) {
            met = errno == ENOENT ? "no file" : std::strerror(errno);
            return false;
        }
        met = "a file of somebody else";
        if (!S_ISREG(info.st_mode) || info.st_uid != ::geteuid() || (info.st_mode & (S_IWGRP | S_IWOTH)) != 0) return false;
        met = "a file of another job, or a damaged one,";
        return info.st_size == static_cast<off_t>(sizeof record) && ::read(file.at, &record, sizeof record) == static_cast<ssize_t>(sizeof record) &&
               is_meant_for(record, job);
    }
};

static_assert(carries_nccl_id<file_bootstrap>);

} // namespace gradcomp::comm
