/// @file Something else where the executor belongs.
// EXPECT: gradcomp: .executor is no executor
#include <gradcomp/gradcomp.hpp>

namespace gc = gradcomp;

void train(gc::comm::in_process communicator, std::span<float> parameters)
{
#ifdef GRADCOMP_FAIL
    const int executor = 2;
#else
    const gc::exec::cpu executor{2};
#endif
    const gc::policy_stack stack{.compressor = gc::random_block{.ratio = 4}, .memory = gc::ef{}, .reducer = gc::ring{communicator}, .executor = executor};
    stack.attach({{"w", {8, 8}}}, parameters);
}
