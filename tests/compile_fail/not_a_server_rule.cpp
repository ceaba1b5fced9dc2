/// @file Something else where the server rule belongs.
// EXPECT: gradcomp: .server is no server rule
#include <gradcomp/gradcomp.hpp>

namespace gc = gradcomp;

void train(gc::comm::in_process communicator, std::span<float> parameters)
{
#ifdef GRADCOMP_FAIL
    const gc::momentum server;
#else
    const gc::server_momentum server;
#endif
    const gc::policy_stack stack{.compressor = gc::random_block{.ratio = 4}, .memory = gc::ef{}, .reducer = gc::ring{communicator}, .server = server};
    stack.attach({{"w", {8, 8}}}, parameters);
}
