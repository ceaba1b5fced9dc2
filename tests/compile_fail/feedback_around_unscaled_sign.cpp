/// @file Error feedback around the bare sign; a published run on CIFAR-10 fell from 63 to 15 percent with it (GRACE, 2021).
// EXPECT: gradcomp: error feedback needs a contraction, and this compressor is none: what it leaves behind can grow without bound. Write its contractive form
#include <gradcomp/gradcomp.hpp>

namespace gc = gradcomp;

void train(gc::comm::in_process communicator, std::span<float> parameters)
{
#ifdef GRADCOMP_FAIL
    const gc::sign<gc::sign_scale::none> compressor{};
#else
    const gc::sign<gc::sign_scale::mean> compressor{};
#endif
    const gc::policy_stack stack{.compressor = compressor, .memory = gc::ef{}, .reducer = gc::all_gather{communicator}};
    stack.attach({{"w", {8, 8}}}, parameters);
}
