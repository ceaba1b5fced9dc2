/// @file The communicator whose ranks are threads of one process.
#pragma once

#include <gradcomp/comm/argument_checks.hpp>
#include <gradcomp/comm/communicator.hpp>
#include <gradcomp/comm/in_process_group.hpp>
#include <gradcomp/comm/ring_chunks.hpp>

#include <concepts>
#include <cstring>
#include <exception>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace gradcomp::comm {

/// One rank's handle on an in_process_group: a pointer and a number. Copies speak for the same rank; one thread at a time may use it.
///
/// Every call is collective and blocks, without spinning, until all ranks have done their part. It returns on every rank or throws
/// on every rank, and a throw poisons the group. all_reduce then leaves `out` as it was; of the other calls' outputs nothing is said.
/// A rank's buffer must not overlap another rank's where either is written.
///
/// All calls @throw error
/// - invalid_argument, overlap: this rank's arguments cannot be right; nothing was sent and the group is as before;
/// - configuration: the ranks called different operations, or with different sizes, element types or roots;
/// - peer_failed, peer_lost, peer_timeout: another rank, named by value(), threw, ended, or did not come before the deadline;
/// - poisoned: one of the above was thrown to this rank before.
class in_process {
public:
    static constexpr memory_space space = memory_space::host;

    /// The handle of `rank` in `group`, which must outlive it. @throws error invalid_argument unless 0 <= rank < group.size().
    in_process(in_process_group& group, int rank) : group_(&group), rank_(rank)
    {
        checks().require(rank >= 0 && rank < group.size(), "rank", rank, "must be at least 0 and below the size of the group");
    }

    int rank() const noexcept { return rank_; }
    int size() const noexcept { return group_->size(); }

    /// out[i] = the sum over ranks of in[i]; out may be in itself.
    ///
    /// A ring: reduce-scatter, then all-gather, in chunks of chunk_of(in.size(), size(), c). Chunk c is summed in the order of
    /// ranks c, c + 1, ... modulo size(), so every rank gets the same bits in every run. Sends ring_elements_sent(...) * sizeof(T) bytes.
    /// Each rank sums its chunk straight from the other ranks' `in`; its links are memory, so no hop is copied on its way.
    /// @tparam T float, double, uint32_t or uint64_t; deduced from `out`, or named: all_reduce<float>(vector, vector).
    template <summable T> void all_reduce(std::type_identity_t<host_view<const T>> in, host_view<T> out) const
    {
        checks().require_reduction(in, out);
        group_->begin(rank_, {.what = operation::all_reduce, .element = element_name<T>, .count = in.size(),
            .in = in.data(), .shared_bytes = in.size_bytes()});
        const int ranks = size(), own = chunk_owned_by(rank_, ranks);
        const ring_chunk mine = chunk_of(in.size(), ranks, own);
        T* const sums = reinterpret_cast<T*>(group_->shared_);
        if (mine.size > 0) sum_in_ring_order([&](int peer) { return sent_by<T>(peer) + mine.offset; }, own, ranks, mine.size, sums + mine.offset);
        group_->finish(rank_);
        copy(out.data(), sums, out.size_bytes()); // nobody changes sums before this rank has come to its next call
        sent(ring_elements_sent(in.size(), ranks, rank_) * sizeof(T));
    }

    /// `all` = every rank's `mine` in rank order. `mine` may be its own place in `all`. Sends (size() - 1) * mine.size() bytes, as a ring does.
    void all_gather(host_view<const std::byte> mine, host_view<std::byte> all) const
    {
        checks().require_places("all_gather.all", mine, all);
        checks().require_memory("all_gather.mine", mine);
        group_->begin(rank_, {.what = operation::all_gather, .count = mine.size(), .in = mine.data()});
        collect(mine.size(), all.data());
        group_->finish(rank_);
        sent(others() * mine.size());
    }

    /// As all_gather, on rank `root` only; elsewhere `all` is ignored. Every rank but the root sends mine.size() bytes.
    void gather(host_view<const std::byte> mine, host_view<std::byte> all, int root) const
    {
        checks().require_root("gather.root", root);
        checks().require_memory("gather.mine", mine);
        if (rank_ == root) checks().require_places("gather.all", mine, all);
        group_->begin(rank_, {.what = operation::gather, .count = mine.size(), .root = root, .in = mine.data()});
        if (rank_ == root) collect(mine.size(), all.data());
        group_->finish(rank_);
        sent(rank_ == root ? 0 : mine.size());
    }

    /// Every rank's `data` becomes the root's. Every rank but the root's predecessor sends data.size() bytes, as a pipelined ring does.
    void broadcast(host_view<std::byte> data, int root) const
    {
        checks().require_root("broadcast.root", root);
        checks().require_memory("broadcast.data", data);
        group_->begin(rank_, {.what = operation::broadcast, .count = data.size(), .root = root, .in = data.data()});
        if (rank_ != root) copy(data.data(), sent_by<std::byte>(root), data.size());
        group_->finish(rank_);
        sent((rank_ + 1) % size() == root ? 0 : data.size());
    }

    /// Block s of rank r's `in` becomes block r of rank s's `out`; size() blocks of in.size() / size() bytes. Sends all blocks but its own.
    void all_to_all(host_view<const std::byte> in, host_view<std::byte> out) const
    {
        checks().require_blocks(in, out);
        group_->begin(rank_, {.what = operation::all_to_all, .count = in.size(), .in = in.data()});
        const std::size_t block = in.size() / static_cast<std::size_t>(size());
        for (int step = 0; step < size(); ++step) {
            const int peer = (rank_ + step) % size();
            copy(out.data() + place(peer, block), sent_by<std::byte>(peer) + place(rank_, block), block);
        }
        group_->finish(rank_);
        sent(others() * block);
    }

    /// Returns once every rank has called it. Sends nothing.
    void barrier() const { group_->begin(rank_, {.what = operation::barrier}, true); }

    /// Bytes that this rank has sent so far in completed calls, counted as a network would carry them; the own share stays home.
    std::uint64_t bytes_sent() const noexcept { return group_->at(rank_).bytes_sent.load(std::memory_order_relaxed); }

    /// Tells the other ranks at once that this one cannot go on: their waiting and later calls throw peer_failed.
    void fail(std::exception_ptr cause) const { group_->fail(rank_, std::move(cause)); }

private:
    template <class> friend class in_process_device;
    argument_checks checks() const { return {rank_, size()}; }
    static std::size_t place(int rank, std::size_t size) { return static_cast<std::size_t>(rank) * size; }
    std::uint64_t others() const { return static_cast<std::uint64_t>(size() - 1); }
    void sent(std::uint64_t bytes) const { group_->at(rank_).bytes_sent.fetch_add(bytes, std::memory_order_relaxed); }

    /// The input of another rank; valid between the first and the last meeting of a call.
    template <class T> const T* sent_by(int peer) const { return static_cast<const T*>(group_->at(peer).wanted.in); }

    /// Copies unless there is nothing to do: memcpy takes neither null pointers nor a source equal to its destination.
    static void copy(void* to, const void* from, std::size_t bytes)
    {
        if (bytes > 0 && to != from) std::memcpy(to, from, bytes);
    }

    /// Starts with its own message and goes round, so that the ranks read from different places at a time.
    void collect(std::size_t size_of_one, std::byte* all) const
    {
        for (int step = 0; step < size(); ++step) {
            const int peer = (rank_ + step) % size();
            copy(all + place(peer, size_of_one), sent_by<std::byte>(peer), size_of_one);
        }
    }

    in_process_group* group_;
    int rank_;
};

/// Runs function(in_process) on `ranks` threads, rank 0 to ranks - 1, and waits for all of them.
///
/// All threads call the same `function` object at the same time. A rank killed by the fault plan counts as neither failed nor finished.
/// @throws what the first failing rank threw; not the peer_failed that its failure caused elsewhere. Without such a first cause
/// (a rank ended early or fell silent), the exception of the lowest rank that threw; nothing when every rank dealt with its errors.
template <class Function>
    requires std::invocable<Function&, in_process>
void run_ranks(int ranks, Function&& function, in_process_options options = {})
{
    in_process_group group(ranks, std::move(options));
    std::vector<std::exception_ptr> failures(static_cast<std::size_t>(ranks));
    const auto body = [&](int rank) {
        try {
            function(in_process(group, rank));
        } catch (const rank_killed&) { // as if its process had gone
        } catch (...) {
            failures[static_cast<std::size_t>(rank)] = std::current_exception();
            group.fail(rank, std::current_exception());
        }
        group.leave(rank);
    };
    std::vector<std::thread> threads;
    threads.reserve(failures.size());
    int started = 0;
    try {
        for (; started < ranks; ++started) threads.emplace_back(body, started);
    } catch (...) { // the system gave no further thread: those that run must not wait for it
        group.fail(started, std::current_exception());
        for (int rank = started; rank < ranks; ++rank) group.leave(rank);
    }
    for (std::thread& thread : threads) thread.join();
    if (const std::exception_ptr cause = group.root_cause()) std::rethrow_exception(cause);
    for (const std::exception_ptr& failure : failures)
        if (failure) std::rethrow_exception(failure);
}

static_assert(communicator<in_process, float> && communicator<in_process, double>);
static_assert(counts_bytes_sent<in_process> && spreads_failure<in_process>);

} // namespace gradcomp::comm
