/// @file Another lambda for a memory that has none.
// EXPECT: gradcomp: this memory has no lambda to set: write .memory = gc::def{.lambda = 0.3} or gc::def_a{}; gc::ef is what they are with lambda = 0, gc::saef and gc::psync with 1.
#include <gradcomp/gradcomp.hpp>

namespace gc = gradcomp;

void train(gc::comm::in_process communicator, std::span<float> parameters)
{
#ifdef GRADCOMP_FAIL
    const gc::ef memory{};
#else
    const gc::def memory{};
#endif
    const gc::policy_stack stack{.compressor = gc::random_block{.ratio = 2}, .memory = memory, .reducer = gc::ring{communicator}};
    stack.attach({{"w", {8, 8}}}, parameters).set_lambda(0.5);
}
