/// @file The compressor that docs/write_a_compressor.md builds is biased, so it needs a memory.
// EXPECT: gradcomp: memory `none` forgets what this biased compressor drops, and such a run can diverge exponentially.
#include "../../examples/ternary.hpp"

namespace gc = gradcomp;

void train(gc::comm::in_process communicator, std::span<float> parameters)
{
#ifdef GRADCOMP_FAIL
    const gc::none memory{};
#else
    const gc::ef memory{};
#endif
    const gc::policy_stack stack{.compressor = own::ternary{}, .memory = memory, .reducer = gc::all_gather{communicator}};
    stack.attach({{"w", {8, 8}}}, parameters);
}
