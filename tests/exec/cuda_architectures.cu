// The kernels of a step, compiled for every supported architecture and to PTX. Nothing here runs.
#include "cuda_one_step.cuh"

#include <gradcomp/exec/cuda/subset.cuh>
#include <gradcomp/exec/cuda/top_k.cuh>

#include <gradcomp/compress/identity.hpp>
#include <gradcomp/compress/rand_k.hpp>
#include <gradcomp/compress/random_block.hpp>
#include <gradcomp/compress/top_k.hpp>

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
