/// @file Error feedback around a fixed threshold, which sends nothing of an x below it.
// EXPECT: gradcomp: error feedback needs a contraction, and this compressor is none: what it leaves behind can grow without bound. Write its contractive form
#include <gradcomp/gradcomp.hpp>

namespace gc = gradcomp;

void train(gc::comm::in_process communicator, std::span<float> parameters)
{
#ifdef GRADCOMP_FAIL
    const gc::threshold<gc::limit_unit::absolute> compressor{};
#else
    const gc::threshold<gc::limit_unit::maximum> compressor{};
#endif
    const gc::policy_stack stack{.compressor = compressor, .memory = gc::ef{}, .reducer = gc::all_gather{communicator}};
    stack.attach({{"w", {8, 8}}}, parameters);
}
