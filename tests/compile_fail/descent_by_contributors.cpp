/// @file Descent by a mean over those that sent a coefficient, which is more than their memories gave up.
// EXPECT: gradcomp: the mean over the ranks that sent a coefficient is more than these ranks' memories gave up, so only its signs may move x: write .server = gc::majority_vote{}
#include <gradcomp/gradcomp.hpp>

namespace gc = gradcomp;

void train(gc::comm::in_process communicator, std::span<float> parameters)
{
#ifdef GRADCOMP_FAIL
    const gc::descent server{};
#else
    const gc::majority_vote server{};
#endif
    const gc::policy_stack stack{
        .compressor = gc::dct_top_k<gc::coefficient_mean::contributors>{}, .memory = gc::ef{.decay = 0.999}, .reducer = gc::all_gather{communicator}, .server = server};
    stack.attach({{"w", {8, 8}}}, parameters);
}
