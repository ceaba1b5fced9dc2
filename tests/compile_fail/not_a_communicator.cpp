/// @file A reducer over something that cannot exchange messages.
// EXPECT: gradcomp: what the reducer holds is no communicator
#include <gradcomp/gradcomp.hpp>

namespace gc = gradcomp;

void train(gc::comm::in_process communicator, std::span<float> parameters)
{
#ifdef GRADCOMP_FAIL
    const gc::ring reducer{communicator.rank()};
#else
    const gc::ring reducer{communicator};
#endif
    const gc::policy_stack stack{.compressor = gc::random_block{.ratio = 4}, .memory = gc::ef{}, .reducer = reducer};
    stack.attach({{"w", {8, 8}}}, parameters);
}
