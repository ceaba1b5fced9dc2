/// @file CSER whose error is reset through a compressor that is no contraction.
// EXPECT: gradcomp: gc::cser resets its error through a compressor of its own, which must be a contraction
#include <gradcomp/gradcomp.hpp>

namespace gc = gradcomp;

void train(gc::comm::in_process communicator, std::span<float> parameters)
{
#ifdef GRADCOMP_FAIL
    const gc::sign<gc::sign_scale::none> reset;
#else
    const gc::sign<gc::sign_scale::mean> reset;
#endif
    const gc::policy_stack stack{.compressor = gc::top_k{.ratio = 64}, .memory = gc::cser{.reset = reset, .every = 4}, .reducer = gc::all_gather{communicator}, .local = gc::momentum{}};
    stack.attach({{"w", {8, 8}}}, parameters);
}
