#include "nccl.hpp"

#include "cuda.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace {

using stand_in::counts;
using stand_in::ending;
using stand_in::faults;

enum class kind { all_reduce, all_gather, broadcast, send, receive };

struct call {
    kind what;
    const void* in;
    void* out;
    std::size_t count;
    ncclDataType_t type;
    int peer; ///< or root
};

std::size_t size_of(ncclDataType_t type) { return type == ncclUint8 ? 1 : type == ncclFloat64 || type == ncclUint64 ? 8 : 4; }

struct round_of_calls {
    std::vector<const std::vector<call>*> calls;
    int arrived = 0, reading = 0, done_reading = 0;
};

} // namespace

struct group {
    group(int n, bool may_be_struck) : size(n), strikes(may_be_struck) {}
    const int size;
    const bool strikes; ///< not in a group made by shrinking
    std::mutex mutex;
    std::condition_variable changed;
    int joined = 0, finalized = 0;
    ncclResult_t error = ncclSuccess;
    std::map<std::uint64_t, round_of_calls> rounds;
    std::map<std::vector<int>, std::shared_ptr<group>> shrunk;
    std::vector<std::pair<ncclComm_t*, ncclComm_t>> awaiting; ///< of a group made by shrinking: where its members are to be written
};

struct ncclComm {
    std::shared_ptr<group> ranks;
    int rank = 0;
    int polls = 0;                         ///< answers of ncclInProgress that are still due
    std::function<void()> held;            ///< calls that get onto the stream after the last of them
    std::uint64_t asked = 0, executed = 0; ///< rounds
    int in_flight = 0;
    bool aborting = false, finalizing = false, ended = false, shrinking = false;
};

namespace {

std::mutex all_mutex;
std::condition_variable released;
std::uint64_t epoch = 0; ///< start_over() lets all go that hung before
std::map<std::string, std::shared_ptr<group>> groups;
std::vector<std::unique_ptr<ncclComm>> comms;
std::uint64_t ids = 0;

thread_local int depth = 0;
thread_local std::vector<std::pair<ncclComm_t, call>> opened;
thread_local cudaStream_t opened_on = nullptr;

ncclResult_t hang()
{
    std::unique_lock lock(all_mutex);
    const std::uint64_t since = epoch;
    released.wait(lock, [&] { return epoch != since; });
    return ncclInternalError;
}

bool usable(ncclComm_t comm)
{
    if (comm != nullptr && !comm->ended) return true;
    ++counts().misused;
    return false;
}

template <class T> void add(const round_of_calls& round, std::size_t i, std::size_t count, void* out)
{
    for (std::size_t e = 0; e < count; ++e) {
        T sum = 0;
        for (const auto* calls : round.calls) sum += static_cast<const T*>((*calls)[i].in)[e];
        static_cast<T*>(out)[e] = sum;
    }
}

/// Whether all ranks' calls fit together.
bool matches(const round_of_calls& round, int size)
{
    const std::vector<call>& first = *round.calls[0];
    for (int rank = 0; rank < size; ++rank) {
        const std::vector<call>& mine = *round.calls[static_cast<std::size_t>(rank)];
        for (std::size_t i = 0; i < mine.size(); ++i) {
            const call& c = mine[i];
            if (c.what == kind::send || c.what == kind::receive) {
                const auto& other = *round.calls[static_cast<std::size_t>(c.peer)];
                const kind wanted = c.what == kind::send ? kind::receive : kind::send;
                if (std::none_of(other.begin(), other.end(), [&](const call& o) { return o.what == wanted && o.peer == rank && o.count == c.count; })) return false;
            } else if (mine.size() != first.size() || first[i].what != c.what || first[i].count != c.count || first[i].type != c.type || first[i].peer != c.peer) {
                return false;
            }
        }
    }
    return true;
}

/// What rank `rank` receives in call i, into `to`.
void receive(const round_of_calls& round, int rank, std::size_t i, char* to)
{
    const call& c = (*round.calls[static_cast<std::size_t>(rank)])[i];
    const std::size_t bytes = c.count * size_of(c.type);
    switch (c.what) {
    case kind::all_reduce:
        if (c.type == ncclFloat32) add<float>(round, i, c.count, to);
        if (c.type == ncclFloat64) add<double>(round, i, c.count, to);
        if (c.type == ncclUint32) add<std::uint32_t>(round, i, c.count, to);
        if (c.type == ncclUint64) add<std::uint64_t>(round, i, c.count, to);
        break;
    case kind::all_gather:
        for (std::size_t r = 0; r < round.calls.size(); ++r) std::memcpy(to + r * bytes, (*round.calls[r])[i].in, bytes);
        break;
    case kind::broadcast: std::memcpy(to, (*round.calls[static_cast<std::size_t>(c.peer)])[i].in, bytes); break;
    case kind::receive:
        for (const call& sent : *round.calls[static_cast<std::size_t>(c.peer)])
            if (sent.what == kind::send && sent.peer == rank) std::memcpy(to, sent.in, bytes);
        break;
    case kind::send: break;
    }
}

std::size_t received_bytes(const call& c, int ranks)
{
    if (c.what == kind::send) return 0;
    return c.count * size_of(c.type) * (c.what == kind::all_gather ? static_cast<std::size_t>(ranks) : 1);
}

/// One rank's part of a round, on its stream.
void meet(ncclComm_t comm, const std::vector<call>& calls)
{
    group& ranks = *comm->ranks;
    std::unique_lock lock(ranks.mutex);
    const std::uint64_t number = comm->executed++;
    const auto finished = [&] {
        --comm->in_flight;
        ranks.changed.notify_all();
    };
    const auto wait = [&](auto ready) { ranks.changed.wait(lock, [&] { return ready() || comm->aborting; }); };
    const bool struck = ranks.strikes && number == faults().at;
    if (struck && comm->rank == faults().hang_rank) wait([] { return false; });
    if (struck && comm->rank == faults().error_rank) ranks.error = faults().error;
    round_of_calls& round = ranks.rounds[number];
    round.calls.resize(static_cast<std::size_t>(ranks.size));
    if (comm->aborting || ranks.error != ncclSuccess) return wait([] { return false; }), finished();
    round.calls[static_cast<std::size_t>(comm->rank)] = &calls;
    if (++round.arrived == ranks.size) ranks.changed.notify_all();
    wait([&] { return round.arrived == ranks.size; });
    if (round.arrived < ranks.size) {
        --round.arrived;
        return finished();
    }
    if (!matches(round, ranks.size)) return wait([] { return false; }), finished();
    ++round.reading;
    lock.unlock();
    std::vector<std::vector<char>> results;
    for (std::size_t i = 0; i < calls.size(); ++i) {
        results.emplace_back(received_bytes(calls[i], ranks.size));
        receive(round, comm->rank, i, results.back().data());
    }
    lock.lock();
    --round.reading;
    ++round.done_reading;
    ranks.changed.notify_all();
    ranks.changed.wait(lock, [&] { return round.done_reading == ranks.size || (comm->aborting && round.reading == 0); });
    for (std::size_t i = 0; i < calls.size(); ++i)
        if (!results[i].empty()) std::memcpy(calls[i].out, results[i].data(), results[i].size());
    finished();
}

ncclResult_t add_call(ncclComm_t comm, cudaStream_t stream, const call& what)
{
    if (!usable(comm)) return ncclInvalidArgument;
    const bool own_group = depth == 0;
    if (own_group) ncclGroupStart();
    opened.emplace_back(comm, what);
    opened_on = stream;
    return own_group ? ncclGroupEnd() : ncclSuccess;
}

ncclResult_t progress_of(ncclComm_t comm)
{
    group& ranks = *comm->ranks;
    const std::lock_guard lock(ranks.mutex);
    if (ranks.error != ncclSuccess) return ranks.error;
    if (ranks.joined < ranks.size || faults().never_ready || comm->shrinking) return ncclInProgress;
    if (comm->polls > 0) {
        --comm->polls;
        return ncclInProgress;
    }
    if (comm->held) std::exchange(comm->held, nullptr)();
    if (comm->finalizing && (faults().never_quiet || comm->in_flight > 0 || ranks.finalized < ranks.size)) return ncclInProgress;
    return ncclSuccess;
}

ncclComm_t join(const std::shared_ptr<group>& ranks, int rank)
{
    const std::lock_guard all(all_mutex);
    const std::lock_guard lock(ranks->mutex);
    comms.push_back(std::make_unique<ncclComm>());
    ncclComm_t comm = comms.back().get();
    comm->ranks = ranks;
    comm->rank = rank;
    comm->polls = faults().init_polls;
    ++ranks->joined;
    ++counts().made;
    return comm;
}

void stop(ncclComm_t comm, bool for_good)
{
    std::unique_lock lock(comm->ranks->mutex);
    comm->aborting = true;
    comm->held = nullptr;
    comm->ranks->changed.notify_all();
    comm->ranks->changed.wait(lock, [&] { return comm->in_flight == 0; });
    if (!for_good) comm->aborting = false;
}

} // namespace

namespace stand_in {

nccl_faults& faults()
{
    static nccl_faults all;
    return all;
}

nccl_counts& counts()
{
    static nccl_counts all;
    return all;
}

void start_over()
{
    const std::lock_guard lock(all_mutex);
    faults() = {};
    for (auto* count : {&counts().made, &counts().aborted, &counts().destroyed, &counts().finalized, &counts().registered, &counts().deregistered,
             &counts().shrunk, &counts().misused})
        *count = 0;
    ++epoch;
    released.notify_all();
    for (const auto& comm : comms) {
        const std::lock_guard ranks(comm->ranks->mutex);
        comm->aborting = true;
        comm->ranks->changed.notify_all();
    }
}

} // namespace stand_in

extern "C" {

ncclResult_t ncclGetVersion(int* version)
{
    *version = faults().version;
    return ncclSuccess;
}
const char* ncclGetErrorString(ncclResult_t result)
{
    static const char* const names[] = {"no error", "unhandled cuda error", "unhandled system error", "internal error", "invalid argument", "invalid usage",
        "remote process exited or there was a network error", "NCCL operation in progress"};
    return names[result];
}
const char* ncclGetLastError(ncclComm_t) { return ""; }

ncclResult_t ncclGetUniqueId(ncclUniqueId* id)
{
    const std::lock_guard lock(all_mutex);
    std::memset(id, 0, sizeof *id);
    std::snprintf(id->internal, sizeof id->internal, "group %llu", static_cast<unsigned long long>(++ids));
    return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int size, ncclUniqueId id, int rank, ncclConfig_t* config)
{
    if (config == nullptr || config->magic != 0xcafebeef || config->blocking != 0) {
        ++counts().misused; // a blocking group cannot be timed out
        return ncclInvalidArgument;
    }
    std::shared_ptr<group> ranks;
    {
        const std::lock_guard lock(all_mutex);
        std::shared_ptr<group>& found = groups[std::string(id.internal, strnlen(id.internal, sizeof id.internal))];
        if (!found) found = std::make_shared<group>(size, true);
        ranks = found;
    }
    *comm = join(ranks, rank);
    return ncclInProgress;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* state)
{
    if (!usable(comm)) return ncclInvalidArgument;
    *state = progress_of(comm);
    return ncclSuccess;
}
ncclResult_t ncclCommCount(const ncclComm_t comm, int* count)
{
    *count = comm->ranks->size;
    return ncclSuccess;
}
ncclResult_t ncclCommUserRank(const ncclComm_t comm, int* rank)
{
    *rank = comm->rank;
    return ncclSuccess;
}

ncclResult_t ncclGroupStart()
{
    ++depth;
    return ncclSuccess;
}
ncclResult_t ncclGroupEnd()
{
    if (depth == 0) {
        ++counts().misused;
        return ncclInvalidUsage;
    }
    if (--depth > 0 || opened.empty()) return ncclSuccess;
    const auto asked = std::exchange(opened, {});
    const ncclComm_t comm = asked[0].first;
    const auto calls = std::make_shared<std::vector<call>>();
    for (const auto& one : asked) calls->push_back(one.second);
    if (progress_of(comm) == ncclInProgress) {
        ++counts().misused; // the last group has not been taken yet
        return ncclInvalidArgument;
    }
    cudaStreamCaptureStatus capturing = cudaStreamCaptureStatusNone;
    cudaStreamIsCapturing(opened_on, &capturing);
    const std::lock_guard lock(comm->ranks->mutex);
    if (comm->rank == faults().reject_rank && comm->asked++ == faults().at) return ncclInvalidArgument;
    comm->polls = faults().enqueue_polls;
    const bool counted = capturing == cudaStreamCaptureStatusNone; // a replay is not seen by NCCL's host side
    comm->held = [comm, calls, counted, stream = opened_on] {
        if (counted) ++comm->in_flight;
        stand_in::launch(stream, [comm, calls, counted] {
            if (!counted) {
                const std::lock_guard again(comm->ranks->mutex);
                ++comm->in_flight;
            }
            meet(comm, *calls);
        });
    };
    return ncclInProgress;
}

ncclResult_t ncclAllReduce(const void* in, void* out, size_t count, ncclDataType_t type, ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream)
{
    if (op != ncclSum) return ncclInvalidArgument;
    return add_call(comm, stream, {kind::all_reduce, in, out, count, type, 0});
}
ncclResult_t ncclAllGather(const void* in, void* out, size_t count, ncclDataType_t type, ncclComm_t comm, cudaStream_t stream)
{
    return add_call(comm, stream, {kind::all_gather, in, out, count, type, 0});
}
ncclResult_t ncclBroadcast(const void* in, void* out, size_t count, ncclDataType_t type, int root, ncclComm_t comm, cudaStream_t stream)
{
    return add_call(comm, stream, {kind::broadcast, in, out, count, type, root});
}
ncclResult_t ncclSend(const void* in, size_t count, ncclDataType_t type, int peer, ncclComm_t comm, cudaStream_t stream)
{
    return add_call(comm, stream, {kind::send, in, nullptr, count, type, peer});
}
ncclResult_t ncclRecv(void* out, size_t count, ncclDataType_t type, int peer, ncclComm_t comm, cudaStream_t stream)
{
    return add_call(comm, stream, {kind::receive, nullptr, out, count, type, peer});
}

ncclResult_t ncclCommRegister(const ncclComm_t comm, void* at, size_t, void** handle)
{
    if (!usable(comm)) return ncclInvalidArgument;
    ++counts().registered;
    *handle = at;
    return ncclSuccess;
}
ncclResult_t ncclCommDeregister(const ncclComm_t comm, void*)
{
    if (!usable(comm)) return ncclInvalidArgument;
    ++counts().deregistered;
    return ncclSuccess;
}

ncclResult_t ncclCommFinalize(ncclComm_t comm)
{
    if (!usable(comm)) return ncclInvalidArgument;
    const std::lock_guard lock(comm->ranks->mutex);
    comm->finalizing = true;
    ++comm->ranks->finalized;
    ++counts().finalized;
    return ncclInProgress;
}
ncclResult_t ncclCommDestroy(ncclComm_t comm)
{
    if (faults().destroy == ending::hangs) return hang();
    if (!usable(comm)) return ncclInvalidArgument;
    comm->ended = true;
    ++counts().destroyed;
    return faults().destroy == ending::fails ? ncclSystemError : ncclSuccess;
}
ncclResult_t ncclCommAbort(ncclComm_t comm)
{
    if (!usable(comm)) return ncclInvalidArgument;
    if (faults().abort == ending::hangs) {
        hang();
        stop(comm, true);
        return ncclInternalError;
    }
    stop(comm, true);
    comm->ended = true;
    ++counts().aborted;
    return faults().abort == ending::fails ? ncclUnhandledCudaError : ncclSuccess;
}

ncclResult_t ncclCommShrink(ncclComm_t comm, int* lost, int lost_count, ncclComm_t* child, ncclConfig_t* config, int flags)
{
    if (!usable(comm) || config == nullptr || config->blocking != 0) return ncclInvalidArgument;
    if (faults().shrink == ending::fails) return ncclSystemError;
    if (faults().shrink == ending::hangs) return hang();
    if ((flags & NCCL_SHRINK_ABORT) != 0) stop(comm, false);
    std::vector<int> without(lost, lost + lost_count);
    std::sort(without.begin(), without.end());
    std::shared_ptr<group> smaller;
    {
        const std::lock_guard lock(comm->ranks->mutex);
        std::shared_ptr<group>& found = comm->ranks->shrunk[without];
        if (!found) found = std::make_shared<group>(comm->ranks->size - lost_count, false);
        smaller = found;
        comm->shrinking = true;
    }
    const auto below = std::count_if(without.begin(), without.end(), [&](int r) { return r < comm->rank; });
    const ncclComm_t made = join(smaller, comm->rank - static_cast<int>(below));
    ++counts().shrunk;
    std::unique_lock lock(smaller->mutex);
    smaller->awaiting.emplace_back(child, made);
    if (smaller->joined == smaller->size && static_cast<int>(smaller->awaiting.size()) == smaller->size)
        for (const auto& [place, member] : smaller->awaiting) __atomic_store_n(place, member, __ATOMIC_RELEASE);
    return ncclInProgress;
}

} // extern "C"
