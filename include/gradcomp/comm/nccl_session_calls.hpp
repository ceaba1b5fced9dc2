/// @file The inside of comm::nccl_session: groups of calls, waiting, failing and ending.
#pragma once

#include <gradcomp/comm/nccl_session.hpp>

namespace gradcomp::comm {

inline void nccl_session::connect(const ncclUniqueId& id)
{
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    settle(ncclCommInitRankConfig(&comm_, size_, id, rank_, &config), "init");
    compare_terms();
}

inline void nccl_session::compare_terms()
{
    const nccl_terms mine{.size = static_cast<std::uint32_t>(size_), .checked_calls = options_.checked_calls, .registers_buffers = options_.registers_buffers};
    const std::vector<nccl_terms> all = gather_records(mine, "init");
    if (auto found = find_disagreement(std::span<const nccl_terms>(all)))
        give_up(error_code::configuration, std::move(found->field), std::move(found->value), "must be the same on every rank");
}

inline void nccl_session::compare_call(const call_request& wanted)
{
    require_device_memory(wanted);
    const std::vector<nccl_call> all = gather_records(to_wire(wanted, calls_), name_of(wanted.what).data());
    if (auto found = find_disagreement(std::span<const nccl_call>(all)))
        give_up(error_code::configuration, std::move(found->field), std::move(found->value), "must be the same on every rank");
}

/// Every rank's record, in rank order. Waits.
template <class Record> std::vector<Record> nccl_session::gather_records(const Record& mine, const char* doing)
{
    static_assert(sizeof(Record) == record_bytes);
    std::vector<Record> all(records());
    std::byte* const own = scratch_.data() + static_cast<std::size_t>(rank_) * record_bytes;
    const auto wait = [&] { wait_for_stream(options_.deadline); };
    stream_.write({own, record_bytes}, std::as_bytes(std::span(&mine, 1)), wait);
    issue(doing, [&] { return ncclAllGather(own, scratch_.data(), record_bytes, ncclUint8, comm_, stream_.get()); });
    stream_.read(std::as_writable_bytes(std::span(all)), {scratch_.data(), all.size() * record_bytes}, record_bytes, 1, wait);
    return all;
}

/// A pointer that the runtime knows, and knows to be host memory, is an error; one that it does not know is host memory as well.
inline void nccl_session::require_device_memory(const call_request& wanted) const
{
    if (wanted.count == 0 || wanted.in == nullptr) return;
    cudaPointerAttributes found{};
    check_cuda(cudaPointerGetAttributes(&found, wanted.in), "cudaPointerGetAttributes", rank_);
    if (found.type == cudaMemoryTypeDevice || found.type == cudaMemoryTypeManaged) return;
    throw error(error_code::wrong_memory_space, std::string(name_of(wanted.what)) + ".in", "host memory", "must lie in device memory", {.rank = rank_});
}

/// Enqueues calls() as one group. On return it is on the stream, so that what the user enqueues next comes after it.
template <class Issue> void nccl_session::issue(const char* doing, const Issue& calls)
{
    const device_scope current(stream_.device(), rank_);
    last_ = doing;
    ncclResult_t result = ncclGroupStart();
    if (result == ncclSuccess) {
        result = calls();
        const ncclResult_t ended = ncclGroupEnd(); // also after a failure: an open group would swallow the next calls
        if (result == ncclSuccess || result == ncclInProgress) result = ended;
    }
    settle(result, doing);
}

/// Waits until NCCL has taken what was asked of it, and throws what it says of it.
inline void nccl_session::settle(ncclResult_t result, const char* doing)
{
    check(result, doing);
    ncclResult_t state = ncclInProgress;
    const bool over = poll_until(clock::now() + options_.deadline, [&] {
        const ncclResult_t asked = ncclCommGetAsyncError(comm_, &state);
        if (asked != ncclSuccess) state = asked;
        return state != ncclInProgress;
    });
    if (!over) time_out(options_.deadline, doing);
    check(state, doing);
}

inline void nccl_session::wait_for_stream(std::chrono::microseconds within)
{
    if (stream_.capturing()) refuse_capture("waiting");
    const device_scope current(stream_.device(), rank_);
    ncclResult_t state = ncclSuccess;
    bool idle = false;
    const auto ready = [&] {
        try {
            idle = stream_.idle();
        } catch (const error& e) {
            give_up(e.code(), e.field(), e.value(), call_text(last_) + " or earlier work failed");
        }
        if (ncclCommGetAsyncError(comm_, &state) != ncclSuccess) state = ncclInternalError;
        return idle || (state != ncclSuccess && state != ncclInProgress);
    };
    if (!poll_until(clock::now() + within, ready)) time_out(within, last_);
    check(state, last_);
}

/// An argument that NCCL rejects had no effect. Everything else is the end of the group.
inline void nccl_session::fail(ncclResult_t result, const char* doing)
{
    const std::string text = nccl_text(result, comm_);
    if (result == ncclInvalidArgument) throw error(error_code::invalid_argument, doing, "call " + std::to_string(calls_), text, {.rank = rank_});
    if (code_of(result) == error_code::peer_lost)
        give_up(error_code::peer_lost, "rank", others(), "is gone, or the way to it; " + call_text(doing) + ": " + text);
    give_up(code_of(result), std::string("NCCL ") + doing, ncclGetErrorString(result), call_text(doing) + ": " + text);
}

inline void nccl_session::time_out(std::chrono::microseconds waited, const char* doing)
{
    give_up(error_code::peer_timeout, "rank", others(), "did not do its part of " + call_text(doing) + " within " + std::to_string(waited.count()) + " us");
}

inline void nccl_session::give_up(error_code code, std::string field, std::string value, std::string sentence)
{
    if (!options_.keep_for_shrink || comm_ == nullptr) abort();
    if (state_ == nccl_state::abort_hangs) sentence += "; NCCL's abort hangs too, its buffers must not be freed";
    if (state_ == nccl_state::abort_failed) sentence += "; NCCL's abort failed too";
    failure_ = group_failure{code, std::move(field), std::move(value), std::move(sentence)};
    throw failure_->first_for(rank_);
}

/// Ends the membership on a thread of its own. Memory that unfinished work may still touch is given up, not freed.
inline void nccl_session::release(ncclResult_t (*how)(ncclComm_t), nccl_state after) noexcept
{
    const ncclComm_t comm = std::exchange(comm_, nullptr);
    registry_->forget_all();
    state_ = after;
    helper_outcome outcome = comm == nullptr ? helper_outcome::done : helper_outcome::failed;
    try {
        if (comm != nullptr) outcome = with_patience(options_.abort_patience, [=, device = stream_.device()] {
            static_cast<void>(cudaSetDevice(device));
            return how(comm);
        });
    } catch (...) { // no thread or no memory for it; then NCCL stays as it is
    }
    if (outcome == helper_outcome::hanging) state_ = nccl_state::abort_hangs;
    if (outcome == helper_outcome::failed) state_ = nccl_state::abort_failed;
    if (outcome == helper_outcome::done && becomes_idle()) return;
    stream_.leak();
    scratch_.leak();
}

/// Whether the stream comes to its end in time. If not, cudaFree would wait for it, without any deadline.
inline bool nccl_session::becomes_idle() const noexcept
{
    try {
        return !stream_.capturing() && poll_until(clock::now() + options_.abort_patience, [&] { return stream_.idle(); });
    } catch (...) {
        return true; // the device has failed: nothing runs any more
    }
}

#if NCCL_VERSION_CODE >= NCCL_VERSION(2, 27, 0)
inline nccl_session nccl_session::without(std::vector<int> lost)
{
    if (lost.empty()) throw error(error_code::invalid_argument, "lost", "empty", "must name the ranks that are gone", {.rank = rank_});
    for (const int rank : lost)
        if (rank < 0 || rank >= size_ || rank == rank_)
            throw error(error_code::invalid_argument, "lost", std::to_string(rank), "must be another rank of the group", {.rank = rank_});
    if (comm_ == nullptr)
        throw error(error_code::poisoned, "group", "ended", "it cannot shrink; set nccl_options::keep_for_shrink", {.rank = rank_});

    /// Lives until NCCL is done with it: a shrink that is given up may still write its result.
    struct shrinking {
        ncclComm_t parent, child = nullptr;
        std::vector<int> lost;
        ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
        ncclResult_t result = ncclSuccess;
    };
    const auto job = std::make_shared<shrinking>();
    job->parent = comm_;
    job->lost = std::move(lost);
    job->config.blocking = 0;
    ncclResult_t before = ncclSuccess, state = ncclInProgress;
    static_cast<void>(ncclCommGetAsyncError(comm_, &before));
    const int flags = failure_ ? NCCL_SHRINK_ABORT : NCCL_SHRINK_DEFAULT;
    const auto give_up_shrinking = [&](error_code code, const std::string& sentence) {
        failure_ = group_failure{code, "NCCL shrink", std::to_string(job->lost.size()) + " ranks lost", sentence};
        abort();
        if (state_ == nccl_state::abort_hangs) keep_for_good(job);
        throw failure_->first_for(rank_);
    };
    // With NCCL_SHRINK_ABORT the call waits for the device, for ever if a kernel does not hear of the abort.
    const helper_outcome begun = with_patience(options_.abort_patience, [job, flags, device = stream_.device()] {
        static_cast<void>(cudaSetDevice(device));
        return job->result = ncclCommShrink(job->parent, job->lost.data(), static_cast<int>(job->lost.size()), &job->child, &job->config, flags);
    });
    if (begun == helper_outcome::hanging) {
        comm_ = nullptr; // a thread is inside NCCL with it: it may not even be aborted
        state_ = nccl_state::abort_hangs;
        stream_.leak();
        scratch_.leak();
        give_up_shrinking(error_code::device, "did not return; the old group's buffers must not be freed");
    }
    if (begun == helper_outcome::failed) give_up_shrinking(code_of(job->result), nccl_text(job->result, comm_));
    const std::atomic_ref<ncclComm_t> child(job->child);
    const bool over = poll_until(clock::now() + options_.deadline, [&] {
        const ncclComm_t made = child.load(std::memory_order_acquire);
        const ncclResult_t asked = ncclCommGetAsyncError(made != nullptr ? made : comm_, &state);
        if (asked != ncclSuccess) state = asked;
        if (made == nullptr && (state == ncclSuccess || state == before)) state = ncclInProgress;
        return state != ncclInProgress;
    });
    if (!over) give_up_shrinking(error_code::peer_timeout, "the survivors did not all shrink within " + std::to_string(options_.deadline.count()) + " us");
    if (state != ncclSuccess) give_up_shrinking(code_of(state), ncclGetErrorString(state));
    ncclComm_t made = child.load(std::memory_order_acquire);
    int rank = 0, size = 0;
    check(ncclCommUserRank(made, &rank), "shrink");
    check(ncclCommCount(made, &size), "shrink");
    abort(); // the old group; its resources are its own, for those of a failed group are never shared
    return nccl_session(adopted{made, rank, size}, options_);
}
#endif

} // namespace gradcomp::comm
