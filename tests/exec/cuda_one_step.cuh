/// @file One step of one coder as an exchange takes it, so that a program compiles its kernels. Nothing here runs.
#pragma once

#include <gradcomp/exec/cuda/engines.cuh>

#include <gradcomp/memory/recurrence.hpp>
#include <gradcomp/optim/momentum.hpp>
#include <gradcomp/optim/plain_gradient.hpp>
#include <gradcomp/stack/streams.hpp>

namespace gc = gradcomp;

template <class T, class Gradient, class Direction, bool Point, class Compressor> void one_step(const Compressor& compressor, const Direction& direction)
{
    const gc::exec::cuda_stream on;
    const gc::tensor_list list;
    const std::vector<std::size_t> tensors;
    auto coder = compressor.template start<T>(on, gc::coder_start{&list, &tensors, 1, 0});
    const gc::exec::device_step<T> at;
    gc::exec::unscaled_rule rule(gc::exec::bind_step(on, gc::recurrence_rule<T, Gradient, Direction, true, Point, false>(direction), at), static_cast<const T*>(nullptr));
    const gc::exec::packed_rule<decltype(rule)> rules{rule};
    auto tally = coder.encode(on, rules, at, nullptr, {});
    if constexpr (Compressor::rounds > 1) {
        coder.encode_next(on, rules, at, 1, nullptr, nullptr, {}, tally);
        coder.accept(on, at, nullptr);
    }
    coder.check(on, nullptr);
    coder.decode(on, nullptr, gc::exec::bind_step(on, gc::stack::update_target<T, Point>{}, at));
}
