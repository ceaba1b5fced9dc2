/// @file A span that knows in which memory it lies, so that host and device pointers cannot be mixed up.
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>

namespace gradcomp {

/// Where memory lies. `device` memory may not be read by host code.
enum class memory_space { host, device };

/// A pointer and a count of elements in one memory space.
template <class T, memory_space Space> class view {
public:
    using element_type = T;
    static constexpr memory_space space = Space;

    constexpr view() = default;
    constexpr view(T* data, std::size_t size) : data_(data), size_(size) {}
    /// Host memory converts from std::span and from contiguous containers.
    template <class Range>
        requires(Space == memory_space::host && std::convertible_to<Range &&, std::span<T>>)
    constexpr view(Range&& range) : data_(std::span<T>(range).data()), size_(std::span<T>(range).size())
    {
    }
    /// A view of mutable elements is also one of const elements.
    template <class U>
        requires(!std::is_const_v<U> && std::same_as<const U, T>)
    constexpr view(view<U, Space> mutable_view) : data_(mutable_view.data()), size_(mutable_view.size())
    {
    }

    constexpr T* data() const { return data_; }
    constexpr std::size_t size() const { return size_; }
    constexpr std::size_t size_bytes() const { return size_ * sizeof(T); }
    constexpr bool empty() const { return size_ == 0; }
    /// Elements [offset, offset + count).
    constexpr view part(std::size_t offset, std::size_t count) const { return {data_ + offset, count}; }
    constexpr std::span<T> span() const
        requires(Space == memory_space::host)
    {
        return {data_, size_};
    }

private:
    T* data_ = nullptr;
    std::size_t size_ = 0;
};

template <class T> using host_view = view<T, memory_space::host>;
template <class T> using device_view = view<T, memory_space::device>;

} // namespace gradcomp
