/// @file Any compressor as a function x -> C(x) of vectors of one length, its type erased; draws are numbered as they come.
#pragma once

#include <gradcomp/gradcomp.hpp>
#include <gradcomp/observe/operation.hpp>
#include <gradcomp/theory/measured.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

namespace apps::reproduce {

/// C on vectors of one length; each call is a fresh draw.
template <class T> struct operation {
    std::function<void(std::span<const T>, std::span<T>)> apply;
};

/// Bytes of a message for d elements of type T, without a run.
template <class T, class C> std::size_t message_bytes(const C& compressor, std::size_t d)
{
    return gradcomp::operation_of<T>(compressor, {{"x", {d}}}).message_bytes();
}

template <class T, class C> operation<T> operate(const C& compressor, std::size_t d, std::uint64_t seed = 1)
{
    auto one = std::make_shared<gradcomp::operation<T, C>>(compressor, gradcomp::tensor_list{{"x", {d}}}, seed);
    return {[one, draw = std::uint64_t{0}](std::span<const T> x, std::span<T> out) mutable { (*one)(x, out, draw++); }};
}

} // namespace apps::reproduce
