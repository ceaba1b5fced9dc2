/// @file Error feedback around a compressor that sends nothing.
// EXPECT: gradcomp: error feedback needs a contraction, and this compressor is none
#include <gradcomp/gradcomp.hpp>

namespace gc = gradcomp;

void train(gc::comm::in_process communicator, std::span<float> parameters)
{
#ifdef GRADCOMP_FAIL
    const gc::nothing compressor;
#else
    const gc::identity compressor;
#endif
    const gc::policy_stack stack{.compressor = compressor, .memory = gc::ef{}, .reducer = gc::ring{communicator}};
    stack.attach({{"w", {8, 8}}}, parameters);
}
