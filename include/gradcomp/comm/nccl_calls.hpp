/// @file NCCL's results as errors, its element types, and calls that may never return.
#pragma once

#include <gradcomp/comm/communicator.hpp>
#include <gradcomp/comm/failure.hpp>

#include <nccl.h>

#include <chrono>
#include <concepts>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#if NCCL_VERSION_CODE < NCCL_VERSION(2, 19, 0)
#error "gradcomp/nccl.hpp needs NCCL 2.19 or later: ncclCommRegister is missing from this one. NCCL 2.28 is what it is tested with."
#endif

namespace gradcomp::comm {

/// The oldest library that can be used; the headers' own check is above.
inline constexpr int oldest_nccl = NCCL_VERSION(2, 19, 0);

/// "2.28.9" for 22809.
inline std::string nccl_version_text(int code)
{
    return std::to_string(code / 10000) + "." + std::to_string(code / 100 % 100) + "." + std::to_string(code % 100);
}

/// @throws error configuration when the library that was loaded is too old.
inline void check_nccl_version(int rank)
{
    int version = 0;
    const ncclResult_t result = ncclGetVersion(&version);
    if (result != ncclSuccess || version < oldest_nccl)
        throw error(error_code::configuration, "NCCL", result == ncclSuccess ? nccl_version_text(version) : ncclGetErrorString(result),
            "the loaded library must be at least " + nccl_version_text(oldest_nccl) + "; the headers are " + nccl_version_text(NCCL_VERSION_CODE), {.rank = rank});
}

template <summable T> inline constexpr ncclDataType_t nccl_type = std::same_as<T, float> ? ncclFloat32
                                                                 : std::same_as<T, double> ? ncclFloat64
                                                                 : std::same_as<T, std::uint32_t> ? ncclUint32
                                                                                                  : ncclUint64;

/// Which of the library's errors a result of NCCL is.
inline error_code code_of(ncclResult_t result)
{
    switch (result) {
    case ncclInvalidArgument: return error_code::invalid_argument;
    case ncclInvalidUsage: return error_code::configuration;
    case ncclRemoteError: return error_code::peer_lost;
    default: return error_code::device;
    }
}

/// NCCL's own words for a result. Never the unique id, which is a secret.
inline std::string nccl_text(ncclResult_t result, ncclComm_t comm)
{
    const char* const last = ncclGetLastError(comm);
    std::string out = ncclGetErrorString(result);
    if (last != nullptr && *last != '\0') out += std::string("; ") + last;
    return out;
}

/// Keeps an object until the process ends: NCCL may still write into what a call that was given up has brought.
inline void keep_for_good(std::shared_ptr<void> object)
{
    static std::mutex mutex;
    static auto* const all = new std::vector<std::shared_ptr<void>>; // not destroyed at exit either
    const std::lock_guard lock(mutex);
    all->push_back(std::move(object));
}

/// What became of a call on a thread of its own.
enum class helper_outcome { done, failed, hanging };

/// Runs call() on a thread of its own and waits for it at most `patience`.
///
/// A call that does not return in time keeps its thread, and `call` with all it owns, until it does; so it must own all it uses.
template <class Call>
    requires std::convertible_to<std::invoke_result_t<Call&>, ncclResult_t>
helper_outcome with_patience(std::chrono::microseconds patience, Call call)
{
    struct state {
        explicit state(Call&& what) : run(std::move(what)) {}
        Call run;
        std::mutex mutex;
        std::condition_variable changed;
        bool over = false;
        ncclResult_t result = ncclSuccess;
    };
    const auto shared = std::make_shared<state>(std::move(call));
    std::thread([shared] {
        const ncclResult_t result = shared->run();
        const std::lock_guard lock(shared->mutex);
        shared->result = result;
        shared->over = true;
        shared->changed.notify_all();
    }).detach();
    std::unique_lock lock(shared->mutex);
    if (!shared->changed.wait_for(lock, patience, [&] { return shared->over; })) return helper_outcome::hanging;
    return shared->result == ncclSuccess || shared->result == ncclInProgress ? helper_outcome::done : helper_outcome::failed;
}

} // namespace gradcomp::comm
