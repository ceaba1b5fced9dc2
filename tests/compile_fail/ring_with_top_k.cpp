/// @file A ring over messages whose coordinates differ between ranks.
// EXPECT: gradcomp: a ring adds messages in flight, and the sum of this compressor's messages is no message, because each rank sends coordinates of its own. Write .reducer = gc::all_gather{communicator}
#include <gradcomp/gradcomp.hpp>

namespace gc = gradcomp;

void train(gc::comm::in_process communicator, std::span<float> parameters)
{
#ifdef GRADCOMP_FAIL
    const gc::ring reducer{communicator};
#else
    const gc::all_gather reducer{communicator};
#endif
    const gc::policy_stack stack{.compressor = gc::top_k{.ratio = 4}, .memory = gc::ef{}, .reducer = reducer};
    stack.attach({{"w", {8, 8}}}, parameters);
}
