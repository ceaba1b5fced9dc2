/// @file One rank's membership in a group of NCCL: how it starts, how it waits, and how it ends when something is wrong.
#pragma once

#include <gradcomp/comm/device_stream.hpp>
#include <gradcomp/comm/nccl_agreement.hpp>
#include <gradcomp/comm/nccl_bootstrap.hpp>
#include <gradcomp/comm/nccl_calls.hpp>
#include <gradcomp/comm/nccl_registration.hpp>

#include <unistd.h>

#include <atomic>
#include <optional>
#include <vector>

namespace gradcomp::comm {

struct nccl_options {
    cudaStream_t stream = nullptr; ///< where everything is enqueued; it must outlive the session. Null: the legacy default stream
    std::chrono::microseconds deadline = std::chrono::seconds(30);      ///< longest wait for the other ranks, in any one call
    std::chrono::microseconds abort_patience = std::chrono::seconds(5); ///< longest wait for NCCL to abort or to free itself
    std::uint32_t checked_calls = 32; ///< the first calls, in which ranks compare what they want before data moves; the same on all ranks
    bool registers_buffers = false;   ///< NCCL learns of the messages' buffers, and of others by registered(); the same on all ranks
    bool keep_for_shrink = false;     ///< after a failure do not abort at once, so that without() can go on with the survivors
};

/// How far a session is from its end.
enum class nccl_state { open, closed, aborted, abort_failed, abort_hangs };

/// This rank's part of a group of NCCL, on the device that was current when it was made. One thread at a time may use it.
///
/// Calls on it enqueue and return; wait() waits. Nothing waits past the deadline, init and ends included. The first failure
/// poisons the session: NCCL is aborted on a thread of its own, for the abort may hang as well, and later calls throw `poisoned`. When it did
/// hang (state() == abort_hangs), buffers of unfinished calls may still be written and must not be freed; save and leave by std::_Exit.
/// Destroying an open session finalizes it, which is collective; during an exception it aborts instead, so that peers learn of it.
class nccl_session {
public:
    /// Joins the group whose id `bootstrap` carries from rank 0 to all. Collective.
    /// @throws error device without a device or driver; configuration when NCCL is too old or the ranks want different things;
    /// invalid_option, peer_timeout, peer_lost, and what the bootstrap throws.
    template <carries_nccl_id Bootstrap>
    nccl_session(Bootstrap bootstrap, int rank, int size, const nccl_options& options = {}) : nccl_session(unconnected{}, rank, size, options)
    {
        ncclUniqueId id{};
        if (rank == 0) check(ncclGetUniqueId(&id), "ncclGetUniqueId");
        bootstrap.share(id, rank, size, options_.deadline);
        connect(id);
        bootstrap.joined(rank);
    }
    /// The same with an id that the caller brought to all ranks, made by ncclGetUniqueId on one of them.
    nccl_session(const ncclUniqueId& id, int rank, int size, const nccl_options& options = {}) : nccl_session(unconnected{}, rank, size, options) { connect(id); }

    nccl_session(const nccl_session&) = delete;
    nccl_session& operator=(const nccl_session&) = delete;
    ~nccl_session()
    {
        try {
            if (std::uncaught_exceptions() > exceptions_) abort();
            else close();
        } catch (...) { // it has been aborted, or hangs; nobody is left to tell
        }
    }

    int rank() const noexcept { return rank_; }
    int size() const noexcept { return size_; }
    nccl_state state() const noexcept { return state_; }
    bool poisoned() const noexcept { return failure_.has_value(); }
    cudaStream_t stream() const noexcept { return stream_.get(); }
    std::uint64_t calls() const noexcept { return calls_; } ///< collective calls so far

    /// Returns once all that was enqueued on the stream is done. @throws error peer_timeout when that takes longer than the deadline,
    /// peer_lost, device.
    void wait() { wait(options_.deadline); }
    void wait(std::chrono::microseconds within)
    {
        const turn mine = take_turn();
        wait_for_stream(within);
    }

    /// Registers memory with NCCL, which then skips a copy where it can, until what is returned is destroyed or the session ends. Nothing happens without
    /// nccl_options::registers_buffers. If one rank registers a buffer, all must. @throws error configuration, device, as NCCL says.
    nccl_registration registered(device_view<std::byte> buffer)
    {
        const turn mine = take_turn();
        if (!options_.registers_buffers || buffer.empty()) return {};
        void* handle = nullptr;
        check(ncclCommRegister(comm_, buffer.data(), buffer.size(), &handle), "ncclCommRegister");
        registry_->add(comm_, handle);
        return {registry_, handle};
    }

    /// Leaves the group in order: all that was enqueued is completed. Collective; a second call does nothing. @throws error as wait().
    void close()
    {
        if (state_ != nccl_state::open) return;
        if (failure_ || comm_ == nullptr) return abort();
        const turn mine = take_turn();
        registry_->end_all();
        settle(ncclCommFinalize(comm_), "finalize");
        release(ncclCommDestroy, nccl_state::closed);
        if (state_ != nccl_state::closed) give_up(error_code::device, "NCCL destroy", "", "did not end");
    }

    /// Leaves at once, whatever is under way; waits at most abort_patience. state() tells how it went.
    void abort() noexcept
    {
        if (state_ == nccl_state::open) release(ncclCommAbort, nccl_state::aborted);
    }

#if NCCL_VERSION_CODE >= NCCL_VERSION(2, 27, 0)
    /// The group without the `lost` ranks, the others renumbered in order; this session ends. Collective among the survivors, who must all name
    /// the same ranks. After a failure it needs nccl_options::keep_for_shrink. @throws error invalid_argument, poisoned, device, peer_timeout.
    nccl_session without(std::vector<int> lost);
#endif

private:
    friend class nccl;
    using clock = std::chrono::steady_clock;
    static constexpr std::size_t record_bytes = sizeof(nccl_call);

    struct unconnected {};
    nccl_session(unconnected, int rank, int size, const nccl_options& options)
        : rank_(checked(rank, size, options)), size_(size), options_(options), stream_(options.stream, rank), scratch_((records() + 1) * record_bytes, rank)
    {
        if (stream_.capturing()) refuse_capture("the start of a session");
        check_cuda(cudaMemsetAsync(scratch_.data(), 0, (records() + 1) * record_bytes, stream_.get()), "cudaMemsetAsync", rank_);
    }

    /// Takes over a group that NCCL has made already.
    struct adopted {
        ncclComm_t& comm;
        int rank, size;
    };
    nccl_session(adopted from, const nccl_options& options) : nccl_session(unconnected{}, from.rank, from.size, options)
    {
        comm_ = std::exchange(from.comm, nullptr);
        compare_terms();
    }

    static int checked(int rank, int size, const nccl_options& options)
    {
        check_nccl_version(rank);
        const auto reject = [&](const char* field, std::string value, const char* sentence) {
            throw error(error_code::invalid_option, field, std::move(value), sentence, {.rank = rank});
        };
        if (size < 1) reject("ranks", std::to_string(size), "must be at least 1");
        if (rank < 0 || rank >= size) reject("rank", std::to_string(rank), "must be at least 0 and below the number of ranks");
        const auto usable = [](std::chrono::microseconds t) { return t.count() > 0 && t <= std::chrono::hours(24 * 365); };
        if (!usable(options.deadline)) reject("deadline", std::to_string(options.deadline.count()) + " us", "must be above 0 and at most a year");
        if (!usable(options.abort_patience)) reject("abort_patience", std::to_string(options.abort_patience.count()) + " us", "must be above 0 and at most a year");
        return rank;
    }

    /// Marks the session as in use by this thread.
    struct turn {
        std::atomic_flag* busy;
        explicit turn(std::atomic_flag& flag) : busy(&flag) {}
        turn(const turn&) = delete;
        turn& operator=(const turn&) = delete;
        ~turn() { busy->clear(std::memory_order_release); }
    };
    turn take_turn()
    {
        if (getpid() != process_)
            throw error(error_code::invalid_argument, "communicator", "process " + std::to_string(getpid()), "NCCL does not survive a fork", {.rank = rank_});
        if (busy_.test_and_set(std::memory_order_acquire))
            throw error(error_code::invalid_argument, "communicator", "rank " + std::to_string(rank_), "is in use by another thread", {.rank = rank_});
        if (state_ == nccl_state::open && !failure_) return turn(busy_);
        busy_.clear(std::memory_order_release);
        if (failure_) throw failure_->later_for(rank_);
        throw error(error_code::poisoned, "group", "closed", "no call is possible after the end of a session", {.rank = rank_});
    }

    void connect(const ncclUniqueId& id);
    void compare_terms();
    void compare_call(const call_request& wanted);
    template <class Record> std::vector<Record> gather_records(const Record& mine, const char* doing);
    template <class Issue> void issue(const char* doing, const Issue& calls);
    void require_device_memory(const call_request& wanted) const;

    /// The way of every collective call: compare, then enqueue as one group.
    template <class Issue> void enqueue(const call_request& wanted, const Issue& calls)
    {
        const turn mine = take_turn();
        const bool compare = calls_ < options_.checked_calls && !stream_.capturing();
        if (compare) compare_call(wanted);
        ++calls_;
        issue(name_of(wanted.what).data(), calls);
    }

    void settle(ncclResult_t result, const char* doing);
    void wait_for_stream(std::chrono::microseconds within);
    void check(ncclResult_t result, const char* doing)
    {
        if (result != ncclSuccess && result != ncclInProgress) fail(result, doing);
    }
    [[noreturn]] void fail(ncclResult_t result, const char* doing);
    [[noreturn]] void time_out(std::chrono::microseconds waited, const char* doing);
    [[noreturn]] void give_up(error_code code, std::string field, std::string value, std::string sentence);
    [[noreturn]] void refuse_capture(const char* doing) const
    {
        throw error(error_code::invalid_argument, "stream", "capturing", std::string(doing) + " cannot be part of a CUDA graph", {.rank = rank_});
    }
    void release(ncclResult_t (*how)(ncclComm_t), nccl_state after) noexcept;
    bool becomes_idle() const noexcept;

    std::size_t records() const { return static_cast<std::size_t>(size_); }
    std::string others() const { return size_ == 2 ? std::to_string(1 - rank_) : "one that NCCL does not name"; }
    std::string call_text(const char* doing) const { return std::string(doing) + " (call " + std::to_string(calls_) + ")"; }

    int rank_, size_;
    nccl_options options_;
    device_stream stream_;
    device_block scratch_; ///< one record per rank, and one of zeros for the barrier
    ncclComm_t comm_ = nullptr;
    nccl_state state_ = nccl_state::open;
    std::optional<group_failure> failure_;
    std::shared_ptr<nccl_registry> registry_ = std::make_shared<nccl_registry>();
    std::uint64_t calls_ = 0;
    const char* last_ = "init"; ///< the operation enqueued last
    std::atomic<std::uint64_t> bytes_sent_ = 0;
    std::atomic_flag busy_;
    const pid_t process_ = getpid();
    const int exceptions_ = std::uncaught_exceptions();
};

} // namespace gradcomp::comm

#include <gradcomp/comm/nccl_session_calls.hpp>
