/// @file Memory that NCCL knows, so that it can skip a copy into buffers of its own.
#pragma once

#include <gradcomp/comm/communicator.hpp>

#include <nccl.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

namespace gradcomp::comm {

/// The buffers that one group of NCCL knows; whoever goes first, a registration or the session, ends them.
class nccl_registry {
public:
    void add(ncclComm_t comm, void* handle)
    {
        comm_ = comm;
        handles_.push_back(handle);
    }
    void end(void* handle) noexcept
    {
        if (std::erase(handles_, handle) > 0) static_cast<void>(ncclCommDeregister(comm_, handle));
    }
    void end_all() noexcept
    {
        while (!handles_.empty()) end(handles_.back());
    }
    void forget_all() noexcept { handles_.clear(); } ///< of a group that is going

private:
    ncclComm_t comm_ = nullptr;
    std::vector<void*> handles_;
};

/// A buffer is registered while this lives and the session is open; to be destroyed before the buffer, by the session's thread.
class [[nodiscard]] nccl_registration {
public:
    nccl_registration() = default; ///< of nothing
    nccl_registration(const std::shared_ptr<nccl_registry>& with, void* handle) : with_(with), handle_(handle) {}
    nccl_registration(nccl_registration&& other) noexcept : with_(std::move(other.with_)), handle_(std::exchange(other.handle_, nullptr)) {}
    nccl_registration& operator=(nccl_registration&& other) noexcept
    {
        std::swap(with_, other.with_);
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~nccl_registration()
    {
        if (const auto with = with_.lock(); with && handle_ != nullptr) with->end(handle_);
    }

private:
    std::weak_ptr<nccl_registry> with_;
    void* handle_ = nullptr;
};

} // namespace gradcomp::comm
