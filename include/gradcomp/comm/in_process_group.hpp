/// @file What the ranks of comm::in_process share: the meetings at which they wait for each other, and how a failure reaches all.
#pragma once

#include <gradcomp/comm/agreement.hpp>
#include <gradcomp/comm/failure.hpp>
#include <gradcomp/comm/in_process_options.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace gradcomp::comm {

/// The state shared by `size` ranks, each a thread. It must outlive every call.
///
/// It takes its memory here, and one message's worth in the first all_reduce of each new largest size; other calls allocate nothing.
/// A call is two meetings, of which a barrier needs only one. A meeting ends for all ranks in one instant, under one mutex, and
/// nothing fails after the last: so a call either returns on every rank or throws on every rank. Between the two, ranks read each
/// other's buffers; a rank that throws first waits until no rank does, so that nobody reads what its unwinding frees.
class in_process_group {
public:
    /// @throws error invalid_option for fewer than one rank, a deadline outside (0, one year], or an impossible fault plan.
    explicit in_process_group(int size, in_process_options options = {}) : size_(size), options_(std::move(options))
    {
        if (size < 1) throw error(error_code::invalid_option, "ranks", std::to_string(size), "must be at least 1");
        check(options_, size);
        seats_ = std::vector<seat>(static_cast<std::size_t>(size));
        arrivals_.resize(static_cast<std::size_t>(size));
        if (options_.faults.reorder) shuffle_arrivals(options_.faults, meeting_, arrivals_);
    }
    in_process_group(const in_process_group&) = delete;
    in_process_group& operator=(const in_process_group&) = delete;

    int size() const noexcept { return size_; }

    /// `rank` cannot go on, because of `cause`: waiting and later calls of the others throw peer_failed. Only the first failure counts.
    void fail(int rank, std::exception_ptr cause)
    {
        const std::string text = text_of(cause);
        const std::lock_guard lock(mutex_);
        at(rank).told = true;
        if (failure_) return;
        root_cause_ = std::move(cause);
        poison(error_code::peer_failed, "rank", std::to_string(rank), "failed: " + text);
    }

    /// `rank` makes no more calls. Whoever waits for it, now or later, gets peer_lost.
    void leave(int rank)
    {
        const std::lock_guard lock(mutex_);
        ++ended_;
        depart(rank, present_ > 0);
        changed_.notify_all();
    }

    /// Lets a silent rank end; run_ranks does so itself.
    void close()
    {
        const std::lock_guard lock(mutex_);
        closed_ = true;
        changed_.notify_all();
    }

    /// The first exception given to fail(), or null.
    std::exception_ptr root_cause() const
    {
        const std::lock_guard lock(mutex_);
        return root_cause_;
    }

    /// Whether a call has failed; all later calls then throw.
    bool poisoned() const
    {
        const std::lock_guard lock(mutex_);
        return failure_.has_value();
    }

private:
    friend class in_process;
    template <class> friend class in_process_device;
    using clock = std::chrono::steady_clock;

    /// One rank's part of the state, on cache lines of its own.
    struct alignas(128) seat {
        call_request wanted = {};
        clock::time_point deadline = {};
        std::uint64_t joined = 0; ///< the last meeting that it came to, counted from 1
        std::int64_t calls = 0;
        bool inside = false;   ///< a call is under way
        bool told = false;     ///< it has had the cause of the failure; from now on it gets `poisoned`
        bool departed = false; ///< it makes no more calls
        bool dead = false;     ///< killed by the fault plan
        std::atomic<std::uint64_t> bytes_sent = 0;
    };

    seat& at(int rank) { return seats_[static_cast<std::size_t>(rank)]; }
    const seat& at(int rank) const { return seats_[static_cast<std::size_t>(rank)]; }

    /// Opens a call: the first meeting, after which all ranks know each other's pointers and sizes. `only`: the call is over with it.
    void begin(int rank, const call_request& wanted, bool only = false)
    {
        suffer(rank, false);
        std::unique_lock lock(mutex_);
        seat& mine = at(rank);
        if (mine.inside)
            throw error(error_code::invalid_argument, "communicator", "rank " + std::to_string(rank), "is in use by another thread", {.rank = rank});
        mine.inside = true;
        mine.wanted = wanted;
        mine.deadline = clock::now() + options_.deadline;
        ++mine.calls;
        meet(lock, rank, only);
    }

    /// Ends a call: the second meeting, after which nobody reads the other ranks' buffers.
    void finish(int rank)
    {
        suffer(rank, true);
        std::unique_lock lock(mutex_);
        finish_reading();
        meet(lock, rank, true);
    }

    /// Waits until all ranks have come. @throws error what stopped the meeting.
    void meet(std::unique_lock<std::mutex>& lock, int rank, bool last)
    {
        seat& mine = at(rank);
        const std::uint64_t meeting = meeting_;
        mine.joined = meeting + 1;
        ++present_;
        if (departed_ > 0) lose_departed();
        if (options_.faults.reorder) wait(lock, rank, [&] { return arrivals_[static_cast<std::size_t>(arrived_)] == rank; });
        if (!failure_ && ++arrived_ == size_) {
            release(last);
        } else {
            if (options_.faults.reorder) changed_.notify_all(); // it is the next rank's turn
            wait(lock, rank, [&] { return meeting_ != meeting; });
        }
        if (meeting_ == meeting) stop(lock, rank);
        if (last) mine.inside = false;
    }

    /// Ends the meeting for everybody, or poisons the group when the ranks want different things.
    void release(bool last)
    {
        if (!inside_call_) agree();
        if (!inside_call_ && !failure_) provide(at(0).wanted.shared_bytes);
        if (failure_) return;
        ++meeting_;
        present_ = arrived_ = 0;
        active_ = last ? 0 : size_;
        inside_call_ = !last;
        if (options_.faults.reorder) shuffle_arrivals(options_.faults, meeting_, arrivals_);
        changed_.notify_all();
    }

    /// Blocks until ready() or until the group is poisoned; past the rank's deadline it poisons the group itself.
    template <class Ready> void wait(std::unique_lock<std::mutex>& lock, int rank, const Ready& ready)
    {
        const seat& mine = at(rank);
        while (!ready() && !failure_) {
            if (changed_.wait_until(lock, mine.deadline) != std::cv_status::timeout || ready() || failure_) continue;
            const auto absent = [&](const seat& other) { return other.joined != mine.joined; };
            poison(error_code::peer_timeout, "rank", ranks_where(absent),
                "did not join " + std::string(name_of(mine.wanted.what)) + " within " + std::to_string(options_.deadline.count()) + " us");
        }
    }

    /// Throws what stopped the group: its cause once per rank, `poisoned` from then on.
    [[noreturn]] void stop(std::unique_lock<std::mutex>& lock, int rank)
    {
        wait_for_readers(lock);
        seat& mine = at(rank);
        mine.inside = false;
        if (std::exchange(mine.told, true)) throw failure_->later_for(rank);
        throw failure_->first_for(rank);
    }

    /// Not bounded by the deadline: a reader never blocks, and leaving earlier would free what it reads.
    void wait_for_readers(std::unique_lock<std::mutex>& lock)
    {
        changed_.wait(lock, [&] { return active_ == 0; });
    }

    void finish_reading()
    {
        if (--active_ == 0 && failure_) changed_.notify_all();
    }

    void poison(error_code code, std::string field, std::string value, std::string sentence)
    {
        failure_ = group_failure{code, std::move(field), std::move(value), std::move(sentence)};
        changed_.notify_all();
    }

    void depart(int rank, bool awaited)
    {
        seat& mine = at(rank);
        if (mine.departed) return;
        mine.departed = true;
        ++departed_;
        if (awaited) lose_departed();
    }

    void lose_departed()
    {
        if (failure_) return;
        poison(error_code::peer_lost, "rank", ranks_where([](const seat& other) { return other.departed; }), "is gone while others wait for it");
    }

    /// Poisons the group unless all ranks opened the same call.
    void agree()
    {
        auto found = find_disagreement(size_, [this](int rank) -> const call_request& { return at(rank).wanted; });
        if (found) poison(error_code::configuration, std::move(found->field), std::move(found->value), "must be the same on every rank");
    }

    /// Grows the shared memory. Safe here: whoever read it in an earlier call has come to this meeting since.
    void provide(std::size_t bytes)
    {
        if (bytes <= shared_bytes_) return;
        if (!options_.memory) own_.reset(new (std::nothrow) std::byte[bytes]);
        shared_ = options_.memory ? options_.memory(bytes) : own_.get();
        shared_bytes_ = shared_ != nullptr ? bytes : 0;
        if (shared_ == nullptr) poison(error_code::out_of_memory, "shared memory of the group", std::to_string(bytes) + " bytes", "could not be allocated");
    }

    template <class Which> std::string ranks_where(const Which& which) const
    {
        std::string out;
        for (int rank = 0; rank < size_; ++rank)
            if (which(at(rank))) out += (out.empty() ? "" : ", ") + std::to_string(rank);
        return out;
    }

    /// The fault plan's moment before a meeting. @throws rank_killed
    void suffer(int rank, bool inside)
    {
        if (!options_.faults.strikes_or_delays()) return;
        const seat& mine = at(rank);
        const std::int64_t call = inside ? mine.calls - 1 : mine.calls;
        if (const auto pause = delay_of(options_.faults, rank, call, inside); pause.count() > 0) std::this_thread::sleep_for(pause);
        if (mine.dead || options_.faults.kills(rank, call, inside)) perish(rank, inside);
    }

    [[noreturn]] void perish(int rank, bool inside)
    {
        if (at(rank).dead) throw rank_killed{rank};
        std::unique_lock lock(mutex_);
        at(rank).dead = true;
        at(rank).inside = false;
        if (inside) finish_reading();
        if (options_.faults.silent) {
            ++silent_;
            changed_.notify_all();
            changed_.wait(lock, [&] { return closed_ || ended_ + silent_ >= size_; });
        } else {
            depart(rank, inside || present_ > 0);
        }
        wait_for_readers(lock);
        throw rank_killed{rank};
    }

    const int size_;
    const in_process_options options_;
    std::vector<seat> seats_;
    std::byte* shared_ = nullptr; ///< sums on their way from the rank that made them to all others
    std::unique_ptr<std::byte[]> own_;
    std::size_t shared_bytes_ = 0;
    std::vector<int> arrivals_; ///< with faults.reorder: the rank that comes i-th to the current meeting
    mutable std::mutex mutex_;  ///< guards all below, and the seats; in a call, `wanted` and shared_ are read without it
    std::condition_variable changed_;
    std::uint64_t meeting_ = 0;  ///< meetings that have ended
    int present_ = 0;            ///< ranks that have come to the current meeting
    int arrived_ = 0;            ///< of those, the ones that count as arrived (all, unless faults.reorder makes them queue)
    int active_ = 0;             ///< ranks between the two meetings of a call, reading each other's buffers
    bool inside_call_ = false;   ///< the current meeting is the second of its call
    int departed_ = 0, ended_ = 0, silent_ = 0;
    bool closed_ = false;
    std::optional<group_failure> failure_;
    std::exception_ptr root_cause_;
};

} // namespace gradcomp::comm
