/// @file A ring over random coordinates that each rank chooses for itself.
// EXPECT: gradcomp: a ring adds messages in flight
#include <gradcomp/gradcomp.hpp>

namespace gc = gradcomp;

void train(gc::comm::in_process communicator, std::span<float> parameters)
{
#ifdef GRADCOMP_FAIL
    const gc::rand_k<gc::indices::own> compressor{.ratio = 4};
#else
    const gc::rand_k<gc::indices::shared_seed> compressor{.ratio = 4};
#endif
    const gc::policy_stack stack{.compressor = compressor, .reducer = gc::ring{communicator}};
    stack.attach({{"w", {8, 8}}}, parameters);
}
