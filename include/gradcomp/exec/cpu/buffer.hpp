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

/// A zeroed array in host memory, aligned to a cache line; a large one asks for huge pages, which sweeps feel.
template <class T> class host_buffer {
    static_assert(std::is_trivially_copyable_v<T>);

public:
    host_buffer() = default;
    /// @throws error out_of_memory or size_overflow, with the bytes asked for.
    explicit host_buffer(std::size_t size) : size_(size)
    {
        if (size == 0) return;
        constexpr std::size_t huge = std::size_t{2} << 20;
        if (size > std::numeric_limits<std::size_t>::max() / 2 / sizeof(T))
            throw error(error_code::size_overflow, "elements", std::to_string(size), "the bytes of a buffer leave std::size_t");
        const std::size_t align = size * sizeof(T) >= 2 * huge ? huge : 64;
        const std::size_t bytes = (size * sizeof(T) + align - 1) / align * align;
        data_ = static_cast<T*>(std::aligned_alloc(align, bytes));
        if (data_ == nullptr) throw error(error_code::out_of_memory, "bytes", std::to_string(bytes), "this much host memory could not be taken");
#if defined(__linux__)
        if (align == huge) madvise(static_cast<void*>(data_), bytes, MADV_HUGEPAGE);
#endif
        std::memset(static_cast<void*>(data_), 0, bytes);
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
