/// @file Memory that an exchange takes once, in attach().
#pragma once

#include <gradcomp/core/error.hpp>

#include <cstdlib>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace gradcomp::exec {

namespace detail {

struct free_memory {
    void operator()(void* p) const { std::free(p); }
};
/// Memory on a cache line, untouched, or nullptr; much of it on huge pages where the system gives them, which sweeps feel.
inline void* take_memory(std::size_t bytes)
{
    constexpr std::size_t huge = std::size_t{2} << 20;
    const std::size_t align = bytes >= 2 * huge ? huge : 64, whole = (bytes + align - 1) / align * align;
    void* const at = std::aligned_alloc(align, whole);
#if defined(__linux__)
    if (at != nullptr && align == huge) madvise(at, whole, MADV_HUGEPAGE);
#endif
    return at;
}

} // namespace detail

/// A zeroed array in host memory, aligned to a cache line.
template <class T> class host_buffer {
    static_assert(std::is_trivially_copyable_v<T>);

public:
    host_buffer() = default;
    /// @throws error out_of_memory or size_overflow, with the bytes asked for.
    explicit host_buffer(std::size_t size) : size_(size)
    {
        if (size == 0) return;
        if (size > std::numeric_limits<std::size_t>::max() / 2 / sizeof(T))
            throw error(error_code::size_overflow, "elements", std::to_string(size), "the bytes of a buffer leave std::size_t");
        data_ = static_cast<T*>(detail::take_memory(size * sizeof(T)));
        if (data_ == nullptr) throw error(error_code::out_of_memory, "bytes", std::to_string(size * sizeof(T)), "this much host memory could not be taken");
        std::memset(static_cast<void*>(data_), 0, size * sizeof(T));
    }
    host_buffer(host_buffer&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    host_buffer& operator=(host_buffer&& other) noexcept
    {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~host_buffer() { std::free(data_); }

    T* data() { return data_; }
    const T* data() const { return data_; }
    std::size_t size() const { return size_; }
    std::size_t size_bytes() const { return size_ * sizeof(T); }
    std::span<T> span() { return {data_, size_}; }
    std::span<const T> span() const { return {data_, size_}; }

private:
    T* data_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace gradcomp::exec
