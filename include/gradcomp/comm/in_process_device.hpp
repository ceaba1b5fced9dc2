/// @file The communicator whose ranks are threads that share one GPU, each with a stream of its own.
#pragma once

#include <gradcomp/comm/device_links.hpp>
#include <gradcomp/comm/in_process.hpp>
#include <gradcomp/comm/small_copies.hpp>

#include <array>
#include <optional>

namespace gradcomp::comm {

/// s(stream, sources, first, ranks, count, out) enqueues out[i] = ((sources[first][i] + sources[first + 1][i]) + ...) over all ranks modulo
/// `ranks`: sum_in_ring_order on the device. `sources` is host memory that is free again on return; it holds device pointers.
template <class S, class T>
concept sums_on_stream = requires(const S& s, cudaStream_t stream, const T* const* sources, std::size_t count, T* out) { s(stream, sources, 0, 1, count, out); };

/// One rank's handle on an in_process_group whose buffers lie in the memory of one GPU. Copies speak for the same rank; one thread at a time.
///
/// The host side of a call is that of in_process, meetings, faults and errors included. In it nobody waits for the device: a rank's
/// stream waits for the others' events, before it reads their inputs and before later work of its own may change what they read. So
/// ranks on one GPU need not run at the same time, as spinning kernels would. A call enqueues and returns; a buffer must stay as it is until
/// the rank's own stream has passed the call, which wait() tells. Sums have the bits of in_process. Not in a CUDA graph: the meetings are host code.
///
/// Errors as in_process, and device, wrong_memory_space. A rank that fails in a call first waits until no stream reads its buffers any more, at
/// most for the deadline.
/// @tparam Sum adds on the device: device_sum of comm/device_sum.cuh, or the executor's own.
template <class Sum> class in_process_device {
public:
    static constexpr memory_space space = memory_space::device;
    static constexpr int most_ranks = 16;

    /// The handle of `host`'s rank, whose work goes onto `stream`. @throws error invalid_option, device, out_of_memory.
    in_process_device(in_process host, device_links& links, cudaStream_t stream, Sum sum = {}) : host_(host), links_(&links), sum_(sum)
    {
        if (links.size() != size() || size() > most_ranks)
            throw error(error_code::invalid_option, "ranks", std::to_string(size()), "must be those of the links, " + std::to_string(links.size()) + ", and at most " +
                std::to_string(most_ranks), {.rank = rank()});
        const device_scope current(links.device(), rank());
        mine().stream.emplace(stream, rank());
    }

    int rank() const noexcept { return host_.rank(); }
    int size() const noexcept { return host_.size(); }
    cudaStream_t stream() const { return mine().stream->get(); } ///< on which all calls are; an executor must use the same

    /// As in_process::all_reduce, on the stream.
    template <summable T>
        requires sums_on_stream<Sum, T>
    void all_reduce(std::type_identity_t<device_view<const T>> in, device_view<T> out) const
    {
        checks().require_reduction(in, out);
        call({.what = operation::all_reduce, .element = element_name<T>, .count = in.size(), .in = in.data(), .shared_bytes = in.size_bytes()}, [&] {
            const int own = chunk_owned_by(rank(), size());
            const ring_chunk chunk = chunk_of(in.size(), size(), own);
            if (chunk.size == 0) return;
            std::array<const T*, most_ranks> sources{};
            for (int peer = 0; peer < size(); ++peer) sources[static_cast<std::size_t>(peer)] = host_.sent_by<T>(peer) + chunk.offset;
            sum_(stream(), sources.data(), own, size(), chunk.size, reinterpret_cast<T*>(group().shared_) + chunk.offset);
        });
        copy(out.data(), group().shared_, out.size_bytes());
        host_.sent(ring_elements_sent(in.size(), size(), rank()) * sizeof(T));
    }

    /// As in_process::all_gather, on the stream; so are the next three.
    void all_gather(device_view<const std::byte> mine, device_view<std::byte> all) const
    {
        checks().require_places("all_gather.all", mine, all);
        checks().require_memory("all_gather.mine", mine);
        call({.what = operation::all_gather, .count = mine.size(), .in = mine.data()}, [&] { collect(mine.size(), all.data()); });
        host_.sent(host_.others() * mine.size());
    }
    void gather(device_view<const std::byte> mine, device_view<std::byte> all, int root) const
    {
        checks().require_root("gather.root", root);
        checks().require_memory("gather.mine", mine);
        if (rank() == root) checks().require_places("gather.all", mine, all);
        call({.what = operation::gather, .count = mine.size(), .root = root, .in = mine.data()}, [&] {
            if (rank() == root) collect(mine.size(), all.data());
        });
        host_.sent(rank() == root ? 0 : mine.size());
    }
    void broadcast(device_view<std::byte> data, int root) const
    {
        checks().require_root("broadcast.root", root);
        checks().require_memory("broadcast.data", data);
        call({.what = operation::broadcast, .count = data.size(), .root = root, .in = data.data()}, [&] {
            if (rank() != root) copy(data.data(), host_.sent_by<std::byte>(root), data.size());
        });
        host_.sent((rank() + 1) % size() == root ? 0 : data.size());
    }
    void all_to_all(device_view<const std::byte> in, device_view<std::byte> out) const
    {
        checks().require_blocks(in, out);
        const std::size_t block = in.size() / static_cast<std::size_t>(size());
        call({.what = operation::all_to_all, .count = in.size(), .in = in.data()}, [&] {
            for (int step = 0; step < size(); ++step) {
                const int peer = (rank() + step) % size();
                copy(out.data() + in_process::place(peer, block), host_.sent_by<std::byte>(peer) + in_process::place(rank(), block), block);
            }
        });
        host_.sent(host_.others() * block);
    }

    /// Returns once every rank has called it, and all that it had enqueued before is done.
    void barrier() const
    {
        wait(); // so nothing is left to drain when the meeting fails
        host_.barrier();
    }

    /// Returns once this rank's stream is idle. @throws error peer_timeout to all ranks when that takes longer than `within`; device.
    void wait() const { wait(group().options_.deadline); }
    void wait(std::chrono::microseconds within) const
    {
        refuse_capture();
        if (poll_until(clock::now() + within, [&] { return mine().stream->idle(); })) return;
        const error late(error_code::peer_timeout, "stream", "of rank " + std::to_string(rank()), "did not end within " + std::to_string(within.count()) + " us", {.rank = rank()});
        host_.fail(std::make_exception_ptr(late));
        throw late;
    }

    /// Small parts of device memory, as small_copies.hpp wants them; read() waits.
    void write(device_view<std::byte> to, std::span<const std::byte> from) const
    {
        refuse_capture();
        mine().stream->write(to, from, [this] { wait(); });
    }
    void read(std::span<std::byte> to, device_view<const std::byte> from, std::size_t stride, std::size_t rows) const
    {
        refuse_capture();
        mine().stream->read(to, from, stride, rows, [this] { wait(); });
    }

    std::uint64_t bytes_sent() const noexcept { return host_.bytes_sent(); }
    void fail(std::exception_ptr cause) const { host_.fail(std::move(cause)); }

private:
    using clock = std::chrono::steady_clock;

    argument_checks checks() const { return {rank(), size()}; }
    in_process_group& group() const { return *host_.group_; }
    device_links::end& mine() const { return links_->of(rank()); }

    /// One call: read() enqueues what reads the other ranks' inputs, between the two meetings.
    template <class Read> void call(const call_request& wanted, const Read& read) const
    {
        refuse_capture();
        const device_scope current(links_->device(), rank());
        record(mine().ready);
        try {
            group().begin(rank(), wanted);
            try {
                follow_all(&device_links::end::ready);
                read();
                record(mine().done);
            } catch (...) { // CUDA refused something: the others must learn of it in the second meeting
                host_.fail(std::current_exception());
                finish_failed();
                throw;
            }
            group().finish(rank());
        } catch (...) {
            drain();
            throw;
        }
        follow_all(&device_links::end::done); // later work of this rank may change what the others read
    }

    void finish_failed() const
    {
        try {
            group().finish(rank());
        } catch (const error&) { // what this rank has told the others itself
        }
    }

    void record(const cuda_event& event) const { check_cuda(cudaEventRecord(event.get(), stream()), "cudaEventRecord", rank()); }

    void follow_all(cuda_event device_links::end::*which) const
    {
        for (int peer = 0; peer < size(); ++peer)
            if (peer != rank()) check_cuda(cudaStreamWaitEvent(stream(), (links_->of(peer).*which).get(), 0), "cudaStreamWaitEvent", rank());
    }

    /// After a failure: until no stream reads this rank's buffers, or the deadline has passed.
    void drain() const
    {
        poll_until(clock::now() + group().options_.deadline, [&] {
            bool over = cudaStreamQuery(stream()) != cudaErrorNotReady;
            for (int peer = 0; peer < size(); ++peer) over &= cudaEventQuery(links_->of(peer).done.get()) != cudaErrorNotReady;
            return over;
        });
    }

    void refuse_capture() const
    {
        if (mine().stream->capturing())
            throw error(error_code::invalid_argument, "stream", "capturing", "calls between threads cannot be part of a CUDA graph", {.rank = rank()});
    }

    void copy(void* to, const void* from, std::size_t bytes) const
    {
        if (bytes > 0 && to != from) check_cuda(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream()), "cudaMemcpyAsync", rank());
    }
    void collect(std::size_t size_of_one, std::byte* all) const
    {
        for (int step = 0; step < size(); ++step) {
            const int peer = (rank() + step) % size();
            copy(all + in_process::place(peer, size_of_one), host_.sent_by<std::byte>(peer), size_of_one);
        }
    }

    in_process host_;
    device_links* links_;
    Sum sum_;
};

/// Runs function(in_process_device<Sum>) on `ranks` threads that share the current device, each with a stream of its own, as run_ranks does.
template <class Sum, class Function> void run_ranks_on_device(int ranks, Function&& function, in_process_options options = {}, Sum sum = {})
{
    device_links links(ranks);
    options.memory = [&](std::size_t bytes) { return links.memory(bytes); };
    const auto body = [&](in_process host) {
        struct owned_stream {
            cudaStream_t stream = nullptr;
            ~owned_stream()
            {
                if (stream != nullptr) static_cast<void>(cudaStreamDestroy(stream)); // what is under way still runs to its end
            }
        } mine;
        const device_scope current(links.device(), host.rank());
        check_cuda(cudaStreamCreateWithFlags(&mine.stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags", host.rank());
        function(in_process_device<Sum>(host, links, mine.stream, sum));
    };
    run_ranks(ranks, body, std::move(options));
}

} // namespace gradcomp::comm
