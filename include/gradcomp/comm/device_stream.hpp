/// @file A CUDA stream on which a communicator enqueues, with a little pinned memory for what host code writes and reads.
#pragma once

#include <gradcomp/comm/cuda_calls.hpp>
#include <gradcomp/core/view.hpp>

#include <cstring>
#include <span>

namespace gradcomp::comm {

/// The user's stream. It is not owned, and must outlive this.
///
/// Copies go through pinned memory, for a copy from pageable memory may wait for the stream, without any deadline.
class device_stream {
public:
    static constexpr std::size_t pinned_bytes = std::size_t{1} << 16;

    device_stream(cudaStream_t stream, int rank) : stream_(stream), rank_(rank), device_(current_device(rank)), pinned_(pinned_bytes, rank) {}

    cudaStream_t get() const { return stream_; }
    int device() const { return device_; }
    bool capturing() const { return is_capturing(stream_, rank_); }

    /// Whether all that was enqueued has been done. @throws error device when it failed. Not while capturing.
    bool idle() const
    {
        const cudaError_t status = cudaStreamQuery(stream_);
        if (status == cudaErrorNotReady) return false;
        check_cuda(status, "work on the stream, of this communicator or before it", rank_);
        return true;
    }

    /// Enqueues the copy of a few bytes. `wait` waits for the stream when all pinned memory is under way.
    template <class Wait> void write(device_view<std::byte> to, std::span<const std::byte> from, const Wait& wait)
    {
        if (from.empty()) return;
        std::byte* const place = take(from.size(), wait);
        std::memcpy(place, from.data(), from.size());
        check_cuda(cudaMemcpyAsync(to.data(), place, from.size(), cudaMemcpyHostToDevice, stream_), "cudaMemcpyAsync", rank_);
    }

    /// Fills `to` with to.size() / rows bytes from each of `rows` places, `stride` bytes apart, once `wait` has waited for the stream.
    template <class Wait> void read(std::span<std::byte> to, device_view<const std::byte> from, std::size_t stride, std::size_t rows, const Wait& wait)
    {
        if (to.empty()) return;
        const std::size_t width = to.size() / rows;
        std::byte* const place = take(to.size(), wait);
        check_cuda(cudaMemcpy2DAsync(place, width, from.data(), std::max(stride, width), width, rows, cudaMemcpyDeviceToHost, stream_), "cudaMemcpy2DAsync", rank_);
        wait();
        std::memcpy(to.data(), place, to.size());
        used_ = 0; // the stream is idle: nothing is under way
    }

    /// A failed stream may still write there.
    void leak() { pinned_.leak(); }

private:
    template <class Wait> std::byte* take(std::size_t bytes, const Wait& wait)
    {
        if (bytes > pinned_bytes) throw error(error_code::invalid_argument, "bytes", std::to_string(bytes), "are too many for a small copy", {.rank = rank_});
        if (used_ + bytes > pinned_bytes) {
            wait();
            used_ = 0;
        }
        std::byte* const place = pinned_.data() + used_;
        used_ += (bytes + 15) / 16 * 16;
        return place;
    }

    cudaStream_t stream_;
    int rank_, device_;
    pinned_block pinned_;
    std::size_t used_ = 0; ///< pinned bytes whose copies may be under way
};

} // namespace gradcomp::comm
