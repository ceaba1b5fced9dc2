/// @file A ring over codes, whose sum is no code.
// EXPECT: gradcomp: a ring adds messages in flight, and the sum of this compressor's messages is no message
#include <gradcomp/gradcomp.hpp>

namespace gc = gradcomp;

void train(gc::comm::in_process communicator, std::span<float> parameters)
{
#ifdef GRADCOMP_FAIL
    const gc::policy_stack stack{.compressor = gc::natural<>{}, .reducer = gc::ring{communicator}};
#else
    const gc::policy_stack stack{.compressor = gc::natural<>{}, .reducer = gc::all_gather{communicator}};
#endif
    stack.attach({{"w", {8, 8}}}, parameters);
}
