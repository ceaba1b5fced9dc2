/// @file Something else where the local rule belongs.
// EXPECT: gradcomp: .local is no local rule
#include <gradcomp/gradcomp.hpp>

namespace gc = gradcomp;

void train(gc::comm::in_process communicator, std::span<float> parameters)
{
#ifdef GRADCOMP_FAIL
    const gc::server_momentum local;
#else
    const gc::momentum local;
#endif
    const gc::policy_stack stack{.compressor = gc::random_block{.ratio = 4}, .memory = gc::ef{}, .reducer = gc::ring{communicator}, .local = local};
    stack.attach({{"w", {8, 8}}}, parameters);
}
