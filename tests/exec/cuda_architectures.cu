// The kernels of a step, compiled for every supported architecture and to PTX. Nothing here runs.
#include <gradcomp/exec/cuda/engines.cuh>
#include <gradcomp/exec/cuda/subset.cuh>
#include <gradcomp/exec/cuda/top_k.cuh>

#include <gradcomp/compress/identity.hpp>
#include <gradcomp/compress/rand_k.hpp>
#include <gradcomp/compress/random_block.hpp>
#include <gradcomp/compress/top_k.hpp>
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
    const auto rule = gc::exec::bind_step(on, gc::recurrence_rule<T, Gradient, Direction, true, Point, false>(direction), at);
    coder.encode(on, gc::exec::packed_rule<std::remove_const_t<decltype(rule)>>{rule}, at, nullptr, {});
    coder.check(on, nullptr);
    coder.decode(on, nullptr, gc::exec::bind_step(on, gc::stack::update_target<T, Point>{}, at));
}

void all_steps()
{
    using plain = gc::plain_gradient::direction<float, false>;
    using momentum = gc::momentum::direction<float, true>;
    one_step<float, float, plain, false>(gc::random_block{}, plain(gc::plain_gradient{}));
    one_step<float, __half, momentum, true>(gc::random_block{}, momentum(gc::momentum{}));
    one_step<float, __nv_bfloat16, momentum, true>(gc::identity{}, momentum(gc::momentum{}));
    one_step<double, double, gc::momentum::direction<double, false>, true>(gc::random_block{}, gc::momentum::direction<double, false>(gc::momentum{}));
}

void all_selections()
{
    using plain = gc::plain_gradient::direction<float, false>;
    one_step<float, float, plain, false>(gc::top_k{}, plain(gc::plain_gradient{}));
    one_step<float, float, plain, false>(gc::rand_k<gc::indices::shared_seed, gc::scaling::none>{}, plain(gc::plain_gradient{}));
    one_step<float, __half, plain, true>(gc::top_k{}, plain(gc::plain_gradient{}));
}
