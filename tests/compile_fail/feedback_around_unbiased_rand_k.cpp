/// @file Error feedback around an operator that can expand.
// EXPECT: gradcomp: error feedback needs a contraction, and this compressor is none: what it leaves behind can grow without bound. Write its contractive form
#include <gradcomp/gradcomp.hpp>

namespace gc = gradcomp;

void train(gc::comm::in_process communicator, std::span<float> parameters)
{
#ifdef GRADCOMP_FAIL
    const gc::rand_k<gc::indices::shared_seed, gc::scaling::unbiased> compressor{.ratio = 4};
#else
    const gc::rand_k<gc::indices::shared_seed, gc::scaling::none> compressor{.ratio = 4};
#endif
    const gc::policy_stack stack{.compressor = compressor, .memory = gc::def{.lambda = 0.3}, .reducer = gc::ring{communicator}};
    stack.attach({{"w", {8, 8}}}, parameters);
}
