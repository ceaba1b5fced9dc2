/// @file EF21's memory with a server that does not add its messages up.
// EXPECT: gradcomp: gc::ef21 and gc::econtrol send what an estimate lacks, and only gc::estimate adds such messages up: write both, such a memory and .server = gc::estimate{}, or neither.
#include <gradcomp/gradcomp.hpp>

namespace gc = gradcomp;

void train(gc::comm::in_process communicator, std::span<float> parameters)
{
#ifdef GRADCOMP_FAIL
    const gc::descent server;
#else
    const gc::estimate server;
#endif
    const gc::policy_stack stack{.compressor = gc::top_k{.ratio = 4}, .memory = gc::ef21{}, .reducer = gc::all_gather{communicator}, .server = server};
    stack.attach({{"w", {8, 8}}}, parameters);
}
