/// @file Something else where the compressor belongs.
// EXPECT: gradcomp: .compressor is no compressor: it must state its facts
#include <gradcomp/gradcomp.hpp>

namespace gc = gradcomp;

void train(gc::comm::in_process communicator, std::span<float> parameters)
{
#ifdef GRADCOMP_FAIL
    const gc::ef<> compressor;
#else
    const gc::random_block compressor{.ratio = 4};
#endif
    const gc::policy_stack stack{.compressor = compressor, .memory = gc::ef{}, .reducer = gc::ring{communicator}};
    stack.attach({{"w", {8, 8}}}, parameters);
}
