/// @file One case of by_tensor that cannot be added spoils the ring for all.
// EXPECT: gradcomp: a ring adds messages in flight
#include <gradcomp/gradcomp.hpp>

namespace gc = gradcomp;

void train(gc::comm::in_process communicator, std::span<float> parameters)
{
#ifdef GRADCOMP_FAIL
    const gc::top_k matrices{.ratio = 4};
#else
    const gc::random_block matrices{.ratio = 4};
#endif
    const gc::policy_stack stack{.compressor = gc::by_tensor{gc::vectors(gc::identity{}), gc::otherwise(matrices)}, .memory = gc::ef{}, .reducer = gc::ring{communicator}};
    stack.attach({{"w", {8, 8}}}, parameters);
}
