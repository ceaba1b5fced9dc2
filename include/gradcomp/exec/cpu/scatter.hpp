/// @file Decoding on the CPU: the values of a message go to a target, a scalar function of (element, value).
#pragma once

#include <gradcomp/core/config.hpp>
#include <gradcomp/core/error.hpp>
#include <gradcomp/core/layout.hpp>
#include <gradcomp/exec/cpu/team.hpp>
#include <gradcomp/exec/engines.hpp>

#include <cstring>
#include <string>

#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpass-failed" // a build without optimisation leaves these loops as they are
#endif

namespace gradcomp::exec {

/// Bytes of a dense vector that is stored past the caches.
inline constexpr std::size_t beyond_caches = std::size_t{16} << 20;

namespace detail {

template <class Target, class T> struct apply_body {
    Target to;
    const T* value;
    std::size_t first, count;
    template <isa> GRADCOMP_INLINE void run() const
    {
        const Target f = to;
        const T* const v = value;
        const std::size_t offset = first;
        GRADCOMP_INDEPENDENT
        for (std::size_t i = 0; i < count; ++i) f(offset + i, v[i]);
    }
};

template <class F> struct index_body {
    F f;
    std::size_t begin, end;
    template <isa> GRADCOMP_INLINE void run() const
    {
        const F g = f;
        GRADCOMP_INDEPENDENT
        for (std::size_t i = begin; i < end; ++i) g(i);
    }
};

} // namespace detail

/// f(i) for i in [0, n), independent of each other.
template <class F> void for_each(const cpu_team& team, std::size_t n, const F& f)
{
    const std::size_t members = team.members_for(n);
    team.run(members, [&](std::size_t t) { at_level(team.level(), detail::index_body<F>{f, n / members * t, t + 1 == members ? n : n / members * (t + 1)}); });
}

/// to(first + i, value[i]) for i in [0, count).
template <class T, target<T> Target> void apply_run(const cpu_team& team, Target to, std::size_t first, const T* value, std::size_t count)
{
    const std::size_t members = team.members_for(count);
    team.run(members, [&](std::size_t t) {
        const std::size_t begin = count / members * t, end = t + 1 == members ? count : count / members * (t + 1);
        at_level(team.level(), detail::apply_body<Target, T>{to, value + begin, first + begin, end - begin});
    });
}

/// Bytes that a message does not use are zeros.
inline void clear(const cpu_team&, std::byte* at, std::size_t bytes)
{
    if (bytes > 0) std::memset(at, 0, bytes);
}
/// @throws error bad_message unless bytes [from, to) of a message are 0.
inline void check_zeros(const cpu_team&, const std::byte* message, std::size_t from, std::size_t to)
{
    for (; from < to; ++from)
        if (message[from] != std::byte{0})
            throw error(error_code::bad_message, "byte[" + std::to_string(from) + "]", std::to_string(std::to_integer<int>(message[from])), "must be 0: nothing stands here");
}

} // namespace gradcomp::exec

#if defined(__clang__)
#pragma clang diagnostic pop
#endif
