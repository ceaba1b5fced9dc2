/// @file One compressor of several rounds among others, side by side in one message.
// EXPECT: gradcomp: by_tensor puts the messages of one round side by side, and one of its compressors takes several rounds.
#include <gradcomp/gradcomp.hpp>

namespace gc = gradcomp;

void train(gc::comm::in_process communicator, std::span<float> parameters)
{
#ifdef GRADCOMP_FAIL
    const gc::low_rank many{.rank = 2};
#else
    const gc::random_block many{.ratio = 2};
#endif
    const gc::policy_stack stack{.compressor = gc::by_tensor{gc::vectors(gc::identity{}), gc::otherwise(many)}, .memory = gc::ef{}, .reducer = gc::ring{communicator}};
    stack.attach({{"w", {8, 8}}}, parameters);
}
