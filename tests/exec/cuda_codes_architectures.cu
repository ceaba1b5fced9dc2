// The kernels of quantizers, of late choices and of low-rank factors, compiled for every supported architecture and to PTX. Nothing here runs.
#include "cuda_one_step.cuh"

#include <gradcomp/exec/cuda/block_norms.cuh>
#include <gradcomp/exec/cuda/chain.cuh>
#include <gradcomp/exec/cuda/chunks.cuh>
#include <gradcomp/exec/cuda/dct.cuh>
#include <gradcomp/exec/cuda/low_rank.cuh>
#include <gradcomp/exec/cuda/sign.cuh>
#include <gradcomp/exec/cuda/subset.cuh>
#include <gradcomp/exec/cuda/threshold.cuh>

#include <gradcomp/compress/adaptive_random.hpp>
#include <gradcomp/compress/block_top_k.hpp>
#include <gradcomp/compress/chain.hpp>
#include <gradcomp/compress/chunked_top_k.hpp>
#include <gradcomp/compress/dct_top_k.hpp>
#include <gradcomp/compress/low_rank.hpp>
#include <gradcomp/compress/min_max.hpp>
#include <gradcomp/compress/natural.hpp>
#include <gradcomp/compress/qsgd.hpp>
#include <gradcomp/compress/rand_k.hpp>
#include <gradcomp/compress/random_block.hpp>
#include <gradcomp/compress/sign.hpp>
#include <gradcomp/compress/threshold.hpp>

using plain = gc::plain_gradient::direction<float, false>;
using momentum = gc::momentum::direction<float, true>;

void all_codes()
{
    one_step<float, float, plain, false>(gc::sign<>{}, plain(gc::plain_gradient{}));
    one_step<float, float, plain, false>(gc::qsgd<>{}, plain(gc::plain_gradient{}));
    one_step<float, __half, momentum, true>(gc::min_max<>{}, momentum(gc::momentum{}));
    one_step<double, double, gc::momentum::direction<double, false>, true>(gc::natural<>{}, gc::momentum::direction<double, false>(gc::momentum{}));
    one_step<float, float, plain, false>(gc::chain<gc::random_block, gc::natural<>>{}, plain(gc::plain_gradient{}));
}

void all_late_choices()
{
    one_step<float, float, plain, false>(gc::adaptive_random{}, plain(gc::plain_gradient{}));
    one_step<float, float, plain, false>(gc::threshold<>{}, plain(gc::plain_gradient{}));
    one_step<float, float, plain, false>(gc::block_top_k{}, plain(gc::plain_gradient{}));
    one_step<double, double, gc::momentum::direction<double, false>, true>(gc::block_top_k{}, gc::momentum::direction<double, false>(gc::momentum{}));
    one_step<float, float, plain, false>(gc::chunked_top_k{}, plain(gc::plain_gradient{}));
    one_step<double, double, gc::momentum::direction<double, false>, true>(gc::chunked_top_k{}, gc::momentum::direction<double, false>(gc::momentum{}));
    one_step<float, float, plain, false>(gc::dct_top_k<>{}, plain(gc::plain_gradient{}));
    one_step<double, double, gc::momentum::direction<double, false>, true>(gc::dct_top_k<>{}, gc::momentum::direction<double, false>(gc::momentum{}));
    one_step<float, float, plain, false>(gc::chain<gc::chunked_top_k, gc::min_max<gc::rounding::nearest>>{}, plain(gc::plain_gradient{}));
    one_step<float, float, plain, false>(gc::chain<gc::threshold<>, gc::natural<>>{}, plain(gc::plain_gradient{}));
    one_step<float, float, plain, false>(gc::chain<gc::rand_k<>, gc::natural<>>{}, plain(gc::plain_gradient{}));
}

void all_factors()
{
    one_step<float, float, plain, false>(gc::low_rank{}, plain(gc::plain_gradient{}));
    one_step<float, __half, momentum, true>(gc::low_rank{}, momentum(gc::momentum{}));
}
