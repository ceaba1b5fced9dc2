/// @file A number for what a policy is: its type and the values of its options, so that peers with another one show.
#pragma once

#include <gradcomp/core/frame.hpp>

#include <iterator>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#ifdef __cpp_rtti
#include <typeinfo>
#endif

namespace gradcomp {
namespace detail {

/// Stands for a value of any type where only the number of values counts.
struct anything {
    template <class U> operator U() const;
};
template <class A, std::size_t... N> constexpr bool takes_values(std::index_sequence<N...>)
{
    return requires { A{(static_cast<void>(N), anything{})...}; };
}
/// How many members an aggregate without base classes has, at most 8.
template <class A, std::size_t N = 8> constexpr std::size_t count_members()
{
    if constexpr (N == 0 || takes_values<A>(std::make_index_sequence<N>{})) return N;
    else return count_members<A, N - 1>();
}
/// The members of an aggregate.
template <class A> auto members_of(const A& all)
{
    constexpr std::size_t n = count_members<A>();
    if constexpr (n == 0) return std::tuple<>();
    else if constexpr (n == 1) { const auto& [a] = all; return std::tie(a); }
    else if constexpr (n == 2) { const auto& [a, b] = all; return std::tie(a, b); }
    else if constexpr (n == 3) { const auto& [a, b, c] = all; return std::tie(a, b, c); }
    else if constexpr (n == 4) { const auto& [a, b, c, d] = all; return std::tie(a, b, c, d); }
    else if constexpr (n == 5) { const auto& [a, b, c, d, e] = all; return std::tie(a, b, c, d, e); }
    else if constexpr (n == 6) { const auto& [a, b, c, d, e, f] = all; return std::tie(a, b, c, d, e, f); }
    else if constexpr (n == 7) { const auto& [a, b, c, d, e, f, g] = all; return std::tie(a, b, c, d, e, f, g); }
    else { const auto& [a, b, c, d, e, f, g, h] = all; return std::tie(a, b, c, d, e, f, g, h); }
}

template <class V> inline constexpr bool is_tuple = false;
template <class... V> inline constexpr bool is_tuple<std::tuple<V...>> = true;

/// The hash of what came before and a value: numbers by their bytes, text and lists with their length, everything else member by member.
template <class V> std::uint32_t hash_value(const V& value, std::uint32_t before)
{
    const auto bytes = [](const auto& of, std::uint32_t hash) { return crc32c(std::as_bytes(std::span(&of, 1)), hash); };
    if constexpr (std::is_arithmetic_v<V> || std::is_enum_v<V>) {
        return bytes(value, before);
    } else if constexpr (std::convertible_to<V, std::string_view>) {
        const std::string_view text = value;
        return crc32c(std::as_bytes(std::span(text)), bytes(std::uint64_t{text.size()}, before));
    } else if constexpr (requires { value.begin(); value.end(); }) {
        std::uint32_t hash = bytes(static_cast<std::uint64_t>(std::distance(value.begin(), value.end())), before);
        for (const auto& one : value) hash = hash_value(one, hash);
        return hash;
    } else if constexpr (requires { value.has_value(); *value; }) {
        return value ? hash_value(*value, bytes(true, before)) : bytes(false, before);
    } else if constexpr (is_tuple<V>) {
        return std::apply([before](const auto&... one) mutable { return ((before = hash_value(one, before)), ..., before); }, value);
    } else if constexpr (requires { value.options(); }) {
        return hash_value(value.options(), before);
    } else if constexpr (std::is_aggregate_v<V>) {
        return hash_value(members_of(value), before);
    } else {
        return before; // a closure: its type says all that can be said
    }
}

/// The mangled name; as the compiler spells it where there is no RTTI.
template <class V> std::string_view name_of_type()
{
#ifdef __cpp_rtti
    return typeid(V).name();
#else
    return __PRETTY_FUNCTION__;
#endif
}

} // namespace detail

/// A number that two policies share only by chance (1 in 2^32) unless their types agree and their options have the same values: of the type's mangled name,
/// which GCC and Clang write alike, and of the members of an aggregate, and theirs. A class that is no aggregate, or has bases, names its options by a member
/// options() that gives a std::tuple. Without RTTI it is of the name as that compiler spells it: only programs of one compiler, all without RTTI, agree.
template <class Policy> std::uint32_t kind_of(const Policy& policy)
{
    return detail::hash_value(policy, detail::hash_value(detail::name_of_type<Policy>(), 0));
}

} // namespace gradcomp
