/// @file What ranks on one GPU share beside an in_process_group: their streams, and the events that order them.
#pragma once

#include <gradcomp/comm/device_stream.hpp>

#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace gradcomp::comm {

/// A CUDA event without timing.
class cuda_event {
public:
    explicit cuda_event(int rank) { check_cuda(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "cudaEventCreateWithFlags", rank); }
    cuda_event(cuda_event&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}
    cuda_event& operator=(cuda_event&& other) noexcept
    {
        std::swap(event_, other.event_);
        return *this;
    }
    ~cuda_event()
    {
        if (event_ != nullptr) static_cast<void>(cudaEventDestroy(event_));
    }
    cudaEvent_t get() const { return event_; }

private:
    cudaEvent_t event_ = nullptr;
};

/// Two events and a stream for each of `ranks` ranks on the current device. It must outlive every handle and the group itself.
class device_links {
public:
    /// @throws error device without a device, out_of_memory.
    explicit device_links(int ranks) : device_(current_device(-1))
    {
        for (int rank = 0; rank < ranks; ++rank) ends_.push_back({cuda_event(rank), cuda_event(rank), std::nullopt});
    }
    device_links(const device_links&) = delete;
    device_links& operator=(const device_links&) = delete;

    int device() const { return device_; }
    int size() const { return static_cast<int>(ends_.size()); }

    /// For in_process_options::memory. A block is kept until the links end, for work that is under way may still use one that has been replaced.
    std::byte* memory(std::size_t bytes)
    {
        try {
            const std::lock_guard lock(mutex_);
            const device_scope current(device_);
            blocks_.emplace_back(bytes, -1);
            return blocks_.back().data();
        } catch (...) {
            return nullptr;
        }
    }

private:
    template <class> friend class in_process_device;
    struct end {
        cuda_event ready; ///< this rank's input of the present call is there, and it has copied the sums of the call before
        cuda_event done;  ///< it has read what it reads of the others' inputs
        std::optional<device_stream> stream;
    };
    end& of(int rank) { return ends_[static_cast<std::size_t>(rank)]; }

    int device_;
    std::vector<end> ends_;
    std::mutex mutex_;
    std::vector<device_block> blocks_;
};

} // namespace gradcomp::comm
