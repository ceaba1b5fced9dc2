/// @file Something else where the memory belongs.
// EXPECT: gradcomp: .memory is no error memory
#include <gradcomp/gradcomp.hpp>

namespace gc = gradcomp;

void train(gc::comm::in_process communicator, std::span<float> parameters)
{
#ifdef GRADCOMP_FAIL
    const gc::momentum memory;
#else
    const gc::ef<> memory;
#endif
    const gc::policy_stack stack{.compressor = gc::random_block{.ratio = 4}, .memory = memory, .reducer = gc::ring{communicator}};
    stack.attach({{"w", {8, 8}}}, parameters);
}
