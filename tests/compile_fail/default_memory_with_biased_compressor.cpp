/// @file The default memory with a biased compressor.
// EXPECT: gradcomp: memory `none` forgets what this biased compressor drops
#include <gradcomp/gradcomp.hpp>

namespace gc = gradcomp;

void train(gc::comm::in_process communicator, std::span<float> parameters)
{
#ifdef GRADCOMP_FAIL
    const gc::random_block compressor{.ratio = 4};
#else
    const gc::rand_k<> compressor{.ratio = 4};
#endif
    const gc::policy_stack stack{.compressor = compressor, .reducer = gc::ring{communicator}};
    stack.attach({{"w", {8, 8}}}, parameters);
}
