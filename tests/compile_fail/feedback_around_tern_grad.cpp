/// @file Error feedback around one level and zero, with as large a variance as TernGrad's.
// EXPECT: gradcomp: error feedback needs a contraction, and this compressor is none: what it leaves behind can grow without bound. Write its contractive form
#include <gradcomp/gradcomp.hpp>

namespace gc = gradcomp;

void train(gc::comm::in_process communicator, std::span<float> parameters)
{
#ifdef GRADCOMP_FAIL
    const gc::tern_grad compressor{};
#else
    const gc::scaled<gc::tern_grad> compressor{.lambda = 0.2};
#endif
    const gc::policy_stack stack{.compressor = compressor, .memory = gc::ef{}, .reducer = gc::all_gather{communicator}};
    stack.attach({{"w", {8, 8}}}, parameters);
}
