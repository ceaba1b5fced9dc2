/// @file Ranks as threads, each with a stream and device memory of the stand-in.
#pragma once

#include "cuda.hpp"
#include "nccl.hpp"

#include <gradcomp/core/error.hpp>
#include <gradcomp/core/view.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <thread>
#include <vector>

namespace stand_in {

/// A stream that ends with the object. What hangs on it must have been let go before.
struct owned_stream {
    cudaStream_t stream = nullptr;
    owned_stream() { cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking); }
    owned_stream(const owned_stream&) = delete;
    owned_stream& operator=(const owned_stream&) = delete;
    ~owned_stream() { cudaStreamDestroy(stream); }
    operator cudaStream_t() const { return stream; }
};

/// An array in "device memory". Filling and reading it go through the stream, as they would on a device.
template <class T> class device_array {
public:
    device_array(cudaStream_t stream, std::size_t size) : stream_(stream), size_(size)
    {
        void* at = nullptr;
        cudaMalloc(&at, size * sizeof(T));
        data_.reset(static_cast<T*>(at), cudaFree);
    }
    device_array(cudaStream_t stream, const std::vector<T>& values) : device_array(stream, values.size()) { fill(values); }
    device_array(const device_array&) = delete;
    device_array& operator=(const device_array&) = delete;

    /// After what is on the stream already, as a kernel would; the memory lives until it is done.
    void fill(std::vector<T> values)
    {
        launch(stream_, [to = data_, values = std::move(values)] { std::copy(values.begin(), values.end(), to.get()); });
    }
    /// Waits for the stream.
    std::vector<T> values() const
    {
        cudaStreamSynchronize(stream_);
        return {data(), data() + size_};
    }
    T* data() const { return data_.get(); }
    gradcomp::device_view<T> view() const { return {data(), size_}; }
    operator gradcomp::device_view<T>() const { return view(); }
    operator gradcomp::device_view<const T>() const { return {data(), size_}; }

private:
    cudaStream_t stream_;
    std::size_t size_;
    std::shared_ptr<T> data_;
};

/// Runs body(rank) on a thread per rank, on device `rank`. @return the error that each rank threw, if any.
inline std::vector<std::optional<gradcomp::error>> on_ranks(int ranks, const std::function<void(int)>& body)
{
    std::vector<std::optional<gradcomp::error>> errors(static_cast<std::size_t>(ranks));
    std::vector<std::thread> threads;
    for (int rank = 0; rank < ranks; ++rank)
        threads.emplace_back([&, rank] {
            cudaSetDevice(rank % 8);
            try {
                body(rank);
            } catch (const gradcomp::error& problem) {
                errors[static_cast<std::size_t>(rank)] = problem;
            }
        });
    for (std::thread& thread : threads) thread.join();
    return errors;
}

/// A fresh id, as rank 0 would make it.
inline ncclUniqueId new_id()
{
    ncclUniqueId id;
    ncclGetUniqueId(&id);
    return id;
}

} // namespace stand_in
