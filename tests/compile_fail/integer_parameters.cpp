/// @file Parameters that are no numbers of the library.
// EXPECT: gradcomp: parameters must be float or double, and not const.
#include <gradcomp/gradcomp.hpp>

namespace gc = gradcomp;

#ifdef GRADCOMP_FAIL
using parameter = int;
#else
using parameter = float;
#endif

void train(gc::comm::in_process communicator, std::span<parameter> parameters)
{
    const gc::policy_stack stack{.compressor = gc::random_block{.ratio = 4}, .memory = gc::ef{}, .reducer = gc::ring{communicator}};
    stack.attach({{"w", {8, 8}}}, parameters);
}
