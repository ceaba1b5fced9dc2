/// @file The communicator over NCCL: ranks are processes or threads, each with a GPU of its own.
#pragma once

#include <gradcomp/comm/argument_checks.hpp>
#include <gradcomp/comm/communicator.hpp>
#include <gradcomp/comm/nccl_session.hpp>
#include <gradcomp/comm/ring_chunks.hpp>
#include <gradcomp/comm/small_copies.hpp>

#include <type_traits>

namespace gradcomp::comm {

/// One rank's handle on an nccl_session, which must outlive it. Copies speak for the same rank; one thread at a time may use it.
///
/// Every call is collective and enqueues on the session's stream; its buffers must stay as they are until wait() or later work on the stream
/// says that it is done. barrier() and read() wait. Which order a sum takes is NCCL's choice: the same bits on every rank, not
/// necessarily in every run. The calls can be captured into a CUDA graph, on all ranks or on none, once checked_calls are over.
///
/// All calls @throw error
/// - invalid_argument, overlap, wrong_memory_space: this rank's arguments cannot be right; nothing was enqueued and the group is as before;
/// - configuration: the ranks wanted different things, as far as checked_calls looks;
/// - peer_timeout, peer_lost, device: NCCL did not take the call before the deadline, lost a peer, or failed;
/// - poisoned: one of the two above was thrown before, or the session has ended.
class nccl {
public:
    static constexpr memory_space space = memory_space::device;

    explicit nccl(nccl_session& session) : session_(&session) {}

    int rank() const noexcept { return session_->rank(); }
    int size() const noexcept { return session_->size(); }
    cudaStream_t stream() const noexcept { return session_->stream(); } ///< on which all calls are; an executor must use the same

    /// out[i] = the sum over ranks of in[i]; out may be in itself. @tparam T as in in_process.
    template <summable T> void all_reduce(std::type_identity_t<device_view<const T>> in, device_view<T> out) const
    {
        checks().require_reduction(in, out);
        const call_request wanted{.what = operation::all_reduce, .element = element_name<T>, .count = in.size(), .in = in.data()};
        session_->enqueue(wanted, [&] { return in.empty() ? ncclSuccess : ncclAllReduce(in.data(), out.data(), in.size(), nccl_type<T>, ncclSum, comm(), stream()); });
        sent(ring_elements_sent(in.size(), size(), rank()) * sizeof(T));
    }

    /// `all` = every rank's `mine` in rank order. `mine` may be its own place in `all`.
    void all_gather(device_view<const std::byte> mine, device_view<std::byte> all) const
    {
        checks().require_places("all_gather.all", mine, all);
        checks().require_memory("all_gather.mine", mine);
        session_->enqueue({.what = operation::all_gather, .count = mine.size(), .in = mine.data()},
            [&] { return mine.empty() ? ncclSuccess : ncclAllGather(mine.data(), all.data(), mine.size(), ncclUint8, comm(), stream()); });
        sent(others() * mine.size());
    }

    /// As all_gather, on rank `root` only; elsewhere `all` is ignored.
    void gather(device_view<const std::byte> mine, device_view<std::byte> all, int root) const
    {
        checks().require_root("gather.root", root);
        checks().require_memory("gather.mine", mine);
        const bool at_root = rank() == root;
        if (at_root) checks().require_places("gather.all", mine, all);
        session_->enqueue({.what = operation::gather, .count = mine.size(), .root = root, .in = mine.data()}, [&] {
            ncclResult_t result = mine.empty() ? ncclSuccess : ncclSend(mine.data(), mine.size(), ncclUint8, root, comm(), stream());
            for (int peer = 0; at_root && !mine.empty() && peer < size() && usable(result); ++peer)
                result = ncclRecv(all.data() + place(peer, mine.size()), mine.size(), ncclUint8, peer, comm(), stream());
            return result;
        });
        sent(at_root ? 0 : mine.size());
    }

    /// Every rank's `data` becomes the root's.
    void broadcast(device_view<std::byte> data, int root) const
    {
        checks().require_root("broadcast.root", root);
        checks().require_memory("broadcast.data", data);
        session_->enqueue({.what = operation::broadcast, .count = data.size(), .root = root, .in = data.data()},
            [&] { return data.empty() ? ncclSuccess : ncclBroadcast(data.data(), data.data(), data.size(), ncclUint8, root, comm(), stream()); });
        sent((rank() + 1) % size() == root ? 0 : data.size());
    }

    /// Block s of rank r's `in` becomes block r of rank s's `out`; size() blocks of in.size() / size() bytes.
    void all_to_all(device_view<const std::byte> in, device_view<std::byte> out) const
    {
        checks().require_blocks(in, out);
        const std::size_t block = in.size() / static_cast<std::size_t>(size());
        session_->enqueue({.what = operation::all_to_all, .count = in.size(), .in = in.data()}, [&] {
            ncclResult_t result = ncclSuccess;
            for (int peer = 0; block > 0 && peer < size() && usable(result); ++peer) {
                result = ncclSend(in.data() + place(peer, block), block, ncclUint8, peer, comm(), stream());
                if (usable(result)) result = ncclRecv(out.data() + place(peer, block), block, ncclUint8, peer, comm(), stream());
            }
            return result;
        });
        sent(others() * block);
    }

    /// Returns once every rank has called it, and all that this rank enqueued before is done.
    void barrier() const
    {
        auto* const zero = session_->scratch_.data() + session_->records() * nccl_session::record_bytes;
        session_->enqueue({.what = operation::barrier}, [&] { return ncclAllReduce(zero, zero, 1, ncclUint32, ncclSum, comm(), stream()); });
        session_->wait();
    }

    /// Returns once all that was enqueued is done, or throws at the deadline; as nccl_session::wait.
    void wait() const { session_->wait(); }
    void wait(std::chrono::microseconds within) const { session_->wait(within); }

    /// Puts a few bytes of host code into device memory, in order with the calls. Not while capturing.
    void write(device_view<std::byte> to, std::span<const std::byte> from) const
    {
        const nccl_session::turn mine = session_->take_turn();
        if (session_->stream_.capturing()) session_->refuse_capture("a write from the host");
        session_->stream_.write(to, from, [this] { session_->wait_for_stream(session_->options_.deadline); });
    }
    /// Fills `to` with to.size() / rows bytes from each of `rows` places, `stride` bytes apart. Waits. Not while capturing.
    void read(std::span<std::byte> to, device_view<const std::byte> from, std::size_t stride, std::size_t rows) const
    {
        const nccl_session::turn mine = session_->take_turn();
        if (session_->stream_.capturing()) session_->refuse_capture("a read by the host");
        session_->stream_.read(to, from, stride, rows, [this] { session_->wait_for_stream(session_->options_.deadline); });
    }

    /// Tells NCCL of memory that calls will use, where the session's options ask for it; as nccl_session::registered.
    nccl_registration registered(device_view<std::byte> buffer) const { return session_->registered(buffer); }

    /// Bytes that this rank has sent in calls so far, counted as in_process does: as rings carry them, whatever NCCL chooses.
    std::uint64_t bytes_sent() const noexcept { return session_->bytes_sent_.load(std::memory_order_relaxed); }

private:
    static bool usable(ncclResult_t result) { return result == ncclSuccess || result == ncclInProgress; }
    static std::size_t place(int rank, std::size_t size) { return static_cast<std::size_t>(rank) * size; }
    argument_checks checks() const { return {rank(), size()}; }
    ncclComm_t comm() const { return session_->comm_; }
    std::uint64_t others() const { return static_cast<std::uint64_t>(size() - 1); }
    void sent(std::uint64_t bytes) const { session_->bytes_sent_.fetch_add(bytes, std::memory_order_relaxed); }

    nccl_session* session_;
};

static_assert(communicator<nccl, float> && communicator<nccl, double>);
static_assert(counts_bytes_sent<nccl> && finishes_later<nccl> && reaches_device<nccl> && knows_buffers<nccl>);

} // namespace gradcomp::comm
