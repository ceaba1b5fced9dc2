/// @file No memory with a biased compressor.
// EXPECT: gradcomp: memory `none` forgets what this biased compressor drops, and such a run can diverge exponentially. Write .memory = gc::ef{} or gc::def{.lambda = 0.3}
#include <gradcomp/gradcomp.hpp>

namespace gc = gradcomp;

void train(gc::comm::in_process communicator, std::span<float> parameters)
{
#ifdef GRADCOMP_FAIL
    const gc::none<> memory;
#else
    const gc::ef<> memory;
#endif
    const gc::policy_stack stack{.compressor = gc::top_k{.ratio = 4}, .memory = memory, .reducer = gc::all_gather{communicator}};
    stack.attach({{"w", {8, 8}}}, parameters);
}
