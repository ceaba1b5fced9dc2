/// @file A ring cannot add the messages of the compressor that docs/write_a_compressor.md builds.
// EXPECT: gradcomp: a ring adds messages in flight, and the sum of this compressor's messages is no message, because each rank sends coordinates of its own.
#include "../../examples/ternary.hpp"

namespace gc = gradcomp;

void train(gc::comm::in_process communicator, std::span<float> parameters)
{
#ifdef GRADCOMP_FAIL
    const gc::ring reducer{communicator};
#else
    const gc::all_gather reducer{communicator};
#endif
    const gc::policy_stack stack{.compressor = own::ternary{}, .memory = gc::ef{}, .reducer = reducer};
    stack.attach({{"w", {8, 8}}}, parameters);
}
