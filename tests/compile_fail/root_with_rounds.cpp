/// @file A root between rounds, whose sums the other ranks would never see.
// EXPECT: gradcomp: this compressor takes several rounds, each of which starts from the sum of the messages before it, and with a root no other rank sees that sum.
#include <gradcomp/gradcomp.hpp>

namespace gc = gradcomp;

void train(gc::comm::in_process communicator, std::span<float> parameters)
{
#ifdef GRADCOMP_FAIL
    const gc::gather_to_root reducer{communicator};
#else
    const gc::all_gather reducer{communicator};
#endif
    const gc::policy_stack stack{.compressor = gc::low_rank{.rank = 2}, .memory = gc::ef{}, .reducer = reducer};
    stack.attach({{"w", {8, 8}}}, parameters);
}
