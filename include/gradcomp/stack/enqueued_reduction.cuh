/// @file Reducers on a stream: the messages meet, and the ranks' verdict on the step stays on the device.
#pragma once

#include <gradcomp/exec/cuda/scatter.cuh>
#include <gradcomp/reduce/all_gather.hpp>
#include <gradcomp/reduce/gather_to_root.hpp>
#include <gradcomp/reduce/gathered.hpp>
#include <gradcomp/reduce/ring.hpp>

#include <array>
#include <utility>

namespace gradcomp::stack {

/// Which of an exchange's rounds a reduction carries.
struct round_place {
    bool first = true, last = true;
};

namespace detail {

/// This rank's vote: whether its sweeps since the last exchange met NaN or Inf, or an earlier round was rejected.
__device__ inline bool votes_against(const exec::device_counts& counts, bool rejects, round_place where) { return (rejects && counts.bad_now > 0) || (!where.first && counts.verdict != 0); }
/// What all votes together say. A round that was rejected stays so; before the last one, nothing has left the memory.
__device__ inline void judge(exec::device_counts& counts, bool rejected, round_place where)
{
    if (where.first || counts.verdict == 0) counts.verdict = rejected ? (where.last ? 1u : 2u) : 0u;
}
template <class T> __global__ void vote_kernel(const exec::device_counts* counts, bool rejects, round_place where, T* lane) { *lane = votes_against(*counts, rejects, where) ? T(1) : T(0); }
template <class T> __global__ void judge_kernel(exec::device_counts* counts, round_place where, const T* lane) { judge(*counts, *lane != T(0), where); }

/// The header of a gathered message, and afterwards what all headers say. One that belongs to another step or size is unreadable.
template <class T> __global__ void write_header_kernel(const exec::device_counts* counts, bool rejects, round_place where, const step_state<T>* now, std::uint64_t bytes, gathered_header* to)
{
    to->step = now->step;
    to->said = votes_against(*counts, rejects, where) ? verdict::rejected : verdict::accepted;
    to->bytes = bytes;
}
template <class T>
__global__ void read_headers_kernel(exec::device_counts* counts, round_place where, const step_state<T>* now, std::uint64_t bytes, const std::byte* from, std::size_t stride, int ranks)
{
    bool rejected = false, unreadable = false;
    for (int r = 0; r < ranks; ++r) {
        const gathered_header& header = *reinterpret_cast<const gathered_header*>(from + r * stride);
        rejected |= header.said != verdict::accepted;
        unreadable |= header.step != now->step || header.bytes != bytes || header.said >= verdict::unreadable;
    }
    judge(*counts, rejected || unreadable, where);
    if (unreadable) counts->unreadable = 1;
}

/// In front of the root's parameters: what it says of the step.
template <class T> __global__ void write_news_kernel(const exec::device_counts* counts, const step_state<T>* now, std::uint64_t bytes, gathered_header* to)
{
    to->step = now->step;
    to->said = counts->unreadable != 0 ? verdict::unreadable : counts->verdict != 0 ? verdict::rejected : verdict::accepted;
    to->bytes = bytes;
}

} // namespace detail

/// The communicator knows these buffers while this lives, where it is one that asks for it. To be declared behind them.
template <class Communicator, std::size_t N> struct known_buffers {
    template <class... Buffers> explicit known_buffers(const Communicator&, Buffers&...) {}
};
template <comm::knows_buffers Communicator, std::size_t N> struct known_buffers<Communicator, N> {
    std::array<decltype(std::declval<const Communicator&>().registered(device_view<std::byte>())), N> all;
    template <class... Buffers>
    explicit known_buffers(const Communicator& communicator, Buffers&... buffers)
        : all{communicator.registered({reinterpret_cast<std::byte*>(buffers.data()), buffers.size_bytes()})...}
    {
    }
};

/// What a reducer is on a stream: message(), enqueue(executor, now, rejects, round), received(), message(r), header_bytes(). One that updates at its root has is_root(),
/// parameters() and publish() besides. Nothing waits.
template <class Reducer, class T, class Executor> class enqueued_reduction;

template <class Communicator, class T, class Executor> class enqueued_reduction<ring<Communicator>, T, Executor> {
public:
    enqueued_reduction(const ring<Communicator>& options, std::size_t elements, std::size_t, std::size_t)
        : communicator_(options.communicator), lane_(elements), mine_(lane_ + 1), sum_(lane_ + 1), known_(communicator_, mine_, sum_)
    {
    }
    std::byte* message() { return reinterpret_cast<std::byte*>(mine_.data()); }
    std::size_t header_bytes() const { return sizeof(T); }
    void enqueue(const Executor& on, const exec::device_step<T>&, bool rejects, round_place where = {})
    {
        detail::vote_kernel<<<1, 1, 0, on.stream()>>>(on.counts(), rejects, where, mine_.data() + lane_);
        exec::detail::check_launch("vote_kernel");
        communicator_.all_reduce(device_view<const T>(mine_.data(), mine_.size()), device_view<T>(sum_.data(), sum_.size()));
        detail::judge_kernel<<<1, 1, 0, on.stream()>>>(on.counts(), where, sum_.data() + lane_);
        exec::detail::check_launch("judge_kernel");
    }
    std::size_t received() const { return 1; }
    const std::byte* message(std::size_t) const { return reinterpret_cast<const std::byte*>(sum_.data()); }

private:
    Communicator communicator_;
    std::size_t lane_; ///< place of the votes, behind the message
    typename Executor::template buffer<T> mine_, sum_;
    known_buffers<Communicator, 2> known_;
};

template <class Communicator, class T, class Executor> class enqueued_reduction<all_gather<Communicator>, T, Executor> {
public:
    enqueued_reduction(const all_gather<Communicator>& options, std::size_t, std::size_t bytes, std::size_t)
        : communicator_(options.communicator), bytes_(bytes), mine_(gathered_stride(bytes)), all_(gathered_stride(bytes) * static_cast<std::size_t>(options.communicator.size())),
          known_(communicator_, mine_, all_)
    {
    }
    std::byte* message() { return mine_.data() + sizeof(gathered_header); }
    std::size_t header_bytes() const { return mine_.size() - bytes_; }
    void enqueue(const Executor& on, const exec::device_step<T>& at, bool rejects, round_place where = {})
    {
        detail::write_header_kernel<<<1, 1, 0, on.stream()>>>(on.counts(), rejects, where, at.now, bytes_, reinterpret_cast<gathered_header*>(mine_.data()));
        exec::detail::check_launch("write_header_kernel");
        communicator_.all_gather(device_view<const std::byte>(mine_.data(), mine_.size()), device_view<std::byte>(all_.data(), all_.size()));
        detail::read_headers_kernel<<<1, 1, 0, on.stream()>>>(on.counts(), where, at.now, bytes_, all_.data(), mine_.size(), communicator_.size());
        exec::detail::check_launch("read_headers_kernel");
    }
    std::size_t received() const { return static_cast<std::size_t>(communicator_.size()); }
    const std::byte* message(std::size_t r) const { return all_.data() + r * mine_.size() + sizeof(gathered_header); }

private:
    Communicator communicator_;
    std::size_t bytes_;
    typename Executor::template buffer<std::byte> mine_, all_;
    known_buffers<Communicator, 2> known_;
};

template <class Communicator, class T, class Executor> class enqueued_reduction<gather_to_root<Communicator>, T, Executor> {
public:
    /// @throws error invalid_option for a root outside [0, size).
    enqueued_reduction(const gather_to_root<Communicator>& options, std::size_t, std::size_t bytes, std::size_t parameters)
        : communicator_(options.communicator), root_(options.checked_root()), bytes_(bytes), mine_(gathered_stride(bytes)),
          all_(is_root() ? gathered_stride(bytes) * static_cast<std::size_t>(options.communicator.size()) : 0), news_(sizeof(gathered_header) + parameters * sizeof(T)),
          known_(communicator_, mine_, all_, news_)
    {
    }
    std::byte* message() { return mine_.data() + sizeof(gathered_header); }
    std::size_t header_bytes() const { return mine_.size() - bytes_; }
    bool is_root() const { return communicator_.rank() == root_; }
    /// Afterwards the root has a verdict; the others get it by publish().
    void enqueue(const Executor& on, const exec::device_step<T>& at, bool rejects, round_place where = {})
    {
        detail::write_header_kernel<<<1, 1, 0, on.stream()>>>(on.counts(), rejects, where, at.now, bytes_, reinterpret_cast<gathered_header*>(mine_.data()));
        exec::detail::check_launch("write_header_kernel");
        communicator_.gather(device_view<const std::byte>(mine_.data(), mine_.size()), device_view<std::byte>(all_.data(), all_.size()), root_);
        if (is_root()) read_headers(on, at, bytes_, all_.data(), communicator_.size());
    }
    std::size_t received() const { return is_root() ? static_cast<std::size_t>(communicator_.size()) : 0; }
    const std::byte* message(std::size_t r) const { return all_.data() + r * mine_.size() + sizeof(gathered_header); }

    T* parameters() { return reinterpret_cast<T*>(news_.data() + sizeof(gathered_header)); }
    /// Brings the root's verdict and parameters() to all.
    void publish(const Executor& on, const exec::device_step<T>& at)
    {
        const std::uint64_t payload = news_.size() - sizeof(gathered_header);
        if (is_root()) {
            detail::write_news_kernel<<<1, 1, 0, on.stream()>>>(on.counts(), at.now, payload, reinterpret_cast<gathered_header*>(news_.data()));
            exec::detail::check_launch("write_news_kernel");
        }
        communicator_.broadcast(device_view<std::byte>(news_.data(), news_.size()), root_);
        read_headers(on, at, payload, news_.data(), 1);
    }

private:
    void read_headers(const Executor& on, const exec::device_step<T>& at, std::uint64_t bytes, const std::byte* from, int ranks)
    {
        detail::read_headers_kernel<<<1, 1, 0, on.stream()>>>(on.counts(), round_place{}, at.now, bytes, from, mine_.size(), ranks);
        exec::detail::check_launch("read_headers_kernel");
    }

    Communicator communicator_;
    int root_;
    std::size_t bytes_;
    typename Executor::template buffer<std::byte> mine_, all_, news_;
    known_buffers<Communicator, 3> known_;
};

} // namespace gradcomp::stack
