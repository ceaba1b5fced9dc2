/// @file Something else where the reducer belongs.
// EXPECT: gradcomp: .reducer is no reducer
#include <gradcomp/gradcomp.hpp>

namespace gc = gradcomp;

void train(gc::comm::in_process communicator, std::span<float> parameters)
{
#ifdef GRADCOMP_FAIL
    const gc::comm::in_process reducer = communicator;
#else
    const gc::ring<gc::comm::in_process> reducer{communicator};
#endif
    const gc::policy_stack stack{.compressor = gc::random_block{.ratio = 4}, .memory = gc::ef{}, .reducer = reducer};
    stack.attach({{"w", {8, 8}}}, parameters);
}
