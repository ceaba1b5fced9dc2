/// @file CSER's second exchange has no way through a root that alone updates x.
// EXPECT: gradcomp: gc::cser needs a local rule that keeps state (gc::momentum; beta may be 0), .server = gc::descent{}, and .reducer = gc::all_gather{communicator}
#include <gradcomp/gradcomp.hpp>

namespace gc = gradcomp;

void train(gc::comm::in_process communicator, std::span<float> parameters)
{
#ifdef GRADCOMP_FAIL
    const gc::gather_to_root reducer{communicator};
#else
    const gc::all_gather reducer{communicator};
#endif
    const gc::policy_stack stack{.compressor = gc::top_k{.ratio = 64}, .memory = gc::cser{.reset = gc::top_k{.ratio = 8}, .every = 4}, .reducer = reducer, .local = gc::momentum{}};
    stack.attach({{"w", {8, 8}}}, parameters);
}
